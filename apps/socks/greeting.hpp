// What the proxy's half of a greeting says to its session, whichever protocol is spoken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "apps/socks/http_body.hpp"
#include "apps/socks/socks_destination.hpp"
#include "stack/core/bytes.hpp"

namespace godwit {

struct Greeting {
  struct Send {
    ByteString bytes;
  };
  struct Connect {  // to be answered with handle_connected() or handle_failed()
    SocksDestination destination;
    std::string user{};  // whose password was right; none: nobody was asked
  };
  // A connection from there is awaited (RFC 1928 section 4, BIND). To be answered twice: where it
  // is awaited, and who has come.
  struct Bind {
    SocksDestination from;
    std::string user{};
  };
  // UDP is to be carried for the client (RFC 1928 section 7), from this port of its; 0: it does not
  // know yet. To be answered as Connect is.
  struct Associate {
    std::uint16_t port;
    std::string user{};
  };
  // What follows, in both directions, is the connection's.
  struct Open {
    ByteString first{};              // for the destination, before anything of the client's
    std::optional<HttpBody> body{};  // set: no more than this is the client's to send there
  };
  struct Close {  // after what was to be sent
    std::string reason;
  };
  using Output = std::variant<Send, Connect, Bind, Associate, Open, Close>;
};

}  // namespace godwit
