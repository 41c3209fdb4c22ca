// What happened and how things stand, as text: one line of JSON for programs, one line for
// people. Field names are the same everywhere: peer, spi_in, spi_out, from, to, reason, at_ms;
// times are milliseconds, addresses and SPIs are texts.
#pragma once

#include <functional>
#include <string>

#include "apps/node/events.hpp"
#include "apps/node/status.hpp"

namespace godwit {

using PeerNames = std::function<std::string(PeerId)>;

// {"event":"peer_migrated","at_ms":81234.567,"peer":"server",...}
std::string event_json(const Event& event, const PeerNames& name_of);
// peer_migrated peer=server from=192.0.2.7 to=198.51.100.9 ... at_ms=81234.567
std::string event_line(const Event& event, const PeerNames& name_of);

std::string status_json(const NodeStatus& status);
// Several lines, in columns; no newline at the end.
std::string status_text(const NodeStatus& status);

}  // namespace godwit
