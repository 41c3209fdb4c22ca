// A sender and a receiver that are nothing but sequence numbers, with a wire between them: a delay
// each way, and if a test wants it a rate with a queue in front.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "stack/tcp/tcp_sender.hpp"

namespace godwit {

using namespace std::chrono_literals;

// Sends segments 0 to `total` as the sender allows; each is acknowledged when it arrives.
struct Flow {
  static constexpr std::uint32_t mss = 1000;

  struct Answer {
    unsigned ackno;
    unsigned segment;
    bool duplicate;
  };

  explicit Flow(unsigned segments) : total{segments} { sender.opened(mss, Instant{1h}); }

  std::uint32_t sequence(unsigned segment) const { return base + segment * mss; }

  void transmit(unsigned segment, bool again) {
    const std::uint32_t begin = sequence(segment);
    if (again) {
      sender.sent_again(begin, now);
    } else {
      sender.sent({begin, begin + mss, nullptr}, now);
    }
    ++transmissions;
    times[segment].push_back(now);
    if (lose && lose(segment, static_cast<unsigned>(times[segment].size()))) return;
    if (const auto at = leaves()) arrivals.emplace(*at + one_way, segment);
  }
  // When the bottleneck has sent it; none: its queue is full.
  std::optional<Instant> leaves() {
    if (now >= stalls_at && now < stalls_until) free = std::max(free, stalls_until);
    if (segments_per_second == 0) return std::max(now, free);
    const Duration each{1'000'000 / segments_per_second};
    free = std::max(free, now);
    most_queued = std::max(most_queued, free - now);
    queued_in_all += free - now;
    if (free - now > queue) {
      ++overflowed;
      return std::nullopt;
    }
    return free += each;
  }
  void send_lost() {
    while (const auto* lost = sender.next_lost(now)) transmit((lost->begin - base) / mss, true);
  }
  void send_what_may() {
    send_lost();
    while (next < std::min(total, given) && sender.may_send(mss, now)) transmit(next++, false);
    if (sender.gives_up_new_data()) send_lost();
    if (next == std::min(total, given)) sender.ran_dry();
    if (sender.probing()) transmit((sender.last()->begin - base) / mss, true);
  }
  void receive(unsigned segment) {
    const bool duplicate = segment < expected || got.contains(segment);
    if (!duplicate) got.insert(segment);
    while (got.erase(expected) > 0) ++expected;
    acks.emplace(now + one_way, Answer{expected, segment, duplicate});
  }
  void acknowledged(const Answer& answer) {
    const auto [ackno, segment, duplicate] = answer;
    std::vector<SackBlock> blocks;
    const SackBlock block{sequence(segment), sequence(segment + 1)};
    if (sack && duplicate && reports_duplicates) blocks.push_back(block);
    if (sack && segment >= ackno) blocks.push_back(block);
    const bool same = ackno == una;
    una = std::max(una, ackno);
    sender.acknowledge({sequence(ackno), blocks, sack, same}, now);
    EXPECT_TRUE(sender.board().consistent());
  }
  // Until all is acknowledged, or until `until`.
  bool run(Instant until = Instant{10h}) {
    while (una < total) {
      send_what_may();
      std::optional<Instant> at = sender.deadline();
      const auto consider = [&](std::optional<Instant> other) {
        if (other && (!at || *other < *at)) at = other;
      };
      consider(sender.paced_until());
      if (!arrivals.empty()) consider(arrivals.begin()->first);
      if (!acks.empty()) consider(acks.begin()->first);
      if (!at || *at > until) return false;
      now = std::max(now, *at);
      while (!arrivals.empty() && arrivals.begin()->first <= now) {
        receive(arrivals.extract(arrivals.begin()).mapped());
      }
      while (!acks.empty() && acks.begin()->first <= now) {
        const Answer answer = acks.extract(acks.begin()).mapped();
        if (!lose_ack || !lose_ack()) acknowledged(answer);
      }
      const auto timeout = sender.handle_timeout(now);
      timeouts += timeout == TcpSender::Timeout::Retransmission;
      probes += timeout == TcpSender::Timeout::Probe;
    }
    return true;
  }

  bool run_for(Duration time) {
    const Instant end = now + time;
    const bool done = run(end);
    now = std::max(now, end);
    return done;
  }

  unsigned total;
  unsigned given = ~0u;  // by the application so far
  std::uint64_t segments_per_second = 0;
  Duration queue = 50ms;
  Duration most_queued{0};
  Duration queued_in_all{0};
  Instant free{};
  Instant stalls_at{}, stalls_until{};  // what comes meanwhile waits
  unsigned overflowed = 0;
  std::uint32_t base = 0xfffff000u;
  TcpSender sender{mss};
  Instant now{1h};
  Duration one_way = 20ms;
  bool sack = true;
  bool reports_duplicates = true;
  std::function<bool(unsigned segment, unsigned transmission)> lose;
  std::function<bool()> lose_ack;
  std::multimap<Instant, unsigned> arrivals;
  std::multimap<Instant, Answer> acks;
  std::set<unsigned> got;
  std::map<unsigned, std::vector<Instant>> times;
  unsigned next = 0, expected = 0, una = 0;
  unsigned transmissions = 0, timeouts = 0, probes = 0;
};

}  // namespace godwit
