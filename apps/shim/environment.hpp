// The variables by which `godwit run` speaks to the library it preloads.
#pragma once

namespace godwit::shim {

inline constexpr char preload_variable[] = "LD_PRELOAD";
inline constexpr char socket_variable[] = "GODWIT_SHIM_SOCKET";    // where the daemon listens
inline constexpr char library_variable[] = "GODWIT_SHIM_LIBRARY";  // what has to be in LD_PRELOAD
inline constexpr char server_variable[] = "GODWIT_SHIM_SERVER";    // set: the program may listen

}  // namespace godwit::shim
