#include "ipsec/ike/auth_exchange.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "ipsec/crypto/prf.hpp"
#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {
namespace {

// SEQUENCE { OBJECT IDENTIFIER 1.3.101.112 }: id-Ed25519 (RFC 8410 section 3).
constexpr std::array<std::uint8_t, 7> ed25519_identifier = {0x30, 0x05, 0x06, 0x03,
                                                            0x2b, 0x65, 0x70};
// SEQUENCE of 42 octets in front of the identifier; BIT STRING of 33, none unused, behind it.
constexpr std::array<std::uint8_t, 2> key_info_start = {0x30, 0x2a};
constexpr std::array<std::uint8_t, 3> key_bits_start = {0x03, 0x21, 0x00};
constexpr std::string_view key_pad = "Key Pad for IKEv2";  // section 2.15

PayloadType id_type(Role role) {
  return role == Role::Initiator ? PayloadType::IdInitiator : PayloadType::IdResponder;
}

Bytes octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

ByteString big_endian(std::uint32_t value) {
  ByteString bytes;
  ByteWriter{bytes}.write(value);
  return bytes;
}

// The algorithm's DER with its length in front (RFC 7427 section 3), then the signature.
ByteString signature_value(Bytes signature) {
  ByteString value;
  ByteWriter out{value};
  out.write(static_cast<std::uint8_t>(ed25519_identifier.size()));
  out.write(Bytes{ed25519_identifier});
  out.write(signature);
  return value;
}

SecretBytes shared_key_proof(const SecretBytes& psk, PrfAlgorithm algorithm, Bytes octets) {
  const SecretBytes padded = prf(algorithm, psk.bytes(), {octets_of(key_pad)});
  return prf(algorithm, padded.bytes(), {octets});
}

void apply(const NotifyPayload& notify, AuthContents& contents) {
  switch (notify.type) {
    case NotifyType::UseTransportMode: contents.transport_mode = true; break;
    case NotifyType::InitialContact: contents.initial_contact = true; break;
    case NotifyType::MobilitySupported: contents.mobility = notify.value; break;
    case NotifyType::SetWindowSize:
      if (notify.value.size() == sizeof(std::uint32_t)) {
        contents.window = ByteReader{notify.value}.read<std::uint32_t>();
      }
      break;
    default:
      if (is_error(notify.type) && !contents.error) contents.error = notify.type;
  }
}

template <class Parsed, class Target>
Status take(const Result<Parsed>& parsed, Target& target) {
  if (!parsed) return parsed.error();
  target = *parsed;
  return {};
}

Status read(const PayloadView& payload, Role sender, AuthContents& contents) {
  switch (payload.type) {
    case PayloadType::IdInitiator:
    case PayloadType::IdResponder:
      return take(IdPayload::parse(payload.body),
                  payload.type == id_type(sender) ? contents.own_id : contents.wanted_id);
    case PayloadType::Authentication: return take(AuthPayload::parse(payload.body), contents.auth);
    case PayloadType::SecurityAssociation:
      return take(parse_proposals(payload.body), contents.proposals);
    case PayloadType::TrafficSelectorInitiator:
      return take(parse_traffic_selectors(payload.body), contents.initiator_selectors);
    case PayloadType::TrafficSelectorResponder:
      return take(parse_traffic_selectors(payload.body), contents.responder_selectors);
    case PayloadType::VendorId:
      contents.godwit |= std::ranges::equal(payload.body, octets_of(vendor_id));
      return {};
    case PayloadType::Notify: {
      const auto parsed = NotifyPayload::parse(payload.body);
      if (!parsed) return parsed.error();
      apply(*parsed, contents);
      return {};
    }
    default: return {};
  }
}

}  // namespace

Result<AuthContents> AuthContents::parse(Role sender, std::span<const PayloadView> payloads) {
  AuthContents contents;
  for (const PayloadView& payload : payloads) {
    if (const Status status = read(payload, sender, contents); !status) return status.error();
  }
  return contents;
}

PayloadChain AuthContents::write(Role sender) const {
  PayloadChain payloads;
  if (own_id) payloads.add(id_type(sender), own_id->write());
  if (certificate) payloads.add(PayloadType::Certificate, certificate->write());
  if (initial_contact) payloads.add_notify(NotifyType::InitialContact);
  if (wanted_id) payloads.add(id_type(other(sender)), wanted_id->write());
  if (auth) payloads.add(PayloadType::Authentication, auth->write());
  if (window) payloads.add_notify(NotifyType::SetWindowSize, big_endian(*window));
  if (transport_mode) payloads.add_notify(NotifyType::UseTransportMode);
  if (!proposals.empty()) {
    payloads.add(PayloadType::SecurityAssociation, write_proposals(proposals));
    payloads.add(PayloadType::TrafficSelectorInitiator,
                 write_traffic_selectors(initiator_selectors));
    payloads.add(PayloadType::TrafficSelectorResponder,
                 write_traffic_selectors(responder_selectors));
  }
  if (mobility) payloads.add_notify(NotifyType::MobilitySupported, *mobility);
  if (godwit) payloads.add(PayloadType::VendorId, octets_of(vendor_id));
  if (error) payloads.add_notify(*error);
  return payloads;
}

ByteString SignedOctets::over(const IdPayload& id) const {
  ByteString octets;
  ByteWriter out{octets};
  out.write(first_message);
  out.write(other_nonce);
  out.write(godwit::prf(prf, sk_p, {id.write()}).bytes());
  return octets;
}

CertificatePayload raw_public_key(Bytes public_key) {
  CertificatePayload certificate{CertificateEncoding::RawPublicKey, {}};
  ByteWriter out{certificate.value};
  out.write(Bytes{key_info_start});
  out.write(Bytes{ed25519_identifier});
  out.write(Bytes{key_bits_start});
  out.write(public_key);
  return certificate;
}

std::optional<AuthMethod> own_method(const IkeIdentity& identity, const IkePeer& peer,
                                     bool peer_takes_ed25519) {
  if (identity.key && peer.public_key && peer_takes_ed25519) return AuthMethod::DigitalSignature;
  if (peer.psk) return AuthMethod::SharedKey;
  return std::nullopt;
}

AuthPayload make_auth(AuthMethod method, const IkeIdentity& identity, const IkePeer& peer,
                      const IdPayload& id, const SignedOctets& octets) {
  const ByteString signed_octets = octets.over(id);
  if (method == AuthMethod::DigitalSignature) {
    return {method, signature_value(identity.key->sign(signed_octets))};
  }
  return {method, to_byte_string(shared_key_proof(*peer.psk, octets.prf, signed_octets).bytes())};
}

bool verify_auth(const AuthPayload& auth, const IkePeer& peer, const IdPayload& id,
                 const SignedOctets& octets) {
  const ByteString signed_octets = octets.over(id);
  switch (auth.method) {
    case AuthMethod::SharedKey:
      return peer.psk &&
             equal_in_constant_time(auth.value,
                                    shared_key_proof(*peer.psk, octets.prf, signed_octets).bytes());
    case AuthMethod::DigitalSignature: {
      ByteReader in{auth.value};
      const Bytes identifier = in.take(in.read<std::uint8_t>());
      return peer.public_key && in.ok() && std::ranges::equal(identifier, ed25519_identifier) &&
             ed25519_verify(*peer.public_key, signed_octets, in.take_rest());
    }
  }
  return false;
}

}  // namespace godwit::ike
