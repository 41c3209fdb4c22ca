// Every order in which two hosts can move, repeat, give up and be told, and in which a network can
// deliver, lose, duplicate and reorder what they say, up to a number of moves: breadth first, over
// the real services. In every state that is reached nobody is half-moved and the newest
// announcement has won; and from every one of them a network that is kind again leads to agreement
// within a few timers, so that none is stuck (S2, S9, S11, S16, S17; attack 20).
//
// A state is the path that leads to it. Whoever goes on from a state replays the path on fresh
// machines: they stay what they are, resources that nobody can copy, and whatever they come to
// remember is in the state by itself. Snapshots would be faster by the length of a path, some
// fifteen steps of a microsecond, and would need a copy of every machine and its parts; what keeps
// the number of states small is the digest in either case. The shortest path to what must not be
// is at the same time the counterexample that is printed.
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>
#include <unordered_map>

#include <gtest/gtest.h>

#include "tests/mobility/model_world.hpp"

namespace godwit::model {
namespace {

constexpr unsigned most_timers = 12;   // from any state to agreement, on a network that is kind
constexpr std::uint64_t one_in = 128;  // of the states reached twice, whose futures are compared

struct Story {
  std::string name;
  Bounds bounds;
  std::size_t depth;  // no path is longer; SIZE_MAX: until nothing is new
};

struct DigestHash {
  std::size_t operator()(const Digest& digest) const { return digest.low; }
};

class Exploration {
 public:
  explicit Exploration(const Story& story) : story_{story} {}

  // Stops at the first thing that must not be.
  void run() {
    visit(World{story_.bounds}, 0, {});
    for (std::size_t at = 0; at < states_.size(); ++at) {
      if (states_[at].depth >= story_.depth) {
        is_complete_ = false;
        break;
      }
      const Path path = path_to(at);
      for (const Action& action : replay(path).actions()) {
        World world = replay(path);
        world.apply(action);
        if (!visit(std::move(world), at, action)) return;
      }
    }
  }

  void report() const {
    std::cout << "  " << story_.name << ": " << states_.size() << " states, " << transitions_
              << " transitions, "
              << (is_complete_ ? "all there are; the longest shortest path is "
                               : "every path of at most ")
              << states_.back().depth << " steps; agreement within " << slowest_
              << " timers from each of them\n    new states by steps:";
    std::map<std::size_t, std::size_t> by_depth;
    for (const State& state : states_) ++by_depth[state.depth];
    for (const auto& [depth, count] : by_depth) std::cout << ' ' << count;
    std::cout << std::endl;
  }

 private:
  using Path = std::vector<Action>;
  struct State {
    std::uint32_t parent;
    std::uint16_t depth;
    Action action;
  };

  Path path_to(std::size_t at) const {
    Path path(states_[at].depth);
    for (auto step = path.rbegin(); step != path.rend(); ++step) {
      *step = states_[at].action;
      at = states_[at].parent;
    }
    return path;
  }

  World replay(const Path& path) const {
    World world{story_.bounds};
    for (const Action& action : path) world.apply(action);
    return world;
  }

  // False: what was found there must not be.
  bool visit(World world, std::size_t parent, const Action& action) {
    ++transitions_;
    const bool is_root = states_.empty();
    Path path = is_root ? Path{} : path_to(parent);
    if (!is_root) path.push_back(action);
    const std::string violation = world.violation();
    if (!violation.empty()) return fail(path, violation);
    const Digest digest = std::move(world).digest();
    const auto [known, is_new] =
        seen_.try_emplace(digest, static_cast<std::uint32_t>(states_.size()));
    if (!is_new) return digest.low % one_in != 0 || have_one_future(path, path_to(known->second));
    states_.push_back(
        {static_cast<std::uint32_t>(parent), static_cast<std::uint16_t>(path.size()), action});
    World kind = replay(path);
    const auto timers = kind.heal(most_timers);
    if (!timers) {
      const std::string why = kind.violation();
      return fail(path, "no agreement afterwards: " + (why.empty() ? kind.disagreement() : why));
    }
    slowest_ = std::max(slowest_, *timers);
    return true;
  }

  // The digest must not hide anything that matters: what it takes for the same goes on the same.
  bool have_one_future(const Path& one, const Path& other) const {
    if (futures(one) == futures(other)) return true;
    fail(one, "the digest takes two states for one that go on differently; the other one:");
    return fail(other, "(the other one)");
  }

