// Who we are and whom we talk to, as the configuration says it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipsec/crypto/secret.hpp"
#include "ipsec/crypto/signer.hpp"
#include "ipsec/policy/policy_table.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"

namespace godwit::ike {

// A peer is trusted because its key is on our list: nothing it sends can put it there. With both
// a public key and a secret the peer may use either, and we sign.
struct IkePeer {
  PeerId id;
  std::string name;                      // its ID_FQDN
  std::optional<ByteString> public_key;  // Ed25519, 32 octets
  std::optional<SecretBytes> psk;
  EspSuite weakest_suite = EspSuite::Aes128Gcm16;  // less is refused when it initiates
};

// The peers by number and by name.
class PeerList {
 public:
  void add(IkePeer peer);
  const IkePeer* find(PeerId id) const;
  const IkePeer* find_name(std::string_view name) const;

 private:
  std::map<PeerId, IkePeer> peers_;
};

struct IkeIdentity {
  std::string name;              // our ID_FQDN
  const Ed25519PrivateKey* key;  // null: shared secrets only; must outlive the endpoint
};

// When IKE and ESP travel in UDP on port 4500 (RFC 7296 section 2.23).
enum class NatTraversal : std::uint8_t {
  Auto,    // where a NAT is found
  Always,  // everywhere with peers that can, for networks that let only UDP through
  Never,   // not even looked for
};

struct IkeConfig {
  // Body of our N(MOBILITY_SUPPORTED); none: we are a plain IKEv2 host.
  std::optional<ByteString> mobility = ByteString{1};
  NatTraversal nat_traversal = NatTraversal::Auto;
  // Half-open sessions of strangers: a bound on memory.
  std::size_t most_half_open = 1024;
};

}  // namespace godwit::ike
