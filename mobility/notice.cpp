#include "mobility/notice.hpp"

#include <algorithm>
#include <optional>

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit {
namespace {

// All numbers big-endian. An address is its family (4 or 6) and its octets; a list is its length
// in one octet and its elements.
//
//   ADDRESS_CHANGE       counter 32, flags 8, reserved 24, nonce 128, to, list of from, list of
//   SPI,
//                        padding: its length in one octet, and zeros
//   MIGRATION_COMPLETED  counter 32, outcome 8, reserved 8, seen port 16, nonce 128, echo 128, seen
//   SESSION_TERMINATION  reason 8, reserved 24, address, list of SPI
//   PATH_ECHO            echo 128
//   PEER_ADDRESSES       list of addresses
constexpr std::uint8_t flag_old_path_alive = 0x01;
constexpr std::uint8_t flag_no_translation = 0x02;

constexpr Error truncated{Errc::Truncated, "notice: shorter than its fields"};
constexpr Error malformed{Errc::Malformed, "notice: a field has an impossible value"};

void write_address(ByteWriter& out, const IpAddress& address) {
  out.write(static_cast<std::uint8_t>(address.family()));
  out.write(address.octets());
}

std::optional<IpAddress> read_address(ByteReader& in) {
  const auto family = static_cast<IpFamily>(in.read<std::uint8_t>());
  if (family != IpFamily::V4 && family != IpFamily::V6) return std::nullopt;
  const Bytes octets =
      in.take(family == IpFamily::V4 ? IpAddress::v4_length : IpAddress::v6_length);
  if (!in.ok()) return std::nullopt;
  return IpAddress::from_octets(octets);
}

void write_associations(ByteWriter& out, const std::vector<Spi>& associations) {
  const std::size_t count = std::min(associations.size(), AddressChange::most_associations);
  out.write(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) out.write(associations[i].value);
}

std::optional<std::vector<Spi>> read_associations(ByteReader& in) {
  const std::size_t count = in.read<std::uint8_t>();
  if (count > AddressChange::most_associations) return std::nullopt;
  std::vector<Spi> associations;
  for (std::size_t i = 0; i < count; ++i) associations.push_back(Spi{in.read<std::uint32_t>()});
  return associations;
}

Nonce read_nonce(ByteReader& in) {
  Nonce nonce{};
  const Bytes octets = in.take(nonce.size());
  std::copy(octets.begin(), octets.end(), nonce.begin());
  return nonce;
}

// What is missing explains what is impossible: a reader at its end yields zeros.
const Error& reason_for(const ByteReader& in) { return in.ok() ? malformed : truncated; }

void write_body(ByteWriter& out, const AddressChange& notice) {
  out.write(notice.counter);
  std::uint32_t flags = notice.old_path == OldPath::Alive ? flag_old_path_alive : 0;
  if (notice.translation == Translation::Refused) flags |= flag_no_translation;
  out.write(flags << 24);
  out.write(Bytes{notice.nonce});
  write_address(out, notice.to);
  const std::size_t count = std::min(notice.from.size(), AddressChange::most_former_addresses);
  out.write(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) write_address(out, notice.from[i]);
  write_associations(out, notice.associations);
  const std::size_t length = out.size() + 1;
  const std::size_t padding =
      AddressChange::least_length - std::min(length, AddressChange::least_length);
  out.write(static_cast<std::uint8_t>(padding));
  for (std::size_t i = 0; i < padding; ++i) out.write(std::uint8_t{0});
}

Result<Notice> parse_address_change(ByteReader& in) {
  const auto counter = in.read<std::uint32_t>();
  const auto flags = static_cast<std::uint8_t>(in.read<std::uint32_t>() >> 24);
  const Nonce nonce = read_nonce(in);
  const auto to = read_address(in);
  if (!to) return reason_for(in);
  const std::size_t count = in.read<std::uint8_t>();
  if (count == 0 || count > AddressChange::most_former_addresses) return reason_for(in);
  std::vector<IpAddress> from;
  for (std::size_t i = 0; i < count; ++i) {
    const auto address = read_address(in);
    if (!address) return reason_for(in);
    from.push_back(*address);
  }
  auto associations = read_associations(in);
  if (!associations) return reason_for(in);
  in.skip(in.read<std::uint8_t>());  // padding
  if (!in.finished()) return reason_for(in);
  return Notice{AddressChange{
      counter, std::move(from), *to,
      (flags & flag_old_path_alive) != 0 ? OldPath::Alive : OldPath::Gone, std::move(*associations),
      nonce, (flags & flag_no_translation) != 0 ? Translation::Refused : Translation::Allowed}};
}

void write_body(ByteWriter& out, const MigrationCompleted& notice) {
  out.write(notice.counter);
  out.write(static_cast<std::uint8_t>(notice.outcome));
  out.write(std::uint8_t{0});
  out.write(notice.seen.port);
  out.write(Bytes{notice.nonce});
  out.write(Bytes{notice.echo});
  write_address(out, notice.seen.address);
}

Result<Notice> parse_migration_completed(ByteReader& in) {
  const auto counter = in.read<std::uint32_t>();
  const auto outcome = static_cast<MoveOutcome>(in.read<std::uint8_t>());
  in.skip(1);
  const auto port = in.read<std::uint16_t>();
  const Nonce nonce = read_nonce(in);
  const Nonce echo = read_nonce(in);
  const auto seen = read_address(in);
  if (!seen || !in.finished() || outcome > MoveOutcome::Refused) return reason_for(in);
  return Notice{MigrationCompleted{counter, outcome, nonce, {*seen, port}, echo}};
}

void write_body(ByteWriter& out, const SessionTermination& notice) {
  out.write(std::uint32_t{static_cast<std::uint8_t>(notice.reason)} << 24);
  write_address(out, notice.address);
  write_associations(out, notice.associations);
}

// Whatever its reason is called, a termination ends the session.
Result<Notice> parse_session_termination(ByteReader& in) {
  const auto reason = static_cast<TerminationReason>(in.read<std::uint32_t>() >> 24);
  const auto address = read_address(in);
  if (!address) return reason_for(in);
  auto associations = read_associations(in);
  if (!associations || !in.finished()) return reason_for(in);
  return Notice{SessionTermination{*address, std::move(*associations), reason}};
}

void write_body(ByteWriter& out, const PathEcho& notice) { out.write(Bytes{notice.echo}); }

Result<Notice> parse_path_echo(ByteReader& in) {
  const Nonce echo = read_nonce(in);
  if (!in.finished()) return reason_for(in);
  return Notice{PathEcho{echo}};
}

void write_body(ByteWriter& out, const PeerAddresses& notice) {
  const std::size_t count = std::min(notice.addresses.size(), PeerAddresses::most_addresses);
  out.write(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) write_address(out, notice.addresses[i]);
}

Result<Notice> parse_peer_addresses(ByteReader& in) {
  const std::size_t count = in.read<std::uint8_t>();
  if (count > PeerAddresses::most_addresses) return malformed;
  PeerAddresses notice;
  for (std::size_t i = 0; i < count; ++i) {
    const auto address = read_address(in);
    if (!address) return reason_for(in);
    notice.addresses.push_back(*address);
  }
  if (!in.finished()) return reason_for(in);
  return Notice{std::move(notice)};
}

}  // namespace

NoticeType type_of(const Notice& notice) {
  struct {
    NoticeType operator()(const AddressChange&) const { return NoticeType::AddressChange; }
    NoticeType operator()(const MigrationCompleted&) const {
      return NoticeType::MigrationCompleted;
    }
    NoticeType operator()(const SessionTermination&) const {
      return NoticeType::SessionTermination;
    }
    NoticeType operator()(const PathEcho&) const { return NoticeType::PathEcho; }
    NoticeType operator()(const PeerAddresses&) const { return NoticeType::PeerAddresses; }
  } type;
  return std::visit(type, notice);
}

std::string_view to_string(NoticeType type) {
  switch (type) {
    case NoticeType::AddressChange: return "ADDRESS_CHANGE";
    case NoticeType::MigrationCompleted: return "MIGRATION_COMPLETED";
    case NoticeType::SessionTermination: return "SESSION_TERMINATION";
    case NoticeType::PathEcho: return "PATH_ECHO";
    case NoticeType::PeerAddresses: return "PEER_ADDRESSES";
  }
  return "?";
}

ByteString write_notice(const Notice& notice) {
  ByteString body;
  ByteWriter out{body};
  std::visit([&](const auto& detail) { write_body(out, detail); }, notice);
  return body;
}

Result<Notice> parse_notice(NoticeType type, Bytes body) {
  ByteReader in{body};
  switch (type) {
    case NoticeType::AddressChange: return parse_address_change(in);
    case NoticeType::MigrationCompleted: return parse_migration_completed(in);
    case NoticeType::SessionTermination: return parse_session_termination(in);
    case NoticeType::PathEcho: return parse_path_echo(in);
    case NoticeType::PeerAddresses: return parse_peer_addresses(in);
  }
  return Error{Errc::Unsupported, "notice: of a type we do not know"};
}

}  // namespace godwit
