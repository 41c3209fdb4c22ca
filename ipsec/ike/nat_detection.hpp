// NAT detection in IKE_SA_INIT (RFC 7296 section 2.23): each side sends a hash of the addresses
// it uses, the other compares it with those it sees. The hash is the RFC's SHA-1 and proves
// nothing: who can change addresses on the way can change it too. All that follows from a lie is
// that ESP travels in UDP, or that the handshake fails.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "ipsec/crypto/sha1.hpp"
#include "ipsec/ike/header.hpp"
#include "ipsec/ike/ike_output.hpp"
#include "ipsec/ike/payloads.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/random.hpp"

namespace godwit::ike {

using NatHash = std::array<std::uint8_t, sha1_length>;

// The SPIs as they stand in the header of the message that carries the hash.
NatHash nat_hash(IkeSpi initiator, IkeSpi responder, const Endpoint& endpoint);

// The two kinds of notify in one message. A host with several addresses may send several sources.
struct NatNotifies {
  std::vector<NatHash> sources;
  std::optional<NatHash> destination;

  // What we say of a message that leaves by `path`. With `pretend_nat` the source is a random
  // number, so that the peer believes in a NAT and encapsulates.
  static NatNotifies of(const IkeHeader& header, const Path& path);
  void pretend_nat(Rng& rng);

  // Takes the notify if it is one of the two; false: it is another. A value that is no hash is as
  // good as a wrong one.
  bool take(const NotifyPayload& notify);
  void write_to(PayloadChain& payloads) const;
  // Without both kinds the sender does not traverse NATs.
  bool complete() const { return !sources.empty() && destination.has_value(); }

  // `path`: as the receiver sees the message.
  Nat compare(const IkeHeader& header, const Path& path) const;
};

}  // namespace godwit::ike
