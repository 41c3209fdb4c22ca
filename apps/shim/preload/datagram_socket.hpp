// What a datagram socket of the program's does beyond what its pair does by itself: datagrams that
// carry an address, and what they may not be.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "apps/shim/pair_marks.hpp"
#include "apps/shim/preload/socket_address.hpp"

namespace godwit::shim {

// As sendmsg() and recvmsg() return for UDP.
ssize_t send_datagram(int socket, const Mark& mark, const msghdr& message, int flags);
ssize_t receive_datagram(int socket, const Mark& mark, msghdr& message, int flags);

// Linux takes an IPv4 address from a datagram socket of IPv6 as well.
AddressRead read_destination(const sockaddr* address, socklen_t length, const Mark& mark);

// connect() has changed where what has no address goes to.
void forget_partner(int socket);

}  // namespace godwit::shim
