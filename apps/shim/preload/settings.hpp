// What `godwit run` has told this library, by variables; read once, because a program may change
// or clear its environment.
#pragma once

#include "apps/shim/environment.hpp"

namespace godwit::shim {

struct Settings {
  // Of the daemon's socket and of this library; empty: `godwit run` was not there.
  char socket[108];
  char own_path[256];
  bool may_listen;
};

const Settings& settings();

}  // namespace godwit::shim
