// Who may use a published port, and what the log calls them. Private to apps/publish.
#pragma once

#include <algorithm>
#include <string>

#include "apps/node/publish_config.hpp"

namespace godwit {

constexpr const char* not_admitted = "refused, because \"peers\" of this entry does not name it";

// Who comes in clear text has no name.
inline bool may_use(const PublishConfig& config, const std::string& peer) {
  return config.peers.empty() ||
         std::find(config.peers.begin(), config.peers.end(), peer) != config.peers.end();
}

// "publish: tcp port 22, 192.0.2.7:40000 (laptop): "
inline std::string client_text(const PublishConfig& config, std::uint16_t port,
                               const Endpoint& from, const std::string& peer) {
  return std::string{"publish: "} + (config.protocol == IpProtocol::Udp ? "udp" : "tcp") +
         " port " + std::to_string(port) + ", " + to_string(from) +
         (peer.empty() ? "" : " (" + peer + ")") + ": ";
}

}  // namespace godwit
