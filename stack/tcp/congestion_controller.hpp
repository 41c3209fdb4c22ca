// How much of a connection may be in the network, and how fast it goes there: what TcpSender asks
// of an algorithm. A controller is told what arrived and what was lost; it finds no losses itself
// and sends nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "stack/core/time.hpp"
#include "stack/tcp/delivery_rate.hpp"
#include "stack/tcp/path_knowledge.hpp"

namespace godwit {

enum class Congestion : std::uint8_t { Reno, Cubic, Bbr };
std::string_view to_string(Congestion kind);  // by the names that Linux has for them
std::optional<Congestion> parse_congestion(std::string_view name);

class CongestionController {
 public:
  // One acknowledgement: octets, and what the rate of their arrival was.
  struct Ack {
    Instant now{};
    std::uint32_t una = 0;
    std::uint32_t snd_nxt = 0;
    std::uint32_t delivered = 0;  // that was not known to have arrived
    std::uint32_t flown = 0;      // of that, what was not taken for lost
    std::uint32_t in_flight_before = 0;
    std::uint32_t in_flight = 0;
    bool window_refused = false;  // the window held the sender back, last
    bool repairing = false;       // a loss, by proportional rate reduction or otherwise
    std::optional<Duration> round_trip;
    Duration smoothed{0};
    DeliveryRate::Sample rate;
  };
  struct Loss {
    std::uint32_t begin;
    std::uint32_t end;
    DeliveryRate::Stamp stamp;
    std::uint64_t lost_ever;             // with this one
    std::optional<Duration> round_trip;  // of what arrived with the news of it
  };
  // Who says what may be sent while a loss is repaired: RFC 6937 down to threshold(), or window().
  enum class Repair : std::uint8_t { Proportional, ByWindow };

  CongestionController() = default;
  CongestionController(const CongestionController&) = delete;
  CongestionController& operator=(const CongestionController&) = delete;
  virtual ~CongestionController() = default;

  virtual Congestion kind() const = 0;
  virtual Repair repair() const = 0;
  virtual std::uint32_t window() const = 0;
  virtual std::uint32_t threshold() const = 0;
  // Octets in a second; 0: as fast as the window allows.
  virtual double pacing_rate(Duration smoothed) const = 0;
  // It keeps less in the network than there is to send, to measure: no sample of the path's rate.
  virtual bool holds_back() const { return false; }

  virtual void acknowledged(const Ack& ack) = 0;
  // The first data after a pause of the application.
  virtual void resumed(Instant) {}
  // For each segment, before recovery_began().
  virtual void segment_lost(const Loss&) {}
  virtual void recovery_began() = 0;
  virtual void recovery_ended() = 0;
  virtual void timed_out() = 0;
  // All that was under way at a timeout has arrived.
  virtual void timeout_repaired() {}
  // What recovery_began() or timed_out() was told of last had not been lost.
  virtual void undo() = 0;
  virtual void set_mss(std::uint32_t mss) = 0;

  // A queue marked what it would have dropped (RFC 3168); once for a window of data.
  virtual void marked() = 0;
  // Another path; null: nothing is known of it.
  virtual void begin_path(const PathKnowledge* known, Instant now) = 0;
  // `window` and `rate` of what the present path carries.
  virtual PathKnowledge knowledge() const = 0;
};

// RFC 6928.
std::uint32_t initial_window(std::uint32_t mss);
// `seed`: what a controller decides by chance, it decides by this.
std::unique_ptr<CongestionController> make_controller(Congestion kind, std::uint32_t mss,
                                                      std::uint64_t seed);

}  // namespace godwit
