// Everything that can be in one state of the exploration: two hosts, what is under way between
// them, and how many moves are left. Actions are named by small numbers, so that a path through
// the states is a string of them, and the same path leads to the same state always.
#pragma once

#include <memory>

#include "tests/mobility/model_host.hpp"

namespace godwit::model {

struct Bounds {
  std::array<std::uint8_t, 2> moves;  // of the mobile host, of the correspondent
  std::uint8_t give_ups = 0;          // by either channel
  std::uint8_t doubts = 0;            // whether the peer is there
  std::uint8_t hints = 0;             // where it is, or was
  std::size_t in_flight = 3;          // what is sent beyond is lost
  std::uint32_t window = 16;          // of the control channel
};

struct Action {
  enum class Kind : std::uint8_t {
    Deliver,
    Duplicate,  // deliver, and it is still under way
    Lose,
    Timeout,
    Move,    // gain an address, and use it
    Return,  // use another one of those it has
    LeaveAddress,
    GiveUp,
    Repeat,  // the channel, what it repeats by itself
    Doubt,
    Hint,       // the name service says where the peer is
    StaleHint,  // or where it was
  } kind;
  std::uint8_t host;
  std::uint8_t index;  // of a message, an address of the pool or an exchange
};

// Two states with the same digest have the same future. 128 bits: of a thousand million states
// two different ones share a digest with a probability of 1e-21.
struct Digest {
  std::uint64_t high, low;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

class World {
 public:
  explicit World(const Bounds& bounds);

  std::vector<Action> actions() const;
  void apply(const Action& action);
  std::string in_words(const Action& action) const;  // before it is applied

  // What must hold in every state; empty: it does.
  std::string violation() const;
  // Both hold the same pair of addresses, those in use, and nothing of the journey is left.
  std::string disagreement() const;
  // What is under way is lost, and from here on nothing else is; whoever has no address gets one.
  // The number of timers that had to fire until both agreed; none: more than `at_most`.
  std::optional<unsigned> heal(unsigned at_most);
  // Ends this world: what the hosts would do in silence is part of it.
  Digest digest() &&;

 private:
  ModelHost& host(std::size_t index) { return *hosts_[index]; }
  const ModelHost& host(std::size_t index) const { return *hosts_[index]; }
  void collect();
  void deliver(const Message& message);
  std::string half_moved(std::size_t index) const;

  Bounds bounds_;  // what is left of them
  bool may_doubt_;
  std::array<std::unique_ptr<ModelHost>, 2> hosts_;
  std::vector<Message> flight_;  // in the order in which they left; no two are equal
  std::array<std::set<IpAddress>, 2> used_;
};

}  // namespace godwit::model
