// What of two hosts decides their future, in a form that is the same for states that differ in
// names only. Counters and message ids count by their order, nonces by which of them are equal,
// and times not at all: in the exploration any timer may fire before or after anything else.
//
// What a service does not show is asked of it: the hosts fire their next timers in silence, and
// what they then say is part of the digest. That uses them up.
#pragma once

#include <array>
#include <vector>

#include "tests/mobility/model_world.hpp"

namespace godwit::model {

Digest digest_of(const std::array<ModelHost*, 2>& hosts, const std::vector<Message>& flight,
                 const std::array<std::uint8_t, 5>& left);

}  // namespace godwit::model
