// How fast data arrives at the other end (draft-ietf-ccwg-bbr section 4.1): each transmission is
// stamped with what had been delivered by then, and when it is known to have arrived the difference
// over the time it took is a sample. A sample taken while the application had too little to send
// says what the application did, not what the path can do, and is marked so.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/core/time.hpp"

namespace godwit {

class DeliveryRate {
 public:
  // What a transmission carries until its fate is known.
  struct Stamp {
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    Instant delivered_at{};
    Instant first_sent_at{};
    std::uint32_t in_flight = 0;  // with this one
    bool application_limited = false;
  };
  // What one acknowledgement tells, by the newest transmission that it confirms.
  struct Sample {
    double rate = 0;                     // octets in a second; 0: none that could be trusted
    std::uint64_t delivered = 0;         // in the interval of the sample
    std::uint64_t delivered_before = 0;  // ever, when it was sent
    std::uint64_t delivered_ever = 0;
    std::uint64_t lost = 0;  // since it was sent
    std::uint32_t in_flight = 0;
    bool application_limited = false;
    bool known = false;  // something was delivered
  };

  Stamp sent(Instant now, std::uint32_t in_flight, std::uint32_t octets);
  void delivered(const Stamp& stamp, Instant sent_at, std::uint32_t end, std::uint32_t octets,
                 Instant now);
  void lost(std::uint32_t octets) { lost_ += octets; }
  // Of what delivered() was told since the last one. An interval shorter than a round trip can be
  // was of a transmission that is not the one that arrived.
  Sample take(Duration least_round_trip);

  // There is nothing more to send at present, or more is held back on purpose.
  void limited(std::uint32_t in_flight);
  bool application_limited() const { return limited_until_ != 0; }
  // What was sent before was on another path, and is not told of here any more.
  void forget_path(Instant now);

  std::uint64_t delivered_ever() const { return delivered_; }
  std::uint64_t lost_ever() const { return lost_; }

 private:
  std::uint64_t delivered_ = 0;
  std::uint64_t lost_ = 0;
  Instant delivered_at_{};
  Instant first_sent_at_{};
  std::uint64_t limited_until_ = 0;
  struct Newest {
    Stamp stamp;
    Instant sent_at;
    std::uint32_t end;
    Duration send_elapsed;
    Duration ack_elapsed;
  };
  std::optional<Newest> newest_;
};

}  // namespace godwit
