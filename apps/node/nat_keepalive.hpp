// Keeps the mapping of an address translator alive (RFC 3948 section 4): who stands behind one
// sends an octet to each peer when nothing else has gone there for a while. A machine with one
// deadline for all peers. It says where a keepalive is due; whoever owns it sends it.
#pragma once

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "stack/core/endpoint.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/machine.hpp"
#include "stack/core/time.hpp"

namespace godwit {

class NatKeepalive {
 public:
  struct Due {
    Path path;
  };
  using Output = Due;

  explicit NatKeepalive(Duration interval) : interval_{interval} {}

  // From here on there is a mapping to keep for this peer, by this path.
  void handle_mapping(PeerId peer, const Path& path, Instant now) {
    const auto [at, added] = entries_.try_emplace(peer, Entry{path, now});
    if (!added && at->second.path != path) at->second = Entry{path, now};
  }
  void handle_no_mapping(PeerId peer) { entries_.erase(peer); }
  // Something was sent by the peer's path, and did the keepalive's work.
  void handle_sent(PeerId peer, Instant now) {
    if (entries_.empty()) return;
    if (const auto at = entries_.find(peer); at != entries_.end()) at->second.last_sent = now;
  }
  void handle_timeout(Instant now) {
    std::vector<PeerId> due;
    for (const auto& [peer, entry] : entries_) {
      if (entry.last_sent + interval_ <= now) due.push_back(peer);
    }
    std::ranges::sort(due);  // the same order in every run
    for (const PeerId peer : due) {
      Entry& entry = entries_.at(peer);
      entry.last_sent = now;
      outputs_.push(Due{entry.path});
    }
  }

  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const {
    std::optional<Deadline> next;
    for (const auto& [peer, entry] : entries_) {
      next = earliest(next, Deadline{entry.last_sent + interval_, "NAT keepalive"});
    }
    return next;
  }

 private:
  struct Entry {
    Path path;
    Instant last_sent;
  };
  Duration interval_;
  std::unordered_map<PeerId, Entry> entries_;
  OutputQueue<Output> outputs_;
};

static_assert(Machine<NatKeepalive>);

}  // namespace godwit
