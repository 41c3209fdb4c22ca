// Listening sockets that the service manager has opened and handed to this process (systemd's
// protocol, sd_listen_fds(3)): they exist before it and outlive it.
#pragma once

#include <string_view>
#include <vector>

namespace godwit {

// Descriptors, close-on-exec from here on, of those with this FileDescriptorName; an empty name:
// all. The process owns each once: whoever asks again gets them again.
std::vector<int> activated_sockets(std::string_view name);

}  // namespace godwit
