#include "stack/tcp/path_memory.hpp"

#include <algorithm>

namespace godwit {

void PathMemory::remember(const IpAddress& local, const IpAddress& remote,
                          const PathKnowledge& known) {
  auto place = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return entry.local == local && entry.remote == remote; });
  if (place == entries_.end() && entries_.size() == most_paths) {
    place = std::ranges::min_element(entries_, {}, [](const Entry& e) { return e.known.at; });
  }
  if (place == entries_.end()) {
    entries_.push_back({local, remote, known});
  } else {
    *place = {local, remote, known};
  }
}

const PathKnowledge* PathMemory::recall(const IpAddress& local, const IpAddress& remote,
                                        Instant now) const {
  for (const Entry& entry : entries_) {
    if (entry.local != local || entry.remote != remote) continue;
    return now - entry.known.at <= keeps ? &entry.known : nullptr;
  }
  return nullptr;
}

}  // namespace godwit