  std::vector<Digest> futures(const Path& path) const {
    std::vector<Digest> out;
    for (const Action& action : replay(path).actions()) {
      World world = replay(path);
      world.apply(action);
      out.push_back(std::move(world).digest());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  bool fail(const Path& path, const std::string& what) const {
    std::string story = story_.name + ": " + what + "\n";
    World world{story_.bounds};
    for (const Action& action : path) {
      story += "  " + world.in_words(action) + "\n";
      world.apply(action);
    }
    ADD_FAILURE() << story;
    return false;
  }

  const Story& story_;
  std::vector<State> states_;
  std::unordered_map<Digest, std::uint32_t, DigestHash> seen_;
  std::size_t transitions_ = 0;
  unsigned slowest_ = 0;
  bool is_complete_ = true;
};

// For a story of one's own, GODWIT_EXPLORE has eight numbers: moves of MH, moves of CH, exchanges
// given up, doubts, hints, messages under way, window, steps.
Story as_asked(Story story) {
  const char* asked = std::getenv("GODWIT_EXPLORE");
  if (asked == nullptr) return story;
  std::istringstream numbers{asked};
  unsigned mh = 0, ch = 0, give_ups = 0, doubts = 0, hints = 0;
  Bounds& bounds = story.bounds;
  numbers >> mh >> ch >> give_ups >> doubts >> hints >> bounds.in_flight >> bounds.window >>
      story.depth;
  if (!numbers) ADD_FAILURE() << "GODWIT_EXPLORE: eight numbers are needed, not: " << asked;
  bounds.moves = {static_cast<std::uint8_t>(mh), static_cast<std::uint8_t>(ch)};
  bounds.give_ups = static_cast<std::uint8_t>(give_ups);
  bounds.doubts = static_cast<std::uint8_t>(doubts);
  bounds.hints = static_cast<std::uint8_t>(hints);
  story.name = "as asked, " + std::string{asked};
  return story;
}

void explore(const Story& story) {
  const Story told = as_asked(story);
  Exploration exploration{told};
  exploration.run();
  exploration.report();
}

constexpr std::size_t to_the_end = SIZE_MAX;

// S6 to S11, S13, S21, B5: every announcement, acknowledgement and proof may be lost, late, doubled
// and given up.
TEST(Exploration, OneMove) { explore({"one move", {.moves = {1, 0}}, to_the_end}); }
TEST(Exploration, OneMoveAndAnExchangeGivenUp) {
  explore({"one move, one exchange given up",
           {.moves = {1, 0}, .give_ups = 1, .in_flight = 2},
           to_the_end});
}
TEST(Exploration, OneMoveWithLittleRoom) {
  explore({"one move, one exchange given up, a window of two",
           {.moves = {1, 0}, .give_ups = 1, .in_flight = 2, .window = 2},
           to_the_end});
}

// B6: somebody asks whether the peer is there while it moves.
TEST(Exploration, ADoubtDuringAMove) {
  explore({"one move, one doubt", {.moves = {1, 0}, .doubts = 1, .in_flight = 2}, 8});
}

// S10, attack 20: on to a third address, or back home, whatever is known of the move before.
TEST(Exploration, TwoMoves) { explore({"two moves", {.moves = {2, 0}, .in_flight = 2}, 8}); }
TEST(Exploration, ThreeMoves) { explore({"three moves", {.moves = {3, 0}, .in_flight = 2}, 7}); }

// S16, S17: at once or one after the other; the announcements cross, or go to where nobody is.
TEST(Exploration, BothMove) { explore({"both move", {.moves = {1, 1}, .in_flight = 2}, 8}); }
TEST(Exploration, BothMoveWithMoreUnderWay) {
  explore({"both move, more under way", {.moves = {1, 1}, .in_flight = 4}, 6});
}
TEST(Exploration, BothMoveAndSomebodySaysWhere) {
  explore({"both move, one hint", {.moves = {1, 1}, .hints = 1, .in_flight = 2}, 7});
}
TEST(Exploration, BothMoveAndOneOfThemTwice) {
  explore({"both move, one of them twice", {.moves = {2, 1}, .in_flight = 2}, 6});
}

}  // namespace
}  // namespace godwit::model
