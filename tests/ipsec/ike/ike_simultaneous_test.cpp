// Both peers begin at once. Whatever the order in which the datagrams arrive, and whichever one of
// them is lost, the end is one usable session on each side, the same one, that can do all a
// session can.
#include <gmock/gmock.h>

#include <array>

#include "tests/ipsec/ike/ike_fixture.hpp"

namespace godwit::ike {
namespace {

// Walks through all sequences of choices, depth first: choose(n) says which of n ways to go.
class EveryChoice {
 public:
  std::size_t choose(std::size_t ways) {
    if (at_ == path_.size()) path_.push_back({0, ways});
    return path_[at_++].taken;
  }
  // False when there is no further sequence.
  bool next() {
    at_ = 0;
    while (!path_.empty() && path_.back().taken + 1 == path_.back().ways) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().taken;
    return true;
  }
  std::string text() const {
    std::string text;
    for (const Step& step : path_) text += std::to_string(step.taken) + ' ';
    return text;
  }

 private:
  struct Step {
    std::size_t taken;
    std::size_t ways;
  };
  std::vector<Step> path_;
  std::size_t at_ = 0;
};

constexpr std::size_t none = SIZE_MAX;

// Whoever has a session to send on must find that the other receives on it.
void expect_heard(const IkeWire& wire) {
  for (std::size_t i : {0u, 1u}) {
    const Child* sending = wire.hosts[i]->sending();
    if (!sending) continue;
    const auto& there = wire.hosts[1 - i]->children;
    const bool heard = std::ranges::any_of(
        there, [&](const Child& child) { return child.inbound == sending->outbound; });
    // A responder is ahead of its initiator by the answer that is under way.
    const bool ahead = std::ranges::any_of(wire.wire, [&](const InFlight& datagram) {
      return datagram.to == 1 - i && datagram.bytes[18] == 35;
    });
    EXPECT_TRUE(heard || ahead) << wire.hosts[i]->name << " speaks into the void";
  }
}

struct Choices {
  EveryChoice order;
  std::size_t lost = none;  // the number of the datagram that does not arrive
};

void begin_both(IkeWire& wire, Choices& choices) {
  wire.lost = [lost = choices.lost, number = std::size_t{0}](const InFlight&) mutable {
    return number++ == lost;
  };
  wire.connect(0);
  bool b_has_begun = false;
  while (!wire.wire.empty() || !b_has_begun) {
    const std::size_t ways = wire.wire.size() + (b_has_begun ? 0 : 1);
    const std::size_t choice = choices.order.choose(ways);
    if (choice < wire.wire.size()) {
      wire.deliver(choice);
    } else {
      b_has_begun = true;
      wire.connect(1);
    }
    if (choices.lost == none) expect_heard(wire);
  }
}

void expect_one_session(IkeWire& wire) {
  wire.run(60s);
  expect_one_pair(wire);
  for (IkeHost* host : {&wire.a(), &wire.b()}) {
    EXPECT_TRUE(host->closed.empty()) << host->name;
    for (const PeerAuthenticated& it : host->authenticated) EXPECT_TRUE(it.can_move);
    EXPECT_LE(host->authenticated.size(), 2u);
  }
  expect_conversation(wire);
}

TEST(IkeSimultaneous, EveryOrderOfArrival) {
  std::array<int, 2> both_came_up_and_won = {0, 0};
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {  // both outcomes of comparing the nonces
    Choices choices;
    std::size_t runs = 0;
    do {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", order " + choices.order.text());
      IkeWire wire{seed, peer("b.example", std::nullopt, secret("s")),
                   peer("a.example", std::nullopt, secret("s"))};
      begin_both(wire, choices);
      expect_one_session(wire);
      if (wire.a().count("child ready") == 2 && wire.b().count("child ready") == 2) {
        ++both_came_up_and_won[wire.ike_a().sessions().at(0).initiator ? 0 : 1];
      }
      ++runs;
    } while (choices.order.next() && !::testing::Test::HasFailure());
    EXPECT_GT(runs, 50u);
  }
  EXPECT_GT(both_came_up_and_won[0], 0);
  EXPECT_GT(both_came_up_and_won[1], 0);
}

TEST(IkeSimultaneous, EveryOrderOfArrivalWithOneDatagramLost) {
  std::size_t runs = 0;
  for (std::size_t lost = 0; lost < 8; ++lost) {
    Choices choices{{}, lost};
    do {
      SCOPED_TRACE("lost " + std::to_string(lost) + ", order " + choices.order.text());
      IkeWire wire{lost, peer("b.example", std::nullopt, secret("s")),
                   peer("a.example", std::nullopt, secret("s"))};
      begin_both(wire, choices);
      expect_one_session(wire);
      ++runs;
    } while (choices.order.next() && !::testing::Test::HasFailure());
  }
  EXPECT_GT(runs, 100u);
}

TEST(IkeSimultaneous, SeedsOfBadWeather) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    IkeWire wire{seed};
    wire.weather = {.loss = 0.3, .repetition = 0.2, .jitter = 700ms};
    wire.connect(0);
    wire.run(wire.jitter() * 3);
    wire.connect(1);
    wire.run(20s);
    wire.weather = {};
    expect_one_session(wire);
    if (::testing::Test::HasFailure()) break;
  }
}

// What was asked before the sessions were sorted out gets its answer.
TEST(IkeSimultaneous, NoRequestIsLost) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    IkeWire wire{seed};
    wire.weather = {.loss = 0.2, .jitter = 100ms};
    wire.connect(0);
    wire.connect(1);
    std::array<std::vector<ExchangeId>, 2> asked;
    for (std::uint8_t round = 0; round < 40; ++round) {
      wire.run(100ms);
      for (std::size_t host : {0u, 1u}) {
        if (!wire.hosts[host]->endpoint->is_established(the_other)) continue;
        if (const auto id = wire.request(host, round)) asked[host].push_back(*id);
      }
    }
    wire.weather = {};
    wire.run(60s);
    expect_one_pair(wire);
    for (std::size_t host : {0u, 1u}) {
      EXPECT_TRUE(wire.hosts[host]->failed.empty());
      std::vector<ExchangeId> answered;
      for (const ResponseReceived& it : wire.hosts[host]->answers) answered.push_back(it.exchange);
      EXPECT_THAT(answered, ::testing::UnorderedElementsAreArray(asked[host]));
    }
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace godwit::ike
