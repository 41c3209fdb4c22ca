// The security associations of this host (RFC 4301 section 4.4.2), in pairs as IKE makes them,
// found by the SPI a packet shows. A pair stays where it is in memory until it is erased.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "ipsec/esp/inbound_sa.hpp"
#include "ipsec/esp/outbound_sa.hpp"

namespace godwit {

struct SaPair {
  PeerId peer;
  InboundSa inbound;
  OutboundSa outbound;
};

class SaTable {
 public:
  // The newest pair of its peer from here on. Null: there is a pair with this inbound SPI.
  SaPair* insert(SaPair pair);
  // For what still comes on it: the oldest pair of its peer from here on, not the newest.
  SaPair* insert_inbound_only(SaPair pair);

  SaPair* by_inbound(Spi inbound);
  const SaPair* by_inbound(Spi inbound) const;
  // The one that outbound traffic of this peer takes; null when there is none.
  SaPair* newest_of(PeerId peer);
  const SaPair* newest_of(PeerId peer) const;

  // False: no such pair. The next newest pair of the peer takes over its outbound traffic.
  bool erase(Spi inbound);
  std::size_t erase_all(PeerId peer);

  std::size_t size() const { return pairs_.size(); }
  std::vector<const SaPair*> list() const;  // ordered by peer, the newest last

 private:
  SaPair* store(SaPair pair);

  std::unordered_map<Spi, std::unique_ptr<SaPair>> pairs_;
  std::unordered_map<PeerId, std::vector<SaPair*>> of_peer_;  // the newest last, never empty
};

}  // namespace godwit
