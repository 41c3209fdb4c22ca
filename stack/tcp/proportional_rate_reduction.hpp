// How much may be sent while a loss is repaired (RFC 6937): in proportion to what arrives, down to
// the threshold, and not below what slow start would allow.
#pragma once

#include <algorithm>
#include <cstdint>

namespace godwit {

class ProportionalRateReduction {
 public:
  void begin(std::uint32_t in_flight_before, std::uint32_t threshold) {
    flight_ = std::max<std::uint32_t>(in_flight_before, 1);
    threshold_ = threshold;
    delivered_ = out_ = 0;
  }
  void sent(std::uint32_t octets) { out_ += octets; }
  // The window after an acknowledgement that told of `delivered` octets.
  std::uint32_t window(std::uint32_t delivered, std::uint32_t in_flight, std::uint32_t mss) {
    delivered_ += delivered;
    std::int64_t send = 0;
    if (in_flight > threshold_) {
      const auto share = (delivered_ * threshold_ + flight_ - 1) / flight_;
      send = static_cast<std::int64_t>(share) - static_cast<std::int64_t>(out_);
    } else {
      const std::int64_t owed =
          static_cast<std::int64_t>(delivered_) - static_cast<std::int64_t>(out_);
      send = std::min<std::int64_t>(threshold_ - in_flight,
                                    std::max<std::int64_t>(owed, delivered) + mss);
    }
    // The first repair goes out whatever the sums say (RFC 6937 section 3).
    if (out_ == 0) send = std::max<std::int64_t>(send, mss);
    return in_flight + static_cast<std::uint32_t>(std::max<std::int64_t>(send, 0));
  }

 private:
  std::uint64_t flight_ = 1;
  std::uint32_t threshold_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t out_ = 0;
};

}  // namespace godwit
