// From the shared secret to the keys (RFC 7296 sections 2.14 and 2.17).
#pragma once

#include "ipsec/crypto/secret.hpp"
#include "ipsec/esp/esp_keys.hpp"
#include "ipsec/ike/header.hpp"
#include "ipsec/ike/proposal.hpp"

namespace godwit::ike {

// With a combined-mode cipher there are no SK_a keys (RFC 5282 section 7); SK_e is the cipher's
// key and 4 octets of salt.
struct IkeKeys {
  SecretBytes d;
  SecretBytes encrypt_initiator;
  SecretBytes encrypt_responder;
  SecretBytes prove_initiator;
  SecretBytes prove_responder;
};

struct Nonces {
  ByteString initiator;
  ByteString responder;
};

IkeKeys derive_ike_keys(const IkeSuite& suite, const Nonces& nonces, IkeSpi initiator,
                        IkeSpi responder, Bytes shared_secret);

struct ChildKeys {
  EspKeys from_initiator;
  EspKeys from_responder;
};

// For the Child SA that IKE_AUTH creates.
ChildKeys derive_child_keys(PrfAlgorithm prf, Bytes sk_d, const Nonces& nonces,
                            AeadAlgorithm algorithm);

}  // namespace godwit::ike
