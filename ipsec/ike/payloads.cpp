#include "ipsec/ike/payloads.hpp"

#include <algorithm>

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {
namespace {

constexpr std::uint8_t critical_bit = 0x80;
constexpr std::size_t esp_spi_length = 4;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Result<std::vector<PayloadView>> parse_payloads(PayloadType first, Bytes bytes) {
  std::vector<PayloadView> payloads;
  ByteReader in{bytes};
  for (PayloadType type = first; type != PayloadType::None;) {
    if (payloads.size() == most_payloads) {
      return Error{Errc::Malformed, "IKE message: too many payloads"};
    }
    const auto next = static_cast<PayloadType>(in.read<std::uint8_t>());
    const bool critical = in.read<std::uint8_t>() & critical_bit;
    const auto length = in.read<std::uint16_t>();
    if (!in.ok()) return Error{Errc::Truncated, "IKE message: a payload header is cut off"};
    if (length < generic_header_length) {
      return Error{Errc::Malformed, "IKE message: a payload is shorter than its header"};
    }
    const Bytes body = in.take(length - generic_header_length);
    if (!in.ok()) return Error{Errc::Truncated, "IKE message: a payload is cut off"};
    payloads.push_back({type, critical, next, body});
    if (type == PayloadType::Encrypted || type == PayloadType::EncryptedFragment) break;
    type = next;
  }
  if (!in.finished()) {
    return Error{Errc::Malformed, "IKE message: octets after the last payload"};
  }
  return payloads;
}

std::optional<PayloadType> unknown_critical(std::span<const PayloadView> payloads) {
  for (const PayloadView& payload : payloads) {
    if (payload.critical && !is_known(payload.type)) return payload.type;
  }
  return std::nullopt;
}

const PayloadView* find(std::span<const PayloadView> payloads, PayloadType type) {
  const auto found = std::ranges::find(payloads, type, &PayloadView::type);
  return found == payloads.end() ? nullptr : &*found;
}

void PayloadChain::add(PayloadType type, Bytes body) {
  ByteWriter out{bytes_};
  if (bytes_.empty()) {
    first_ = type;
  } else {
    out.patch(last_, static_cast<std::uint8_t>(type));
  }
  last_ = bytes_.size();
  out.write(static_cast<std::uint8_t>(PayloadType::None));
  out.write(std::uint8_t{0});
  out.write(static_cast<std::uint16_t>(body.size() + generic_header_length));
  out.write(body);
}

void PayloadChain::add_notify(NotifyType type, Bytes value) {
  add(PayloadType::Notify,
      NotifyPayload{ProtocolId::None, {}, type, to_byte_string(value)}.write());
}

Result<KeyExchangePayload> KeyExchangePayload::parse(Bytes body) {
  ByteReader in{body};
  const auto method = in.read<std::uint16_t>();
  in.skip(2);
  if (!in.ok()) return Error{Errc::Truncated, "KE payload"};
  return KeyExchangePayload{method, in.take_rest()};
}

ByteString KeyExchangePayload::write() const {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(method);
  out.write(std::uint16_t{0});
  out.write(value);
  return bytes;
}

Result<IdPayload> IdPayload::parse(Bytes body) {
  ByteReader in{body};
  const auto type = static_cast<IdType>(in.read<std::uint8_t>());
  in.skip(3);
  if (!in.ok()) return Error{Errc::Truncated, "ID payload"};
  return IdPayload{type, to_byte_string(in.take_rest())};
}

IdPayload IdPayload::fqdn(std::string_view name) {
  return {IdType::Fqdn, ByteString(name.begin(), name.end())};
}

std::optional<std::string_view> IdPayload::name() const {
  if (type != IdType::Fqdn || value.empty()) return std::nullopt;
  return std::string_view{reinterpret_cast<const char*>(value.data()), value.size()};
}

ByteString IdPayload::write() const {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(static_cast<std::uint8_t>(type));
  out.write(std::uint8_t{0});
  out.write(std::uint16_t{0});
  out.write(Bytes{value});
  return bytes;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

ByteString CertificatePayload::write() const {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(static_cast<std::uint8_t>(encoding));
  out.write(Bytes{value});
  return bytes;
}

Result<AuthPayload> AuthPayload::parse(Bytes body) {
  ByteReader in{body};
  const auto method = static_cast<AuthMethod>(in.read<std::uint8_t>());
  in.skip(3);
  if (!in.ok()) return Error{Errc::Truncated, "AUTH payload"};
  return AuthPayload{method, to_byte_string(in.take_rest())};
}

ByteString AuthPayload::write() const {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(static_cast<std::uint8_t>(method));
  out.write(std::uint8_t{0});
  out.write(std::uint16_t{0});
  out.write(Bytes{value});
  return bytes;
}

Result<NotifyPayload> NotifyPayload::parse(Bytes body) {
  ByteReader in{body};
  const auto protocol = static_cast<ProtocolId>(in.read<std::uint8_t>());
  const auto spi_length = in.read<std::uint8_t>();
  const auto type = static_cast<NotifyType>(in.read<std::uint16_t>());
  const Bytes spi = in.take(spi_length);
  if (!in.ok()) return Error{Errc::Truncated, "N payload"};
  return NotifyPayload{protocol, to_byte_string(spi), type, to_byte_string(in.take_rest())};
}

ByteString NotifyPayload::write() const {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(static_cast<std::uint8_t>(protocol));
  out.write(static_cast<std::uint8_t>(spi.size()));
  out.write(static_cast<std::uint16_t>(type));
  out.write(Bytes{spi});
  out.write(Bytes{value});
  return bytes;
}

Result<DeletePayload> DeletePayload::parse(Bytes body) {
  ByteReader in{body};
  DeletePayload payload{static_cast<ProtocolId>(in.read<std::uint8_t>()), {}};
  const auto spi_length = in.read<std::uint8_t>();
  const auto count = in.read<std::uint16_t>();
  if (!in.ok()) return Error{Errc::Truncated, "D payload"};
  if (payload.protocol == ProtocolId::Ike) {
    if (spi_length != 0 || count != 0) return Error{Errc::Malformed, "D payload: SPIs of IKE"};
    return payload;
  }
  if (spi_length != esp_spi_length || in.remaining() != std::size_t{count} * esp_spi_length) {
    return Error{Errc::Malformed, "D payload: its length is not that of its SPIs"};
  }
  while (in.remaining() > 0) payload.spis.push_back({in.read<std::uint32_t>()});
  return payload;
}

ByteString DeletePayload::write() const {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(static_cast<std::uint8_t>(protocol));
  out.write(static_cast<std::uint8_t>(spis.empty() ? 0 : esp_spi_length));
  out.write(static_cast<std::uint16_t>(spis.size()));
  for (const Spi spi : spis) out.write(spi.value);
  return bytes;
}

}  // namespace godwit::ike
