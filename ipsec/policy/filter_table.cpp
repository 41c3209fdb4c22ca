#include "ipsec/policy/filter_table.hpp"

#include <algorithm>
#include <utility>

namespace godwit {

void FilterTable::link(PeerRows& peer, Row& row) {
  row.older = peer.newest;
  row.newer = nullptr;
  (peer.newest != nullptr ? peer.newest->newer : peer.oldest) = &row;
  peer.newest = &row;
  ++peer.count;
}

void FilterTable::unlink(PeerRows& peer, Row& row) {
  (row.older != nullptr ? row.older->newer : peer.oldest) = row.newer;
  (row.newer != nullptr ? row.newer->older : peer.newest) = row.older;
  --peer.count;
}

void FilterTable::forget_if_empty(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found != peers_.end() && found->second.count == 0 && found->second.aliases.empty()) {
    peers_.erase(found);
  }
}

bool FilterTable::add(const Filter& filter) {
  const auto [row, added] = rows_.try_emplace(filter.flow, Row{filter, nullptr, nullptr});
  if (added) link(peers_[filter.peer], row->second);
  return added;
}

bool FilterTable::remove(const FiveTuple& flow) {
  const auto row = rows_.find(flow);
  if (row == rows_.end()) return false;
  const PeerId peer = row->second.filter.peer;
  unlink(peers_[peer], row->second);
  rows_.erase(row);
  forget_if_empty(peer);
  return true;
}

std::size_t FilterTable::remove_all(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return 0;
  const std::size_t count = found->second.count;
  for (Row* row = found->second.oldest; row != nullptr;) {
    Row* const next = row->newer;
    rows_.erase(rows_.find(row->filter.flow));
    row = next;
  }
  aliases_ -= found->second.aliases.size();
  peers_.erase(found);
  return count;
}

const Filter* FilterTable::match_outbound(const FiveTuple& flow) const {
  const auto row = rows_.find(flow);
  return row == rows_.end() ? nullptr : &row->second.filter;
}

std::size_t FilterTable::rewrite(PeerId peer, const AddressRewrite& change) {
  displaced_.clear();
  const auto found = peers_.find(peer);
  if (found == peers_.end() || change.from == change.to) return 0;
  PeerRows& mine = found->second;
  std::size_t count = 0;
  for (Row* row = mine.oldest; row != nullptr;) {
    Row* const next = row->newer;
    const FiveTuple before = row->filter.flow;
    const FiveTuple after = change.applied_to(before);
    if (after != before) {
      // The node moves to its new place without an allocation, and stays where it is in memory.
      auto node = rows_.extract(before);
      node.key() = after;
      const auto placed = rows_.insert(std::move(node));
      if (placed.inserted) {
        placed.position->second.filter.flow = after;
        ++count;
      } else {
        Row& loser = placed.node.mapped();
        unlink(mine, loser);
        displaced_.push_back(loser.filter);
      }
    }
    row = next;
  }
  retarget(mine, change);
  forget_if_empty(peer);
  return count;
}

std::vector<Filter> FilterTable::take_displaced() { return std::exchange(displaced_, {}); }

std::size_t FilterTable::rebind(PeerId peer, Spi inbound) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return 0;
  for (Row* row = found->second.oldest; row != nullptr; row = row->newer) {
    row->filter.inbound = inbound;
  }
  return found->second.count;
}

template <class Condition>
void FilterTable::drop_aliases(PeerRows& peer, Condition condition) {
  aliases_ -= std::erase_if(peer.aliases, condition);
}

// What was shown to the rows under `from` is shown to them where they are.
void FilterTable::retarget(PeerRows& peer, const AddressRewrite& change) {
  for (Alias& alias : peer.aliases) {
    AddressRewrite& rewrite = alias.rewrite;
    if (rewrite.side == change.side && rewrite.to == change.from) rewrite.to = change.to;
  }
  drop_aliases(peer, [](const Alias& alias) { return alias.rewrite.from == alias.rewrite.to; });
}

