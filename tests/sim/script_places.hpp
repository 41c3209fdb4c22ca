// The typed places of a scenario's actions: from words to values, and what to say when a word is
// none.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>

#include "tests/sim/script.hpp"

namespace godwit::sim {

struct KnownNames {
  std::map<std::string, ActorKind, std::less<>> actors;
  std::set<std::string, std::less<>> streams;
};

struct PlaceRead {
  Argument value;
  std::size_t words;  // how many it took
};
struct PlaceMissed {
  std::string wanted;  // "a duration such as 20 ms"
};

// `place` without its brackets; `words` are what is left of the action, perhaps nothing.
std::variant<PlaceRead, PlaceMissed> read_place(std::string_view place,
                                                std::span<const std::string> words,
                                                const KnownNames& names);

}  // namespace godwit::sim
