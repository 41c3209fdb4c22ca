// What a machine of the proxy has said so far, one line for each output, and octets as tests write
// them.
#pragma once

#include <string>
#include <vector>

#include "apps/socks/greeting.hpp"

namespace godwit {

inline ByteString hex(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits += c;
  }
  return *from_hex(digits);
}

inline ByteString octets(std::string_view text) { return {text.begin(), text.end()}; }

// "send 0500", "connect a:1", "bind a:1", "associate 7", "open", "close why".
template <class Handshake>
std::vector<std::string> outputs_of(Handshake& handshake) {
  std::vector<std::string> lines;
  while (auto output = handshake.poll()) {
    if (const auto* send = std::get_if<Greeting::Send>(&*output)) {
      lines.push_back("send " + to_hex(send->bytes));
    } else if (const auto* connect = std::get_if<Greeting::Connect>(&*output)) {
      lines.push_back("connect " + to_string(connect->destination));
    } else if (const auto* bind = std::get_if<Greeting::Bind>(&*output)) {
      lines.push_back("bind " + to_string(bind->from));
    } else if (const auto* associate = std::get_if<Greeting::Associate>(&*output)) {
      lines.push_back("associate " + std::to_string(associate->port));
    } else if (const auto* close = std::get_if<Greeting::Close>(&*output)) {
      lines.push_back("close " + close->reason);
    } else if (const auto* open = std::get_if<Greeting::Open>(&*output)) {
      lines.push_back("open" + std::string{open->first.empty() ? "" : " "} +
                      std::string{open->first.begin(), open->first.end()});
    }
  }
  return lines;
}

}  // namespace godwit
