// A promise the kernel keeps: from here on this process, and whatever it becomes or starts, makes
// no socket that could reach a network past Godwit. A program that the preloaded library does not
// reach, for whatever reason, finds no network; it never runs unprotected.
#pragma once

#include "apps/node/outcome.hpp"

namespace godwit {

// Cannot be undone. Without the right to do it otherwise, the process also gives up what set-uid
// programs would gain (no_new_privs).
Outcome<Done> refuse_network_sockets();

}  // namespace godwit
