// Addresses as the socket calls have them, to Godwit's and back.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "stack/core/endpoint.hpp"

namespace godwit::shim {

struct AddressRead {
  int error;  // 0: `endpoint` is what the caller said
  Endpoint endpoint;
};
// The errors are those the kernel has for a socket of this family: EINVAL, EAFNOSUPPORT.
AddressRead read_address(const sockaddr* address, socklen_t length, IpFamily family);

// As the kernel answers: what does not fit is cut, and `length` says what there would have been.
void write_address(const Endpoint& endpoint, IpFamily family, sockaddr* out, socklen_t* length);

}  // namespace godwit::shim
