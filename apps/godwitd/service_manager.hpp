// Tells systemd how far the daemon is (sd_notify(3)): a datagram to the socket that
// NOTIFY_SOCKET names. Without a service manager nothing happens.
#pragma once

#include <string_view>

namespace godwit {

void tell_service_manager(std::string_view state);

}  // namespace godwit
