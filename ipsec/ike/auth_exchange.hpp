// The contents of IKE_AUTH (RFC 7296 section 1.2): who each side is, the proof, and the first
// Child SA. One round; EAP and further authentications are not spoken.
#pragma once

#include <optional>
#include <vector>

#include "ipsec/crypto/signer.hpp"
#include "ipsec/ike/header.hpp"
#include "ipsec/ike/ike_peer.hpp"
#include "ipsec/ike/payloads.hpp"
#include "ipsec/ike/proposal.hpp"
#include "ipsec/ike/traffic_selector.hpp"

namespace godwit::ike {

struct AuthContents {
  std::optional<IdPayload> own_id;                // IDi; IDr in a response
  std::optional<IdPayload> wanted_id;             // IDr in a request
  std::optional<CertificatePayload> certificate;  // written only: our list has the keys that count
  std::optional<AuthPayload> auth;
  std::vector<Proposal> proposals;
  std::vector<TrafficSelector> initiator_selectors;
  std::vector<TrafficSelector> responder_selectors;
  bool transport_mode = false;
  bool initial_contact = false;
  bool godwit = false;  // the vendor ID
  std::optional<std::uint32_t> window;
  std::optional<ByteString> mobility;
  std::optional<NotifyType> error;

  // Errors: Truncated, Malformed.
  static Result<AuthContents> parse(Role sender, std::span<const PayloadView> payloads);
  PayloadChain write(Role sender) const;
};

// What an AUTH payload proves (section 2.15): the first message of its sender, the other side's
// nonce, and the sender's identity, keyed with SK_p.
struct SignedOctets {
  Bytes first_message;
  Bytes other_nonce;
  Bytes sk_p;
  PrfAlgorithm prf;
  ByteString over(const IdPayload& id) const;
};

// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4), as RFC 7670 has it sent.
CertificatePayload raw_public_key(Bytes public_key);

// How we prove ourselves to this peer; none when neither side's configuration allows anything.
// `peer_takes_ed25519`: unknown before IKE_SA_INIT.
std::optional<AuthMethod> own_method(const IkeIdentity& identity, const IkePeer& peer,
                                     bool peer_takes_ed25519);
AuthPayload make_auth(AuthMethod method, const IkeIdentity& identity, const IkePeer& peer,
                      const IdPayload& id, const SignedOctets& octets);
// Is this the peer's own proof? The keys are those of our list, never those that were sent.
bool verify_auth(const AuthPayload& auth, const IkePeer& peer, const IdPayload& id,
                 const SignedOctets& octets);

}  // namespace godwit::ike
