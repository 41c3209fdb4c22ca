// Draws a scenario from a seed: a topology, what its lines do to packets, and what happens to the
// hosts. It is a script like any other, so a run that fails is a text that can be read, kept and
// replayed; and with fewer lines, if it still fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::sim {

// Behind this line stands what a run must come to, whatever else is left out.
inline constexpr std::string_view random_script_end = "# the end";

std::string random_script(std::uint64_t seed);

// What went wrong in a random run, made small.
struct RandomFailure {
  std::string script;                 // the fewest lines that still fail
  std::string whole;                  // as it was drawn
  std::vector<std::string> failures;  // of the small one
};

// Takes out lines, the first and those of the end excepted, for as long as what is left still
// fails.
std::string shrink(const std::string& script, const std::function<bool(std::string_view)>& fails);

// True: the run of this seed was as it should be; else it is shrunk. The text is in `file` while it
// runs, and stays there if it fails, so that even a crash leaves something to replay.
bool run_random(std::uint64_t seed, const std::string& file, RandomFailure& failure);

}  // namespace godwit::sim
