#include "apps/godwit/socks_client.hpp"

#include <cassert>
#include <string_view>

#include "stack/core/ip_address.hpp"

namespace godwit {
namespace {

constexpr std::uint8_t version = 5;
constexpr std::uint8_t password_version = 1;
constexpr std::uint8_t no_authentication = 0;
constexpr std::uint8_t user_and_password = 2;
constexpr std::uint8_t connect_command = 1;
enum AddressType : std::uint8_t { V4 = 1, Name = 3, V6 = 4 };  // NOLINT

// VER, REP, RSV, ATYP, BND.ADDR, BND.PORT.
constexpr std::size_t reply_at = 1;
constexpr std::size_t address_type_at = 3;
constexpr std::size_t address_at = 4;
constexpr std::size_t port_length = 2;

// RFC 1928 section 6, as Godwit's proxy means it.
std::string_view meaning(std::uint8_t reply) {
  switch (reply) {
    case 2: return "policy refuses it; see \"policy\" in the configuration";
    case 3: return "there is no way there; 'godwit status' shows which peers there are";
    case 4: return "no such host; check the name, and whether it is up";
    case 5: return "connection refused; is the service running and published there?";
    case 6: return "nobody answered in time; 'godwit watch' shows what is tried";
    default: return "the proxy failed; its log says more";
  }
}

void append(ByteString& bytes, std::string_view text) {
  bytes.insert(bytes.end(), text.begin(), text.end());
}

}  // namespace

SocksClient::SocksClient(const std::string& host, std::uint16_t port, std::optional<ProxyUser> user)
    : request_{version, connect_command, 0}, user_{std::move(user)} {
  assert(!host.empty() && host.size() <= longest_host);
  if (const auto address = IpAddress::parse(host)) {
    request_.push_back(address->is_v4() ? V4 : V6);
    const Bytes octets = address->octets();
    request_.insert(request_.end(), octets.begin(), octets.end());
  } else {
    request_.push_back(Name);
    request_.push_back(static_cast<std::uint8_t>(host.size()));
    append(request_, host);
  }
  request_.push_back(static_cast<std::uint8_t>(port >> 8));
  request_.push_back(static_cast<std::uint8_t>(port));
  ByteString greeting{version, 1, no_authentication};
  if (user_) greeting = {version, 2, no_authentication, user_and_password};
  outputs_.push(Send{std::move(greeting)});
}

std::size_t SocksClient::handle_bytes(Bytes bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::Done) {
    pending_.push_back(bytes[taken++]);
    step();
  }
  return taken;
}

void SocksClient::step() {
  switch (state_) {
    case State::Method: return read_method();
    case State::Password: return read_password();
    case State::Reply: return read_reply();
    case State::Done: return;
  }
}

void SocksClient::read_method() {
  if (pending_.front() != version) return refuse("what answers there is no SOCKS5 proxy");
  if (pending_.size() < 2) return;
  const std::uint8_t method = pending_[1];
  pending_.clear();
  if (method == no_authentication) return send_request();
  if (method != user_and_password || !user_) {
    return refuse(
        "the proxy asks for a user; name one with --user, its password in "
        "GODWIT_PROXY_PASSWORD");
  }
  ByteString credentials{password_version, static_cast<std::uint8_t>(user_->name.size())};
  append(credentials, user_->name);
  credentials.push_back(static_cast<std::uint8_t>(user_->password.size()));
  append(credentials, user_->password);
  outputs_.push(Send{std::move(credentials)});
  state_ = State::Password;
}

void SocksClient::read_password() {
  if (pending_.size() < 2) return;
  const bool welcome = pending_[1] == 0;
  pending_.clear();
  if (!welcome) return refuse("the proxy does not know this user and password");
  send_request();
}

void SocksClient::send_request() {
  outputs_.push(Send{std::move(request_)});
  state_ = State::Reply;
}

void SocksClient::read_reply() {
  if (pending_.size() <= address_at) return;
  if (pending_.front() != version) return refuse("the proxy's answer is none of SOCKS5");
  if (pending_[reply_at] != 0) return refuse(std::string{meaning(pending_[reply_at])});
  std::size_t length = 0;
  switch (pending_[address_type_at]) {
    case V4: length = IpAddress::v4_length; break;
    case V6: length = IpAddress::v6_length; break;
    case Name: length = 1U + pending_[address_at]; break;
    default: return refuse("the proxy's answer is none of SOCKS5");
  }
  if (pending_.size() < address_at + length + port_length) return;
  state_ = State::Done;
  outputs_.push(Open{});
}

void SocksClient::refuse(std::string why) {
  state_ = State::Done;
  outputs_.push(Refused{std::move(why)});
}

}  // namespace godwit
