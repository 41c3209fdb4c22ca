#include "apps/socks/socks4_handshake.hpp"

#include <algorithm>

namespace godwit {
namespace {

// VN, CD, DSTPORT, DSTIP, USERID, 0; with 4a: a name, 0.
constexpr std::size_t command_at = 1;
constexpr std::size_t port_at = 2;
constexpr std::size_t address_at = 4;
constexpr std::size_t user_at = 8;
constexpr std::uint8_t connect_command = 1;
constexpr std::size_t longest_user = 255;
constexpr std::size_t longest_name = 255;

// VN of an answer is 0, CD one of these, then DSTPORT and DSTIP.
constexpr std::uint8_t answer_version = 0;
constexpr std::uint8_t granted = 90;
constexpr std::uint8_t rejected_or_failed = 91;

// 0.0.0.x with x not 0 stands for "the name is behind the user" (SOCKS4a).
bool announces_a_name(Bytes address) {
  return address[0] == 0 && address[1] == 0 && address[2] == 0 && address[3] != 0;
}

}  // namespace

std::size_t Socks4Handshake::handle_bytes(Bytes bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::Connecting && state_ != State::Done) {
    step(bytes[taken++]);
  }
  return taken;
}

void Socks4Handshake::step(std::uint8_t octet) {
  switch (state_) {
    case State::Request:
      request_.push_back(octet);
      if (request_.size() == user_at) state_ = State::User;
      return;
    case State::User:
      if (octet == 0) return read_user_end();
      if (++user_length_ > longest_user) refuse("a SOCKS4 user of more than 255 octets");
      return;
    case State::Name:
      if (octet != 0) {
        name_ += static_cast<char>(octet);
        if (name_.size() > longest_name) refuse("a SOCKS4a name of more than 255 octets");
        return;
      }
      if (const auto host = parse_host(name_)) return connect(*host);
      return refuse("a request with an impossible name");
    case State::Connecting:
    case State::Done: return;
  }
}

void Socks4Handshake::read_user_end() {
  if (users_.required()) {
    return refuse("a SOCKS4 client, which has no password; socks.users asks for one: use SOCKS5");
  }
  if (request_[command_at] != connect_command) return refuse("a command other than CONNECT");
  const Bytes address = Bytes{request_}.subspan(address_at, IpAddress::v4_length);
  if (announces_a_name(address)) {
    state_ = State::Name;
    return;
  }
  connect(IpAddress::from_octets(address));
}

void Socks4Handshake::connect(SocksHost host) {
  const auto port = static_cast<std::uint16_t>(request_[port_at] << 8 | request_[port_at + 1]);
  if (port == 0) return refuse("a malformed request");
  state_ = State::Connecting;
  outputs_.push(Greeting::Connect{{std::move(host), port}});
}

void Socks4Handshake::handle_connected(const Endpoint& bound) {
  if (state_ != State::Connecting) return;
  state_ = State::Done;
  ByteString answer{answer_version, granted, static_cast<std::uint8_t>(bound.port >> 8),
                    static_cast<std::uint8_t>(bound.port)};
  answer.resize(user_at);  // there is no room for an IPv6 address: zeros
  const Bytes octets = bound.address.octets();
  if (bound.address.is_v4()) std::copy(octets.begin(), octets.end(), answer.begin() + address_at);
  outputs_.push(Greeting::Send{std::move(answer)});
  outputs_.push(Greeting::Open{});
}

void Socks4Handshake::handle_failed(SocksReply why) {
  if (state_ == State::Connecting) refuse(to_string(why));
}

void Socks4Handshake::refuse(std::string_view reason) {
  state_ = State::Done;
  ByteString answer{answer_version, rejected_or_failed};
  answer.resize(user_at);
  outputs_.push(Greeting::Send{std::move(answer)});
  outputs_.push(Greeting::Close{std::string{reason}});
}

}  // namespace godwit
