// What a connection learnt of the paths it was on, for when it comes back to one (RFC 9040): a path
// is a pair of addresses. Of each connection by itself, so that many that return together do not
// claim the whole path each; a few paths, for a few minutes.
#pragma once

#include <cstddef>
#include <vector>

#include "stack/core/ip_address.hpp"
#include "stack/core/time.hpp"
#include "stack/tcp/path_knowledge.hpp"

namespace godwit {

class PathMemory {
 public:
  static constexpr std::size_t most_paths = 4;
  // Longer ago it was another hour of the day on a shared medium, or another network that gives
  // the same address.
  static constexpr Duration keeps = std::chrono::minutes{10};

  // Replaces what was known of the path; the one that was measured longest ago gives way.
  void remember(const IpAddress& local, const IpAddress& remote, const PathKnowledge& known);
  // Null: nothing is known, or it is too old.
  const PathKnowledge* recall(const IpAddress& local, const IpAddress& remote, Instant now) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    IpAddress local;
    IpAddress remote;
    PathKnowledge known;
  };
  std::vector<Entry> entries_;  // most connections never move
};

}  // namespace godwit
