// A mobility service that stands at A and knows a peer at X; what it says is read in words.
#pragma once

#include <chrono>

#include <gtest/gtest.h>

#include "tests/mobility/mobility_words.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {

using namespace std::chrono_literals;

inline constexpr PeerId peer{1};
inline constexpr PeerId second{2};
inline const IpAddress a = named('A'), b = named('B'), c = named('C'), d = named('D'),
                       x = named('X'), y = named('Y'), z = named('Z');

struct MobilityServiceTest : testing::Test {
  static constexpr std::uint64_t seed = 7;
  static constexpr Duration hold = 12h;
  // Of a path with a round trip of 20 ms.
  static constexpr Duration overdue = 22500us;
  static constexpr Duration first_retry = 50ms;
  SeededRng rng{seed};
  MobilityService service{rng};
  Instant now{1000s};
  std::vector<MobilityService::SendNotice> sent;  // since the beginning

  MobilityServiceTest() {
    service.handle_address_preferred(a, now);
    add(peer, x);
  }
  void add(PeerId id, const IpAddress& remote, bool can_move = true) {
    service.add_peer(id, a, remote, can_move, now);
    service.set_round_trip(id, {20ms, 1ms});
  }

  Words said() {
    Words words;
    while (const auto output = service.poll()) {
      if (const auto* send = std::get_if<MobilityService::SendNotice>(&*output)) {
        sent.push_back(*send);
      }
      words.push_back(std::visit(InWords{}, *output));
    }
    return words;
  }
  // Nothing is under way; only the idle peer is looked after.
  bool at_rest() const {
    const auto next = service.next_deadline();
    return !next || next->reason == "is the idle peer there?" ||
           next->reason == "our other addresses";
  }
  Words after(Duration pause) {
    now += pause;
    service.handle_timeout(now);
    return said();
  }

  void move(const IpAddress& from, const IpAddress& to, OldPath path = OldPath::Gone) {
    service.handle_address_preferred(to, now);
    service.handle_address_change(from, to, path, now + hold, now);
  }
  void lose(const IpAddress& address) { service.handle_address_lost(address, now + hold, now); }

  // The peer's answer to what was sent last, or so many before.
  void answer(MoveOutcome outcome = MoveOutcome::Moved, std::size_t before = 0) {
    const auto& send = sent.at(sent.size() - 1 - before);
    const auto& change = std::get<AddressChange>(send.notice);
    service.handle_answer(
        send.id,
        MigrationCompleted{change.counter, outcome, change.nonce, Endpoint{change.to, 0}, {}}, now);
  }
  // An announcement of the peer, through a tunnel if it moved.
  void hear(std::uint32_t counter, std::vector<IpAddress> from, const IpAddress& to,
            OldPath path = OldPath::Gone) {
    Path came_by{{a, 500}, {from.front(), 500}, {}};
    if (from.front() != to) came_by.outer = Path::Outer{a, to};
    service.handle_notice(peer, counter, AddressChange{counter, from, to, path, {}, {}}, came_by,
                          now);
  }
};

}  // namespace godwit
