#include "ipsec/policy/sa_table.hpp"

#include <algorithm>
#include <utility>

namespace godwit {

SaPair* SaTable::insert(SaPair pair) {
  SaPair* stored = store(std::move(pair));
  if (stored != nullptr) of_peer_[stored->peer].push_back(stored);
  return stored;
}

SaPair* SaTable::insert_inbound_only(SaPair pair) {
  SaPair* stored = store(std::move(pair));
  if (stored == nullptr) return nullptr;
  auto& siblings = of_peer_[stored->peer];
  siblings.insert(siblings.begin(), stored);
  return stored;
}

SaPair* SaTable::store(SaPair pair) {
  auto& stored = pairs_[pair.inbound.spi()];
  if (stored) return nullptr;
  stored = std::make_unique<SaPair>(std::move(pair));
  return stored.get();
}

const SaPair* SaTable::by_inbound(Spi inbound) const {
  const auto found = pairs_.find(inbound);
  return found == pairs_.end() ? nullptr : found->second.get();
}
SaPair* SaTable::by_inbound(Spi inbound) {
  return const_cast<SaPair*>(std::as_const(*this).by_inbound(inbound));
}

const SaPair* SaTable::newest_of(PeerId peer) const {
  const auto found = of_peer_.find(peer);
  return found == of_peer_.end() ? nullptr : found->second.back();
}
SaPair* SaTable::newest_of(PeerId peer) {
  return const_cast<SaPair*>(std::as_const(*this).newest_of(peer));
}

bool SaTable::erase(Spi inbound) {
  const auto found = pairs_.find(inbound);
  if (found == pairs_.end()) return false;
  const auto siblings = of_peer_.find(found->second->peer);
  std::erase(siblings->second, found->second.get());
  if (siblings->second.empty()) of_peer_.erase(siblings);
  pairs_.erase(found);
  return true;
}

std::size_t SaTable::erase_all(PeerId peer) {
  const auto found = of_peer_.find(peer);
  if (found == of_peer_.end()) return 0;
  const std::size_t count = found->second.size();
  for (const SaPair* pair : found->second) pairs_.erase(pair->inbound.spi());
  of_peer_.erase(found);
  return count;
}

std::vector<const SaPair*> SaTable::list() const {
  std::vector<PeerId> peers;
  for (const auto& [peer, pairs] : of_peer_) peers.push_back(peer);
  std::ranges::sort(peers);
  std::vector<const SaPair*> all;
  for (const PeerId peer : peers) {
    const auto& pairs = of_peer_.at(peer);
    all.insert(all.end(), pairs.begin(), pairs.end());
  }
  return all;
}

}  // namespace godwit
