// What leaves for a name server, and how what comes back is told to belong to it.
#pragma once

#include <cstdint>

#include "stack/core/endpoint.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"

namespace godwit {

enum class DnsTransport : std::uint8_t { Udp, Tcp };

// One query, for as long as somebody waits for its answer.
using DnsQueryId = Id<struct DnsQueryTag>;

// The edge sends it from a fresh port that the system chooses at random, and hands in whatever
// comes back there under the same id, until `patience` is over: a datagram that is not the answer
// does not end the waiting for the one that is. `bytes` is the message without TCP's length.
struct DnsQuery {
  DnsQueryId id;
  Endpoint server;
  DnsTransport transport;
  ByteString bytes;
  Duration patience;
};

}  // namespace godwit
