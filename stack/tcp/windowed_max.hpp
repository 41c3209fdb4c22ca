// The largest value of the last so many units of time, whatever is counted as time. It keeps only
// values that can still become the largest.
#pragma once

#include <cstdint>
#include <vector>

namespace godwit {

class WindowedMax {
 public:
  void update(double value, std::uint64_t now, std::uint64_t length) {
    if (!entries_.empty() && entries_.back().at == now && entries_.back().value >= value) {
      return expire(now, length);
    }
    while (!entries_.empty() && entries_.back().value <= value) entries_.pop_back();
    entries_.push_back({value, now});
    expire(now, length);
  }
  double value() const { return entries_.empty() ? 0 : entries_.front().value; }
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    double value;
    std::uint64_t at;
  };

  void expire(std::uint64_t now, std::uint64_t length) {
    std::size_t old = 0;
    while (old + 1 < entries_.size() && entries_[old].at + length <= now) ++old;
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(old));
  }

  std::vector<Entry> entries_;  // from the largest and oldest down
};

}  // namespace godwit