void FilterTable::accept_also(PeerId peer, const AddressRewrite& alias, Instant until) {
  if (alias.from == alias.to) return;
  PeerRows& mine = peers_[peer];
  drop_aliases(mine, [&](const Alias& known) {
    const AddressRewrite& other = known.rewrite;
    const bool contrary = other.from == alias.to && other.to == alias.from;
    return other.side == alias.side && (contrary || other.from == alias.from);
  });
  if (mine.aliases.size() == most_aliases) {
    mine.aliases.erase(mine.aliases.begin());
    --aliases_;
  }
  next_end_ = aliases_ == 0 ? until : std::min(next_end_, until);
  mine.aliases.push_back({alias, until});
  ++aliases_;
}

bool FilterTable::belongs(const FiveTuple& flow, PeerId peer) const {
  const auto row = rows_.find(flow);
  return row != rows_.end() && row->second.filter.peer == peer;
}

std::optional<FiveTuple> FilterTable::admit(PeerId peer, const FiveTuple& observed,
                                            Instant now) const {
  if (belongs(observed, peer)) return observed;
  if (aliases_ == 0) return std::nullopt;
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return std::nullopt;
  const std::vector<Alias>& aliases = found->second.aliases;
  for (const Alias& alias : aliases) {
    if (now >= alias.until) continue;
    const FiveTuple once = alias.rewrite.applied_to(observed);
    if (once == observed) continue;
    if (belongs(once, peer)) return once;
    // Both ends have moved.
    for (const Alias& other : aliases) {
      if (now >= other.until || other.rewrite.side == alias.rewrite.side) continue;
      const FiveTuple twice = other.rewrite.applied_to(once);
      if (twice != once && belongs(twice, peer)) return twice;
    }
  }
  return std::nullopt;
}

FiveTuple FilterTable::aliased(PeerId peer, FiveTuple observed, Instant now) const {
  const auto found = peers_.find(peer);
  if (aliases_ == 0 || found == peers_.end()) return observed;
  for (const Side side : {Side::Local, Side::Remote}) {
    for (const Alias& alias : found->second.aliases) {
      if (alias.rewrite.side != side || now >= alias.until) continue;
      const FiveTuple meant = alias.rewrite.applied_to(observed);
      if (meant == observed) continue;
      observed = meant;
      break;
    }
  }
  return observed;
}

bool FilterTable::is_graced(const IpAddress& local, Instant now) const {
  if (aliases_ == 0) return false;
  for (const auto& [id, peer] : peers_) {
    for (const Alias& alias : peer.aliases) {
      const bool leads = alias.rewrite.side == Side::Local && alias.rewrite.from == local;
      if (leads && now < alias.until) return true;
    }
  }
  return false;
}

std::optional<Deadline> FilterTable::next_deadline() const {
  if (aliases_ == 0) return std::nullopt;
  return Deadline{next_end_, "end of grace"};
}

void FilterTable::expire(Instant now) {
  if (aliases_ == 0 || now < next_end_) return;
  next_end_ = Instant::max();
  for (auto peer = peers_.begin(); peer != peers_.end();) {
    PeerRows& rows = peer->second;
    drop_aliases(rows, [&](const Alias& alias) { return now >= alias.until; });
    for (const Alias& alias : rows.aliases) next_end_ = std::min(next_end_, alias.until);
    peer = rows.count == 0 && rows.aliases.empty() ? peers_.erase(peer) : std::next(peer);
  }
}

std::vector<Filter> FilterTable::rows_of(PeerId peer) const {
  std::vector<Filter> rows;
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return rows;
  rows.reserve(found->second.count);
  for (const Row* row = found->second.oldest; row != nullptr; row = row->newer) {
    rows.push_back(row->filter);
  }
  return rows;
}

std::size_t FilterTable::count_of(PeerId peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? 0 : found->second.count;
}

}  // namespace godwit
