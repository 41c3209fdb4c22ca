// The header by which a service learns who is at the other end, in front of the first octet (the
// PROXY protocol of HAProxy, version 2, which nginx, Apache, Postfix and Dovecot read).
#pragma once

#include <string_view>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

// The first of the types that are left to applications: the peer's name as the configuration has
// it, in UTF-8. It was authenticated; addresses may change while the connection lasts, it does not.
constexpr std::uint8_t peer_name_type = 0xe0;

// `from` is the peer and `to` the port of the stack, both of one family, at the time of the accept.
ByteString proxy_protocol_header(const Endpoint& from, const Endpoint& to, std::string_view peer);

}  // namespace godwit
