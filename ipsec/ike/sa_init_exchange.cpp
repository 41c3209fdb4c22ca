#include "ipsec/ike/sa_init_exchange.hpp"

#include "ipsec/ike/message.hpp"
#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {
namespace {

bool names_identity_hash(Bytes value) {
  ByteReader in{value};
  while (in.remaining() >= 2) {
    if (in.read<std::uint16_t>() == static_cast<std::uint16_t>(SignatureHash::Identity))
      return true;
  }
  return false;
}

ByteString big_endian(std::uint16_t value) {
  ByteString bytes;
  ByteWriter{bytes}.write(value);
  return bytes;
}

}  // namespace

Result<SaInit> SaInit::parse(std::span<const PayloadView> payloads) {
  const PayloadView* sa = find(payloads, PayloadType::SecurityAssociation);
  const PayloadView* ke = find(payloads, PayloadType::KeyExchange);
  const PayloadView* nonce = find(payloads, PayloadType::Nonce);
  if (!sa || !ke || !nonce) {
    return Error{Errc::Malformed, "IKE_SA_INIT: SA, KE or Nonce is missing"};
  }
  if (nonce->body.size() < shortest_nonce || nonce->body.size() > longest_nonce) {
    return Error{Errc::Malformed, "IKE_SA_INIT: a nonce has 16 to 256 octets"};
  }
  Result<std::vector<Proposal>> proposals = parse_proposals(sa->body);
  if (!proposals) return proposals.error();
  const Result<KeyExchangePayload> share = KeyExchangePayload::parse(ke->body);
  if (!share) return share.error();
  SaInit init{*std::move(proposals), share->method, to_byte_string(share->value),
              to_byte_string(nonce->body)};
  for (const PayloadView& payload : payloads) {
    if (payload.type != PayloadType::Notify) continue;
    const Result<NotifyPayload> notify = NotifyPayload::parse(payload.body);
    if (!notify) return notify.error();
    if (notify->type == NotifyType::SignatureHashAlgorithms) {
      init.takes_ed25519 = names_identity_hash(notify->value);
    } else {
      init.nat.take(*notify);
    }
  }
  return init;
}

ByteString SaInit::write(const IkeHeader& header, Bytes cookie) const {
  PayloadChain payloads;
  if (!cookie.empty()) {
    payloads.add_notify(NotifyType::Cookie, cookie);
  }
  payloads.add(PayloadType::SecurityAssociation, write_proposals(proposals));
  payloads.add(PayloadType::KeyExchange, KeyExchangePayload{method, public_value}.write());
  payloads.add(PayloadType::Nonce, nonce);
  if (takes_ed25519) {
    payloads.add_notify(NotifyType::SignatureHashAlgorithms,
                        big_endian(static_cast<std::uint16_t>(SignatureHash::Identity)));
  }
  nat.write_to(payloads);
  return write_clear_message(header, payloads);
}

std::optional<SaInitRefusal> SaInitRefusal::parse(std::span<const PayloadView> payloads) {
  if (find(payloads, PayloadType::SecurityAssociation)) return std::nullopt;
  for (const PayloadView& payload : payloads) {
    if (payload.type != PayloadType::Notify) continue;
    const Result<NotifyPayload> notify = NotifyPayload::parse(payload.body);
    if (!notify) return std::nullopt;
    SaInitRefusal refusal{Kind::Final, 0, {}, notify->type};
    if (notify->type == NotifyType::InvalidKePayload && notify->value.size() == 2) {
      refusal.kind = Kind::AnotherMethod;
      refusal.method = ByteReader{notify->value}.read<std::uint16_t>();
      return refusal;
    }
    if (notify->type == NotifyType::Cookie && !notify->value.empty() &&
        notify->value.size() <= longest_cookie) {
      refusal.kind = Kind::Cookie;
      refusal.cookie = notify->value;
      return refusal;
    }
    if (is_error(notify->type)) return refusal;
  }
  return std::nullopt;
}

ByteString write_refusal(const IkeHeader& header, NotifyType why, Bytes value) {
  PayloadChain payloads;
  payloads.add_notify(why, value);
  return write_clear_message(header, payloads);
}

}  // namespace godwit::ike
