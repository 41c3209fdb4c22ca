#include "apps/socks/socks5_handshake.hpp"

#include <algorithm>
#include <cassert>

#include "apps/socks/socks5_address.hpp"

namespace godwit {
namespace {

constexpr std::uint8_t version_5 = 0x05;

// RFC 1928 section 3: VER, NMETHODS, METHODS.
constexpr std::size_t method_count_at = 1;
constexpr std::size_t methods_at = 2;
constexpr std::uint8_t no_authentication = 0x00;
constexpr std::uint8_t user_and_password = 0x02;
constexpr std::uint8_t no_acceptable_method = 0xff;

// RFC 1929 section 2: VER, ULEN, UNAME, PLEN, PASSWD.
constexpr std::uint8_t password_version = 0x01;
constexpr std::size_t user_length_at = 1;
constexpr std::size_t user_at = 2;
constexpr std::uint8_t welcome = 0x00;
constexpr std::uint8_t unwelcome = 0x01;

// RFC 1928 section 4: VER, CMD, RSV, ATYP, DST.ADDR, DST.PORT.
constexpr std::size_t command_at = 1;
constexpr std::size_t reserved_at = 2;
constexpr std::size_t address_type_at = 3;
constexpr std::size_t address_at = 4;
constexpr std::size_t port_length = 2;
enum class Command : std::uint8_t { Connect = 1, Bind = 2, UdpAssociate = 3 };
using AddressType = Socks5AddressType;

// The longest message there is: a user and a password of 255 octets each.
constexpr std::size_t longest_message = user_at + 255 + 1 + 255;

std::string_view text_of(Bytes octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

}  // namespace

std::size_t Socks5Handshake::handle_bytes(Bytes bytes) {
  std::size_t taken = 0;
  // One octet at a time: the end of a message is known only from what is in it, and what
  // follows the request must stay with the caller. Messages are short.
  while (taken < bytes.size() && !waits() && state_ != State::Done) {
    pending_.push_back(bytes[taken++]);
    step();
  }
  return taken;
}

void Socks5Handshake::step() {
  assert(pending_.size() <= longest_message);
  if (state_ == State::Password) return read_password();
  if (pending_.front() == version_5) {
    return state_ == State::Methods ? read_methods() : read_request();
  }
  if (state_ == State::Request) return close("a request of another version");
  outputs_.push(Send{{version_5, no_acceptable_method}});
  close("a client that speaks neither SOCKS nor HTTP");
}

void Socks5Handshake::read_methods() {
  if (pending_.size() < methods_at) return;
  const std::size_t count = pending_[method_count_at];
  if (pending_.size() < methods_at + count) return;
  const bool asks = users_ != nullptr && users_->required();
  const std::uint8_t wanted = asks ? user_and_password : no_authentication;
  const Bytes methods = Bytes{pending_}.subspan(methods_at);
  if (std::find(methods.begin(), methods.end(), wanted) == methods.end()) {
    outputs_.push(Send{{version_5, no_acceptable_method}});
    return close(asks ? "the client offers no user and password, which socks.users asks for"
                      : "the client insists on authentication");
  }
  outputs_.push(Send{{version_5, wanted}});
  state_ = asks ? State::Password : State::Request;
  pending_.clear();
}

void Socks5Handshake::read_password() {
  if (pending_.front() != password_version) {
    outputs_.push(Send{{password_version, unwelcome}});
    return close("a user and password of another version than RFC 1929's");
  }
  if (pending_.size() < user_at) return;
  const std::size_t password_length_at = user_at + pending_[user_length_at];
  if (pending_.size() <= password_length_at) return;
  const std::size_t password_at = password_length_at + 1;
  const std::size_t end = password_at + pending_[password_length_at];
  if (pending_.size() < end) return;
  const Bytes all = pending_;
  const std::string_view user = text_of(all.subspan(user_at, pending_[user_length_at]));
  const bool known = users_->know(user, text_of(all.subspan(password_at)));
  outputs_.push(Send{{password_version, known ? welcome : unwelcome}});
  if (!known) return close("wrong user or password");
  user_ = user;
  state_ = State::Request;
  pending_.clear();
}

void Socks5Handshake::read_request() {
  if (pending_.size() <= address_at) return;
  // What kind of address it is says how long the request is; a name says its own length.
  std::size_t at = address_at;
  std::size_t length = 0;
  switch (AddressType{pending_[address_type_at]}) {
    case AddressType::V4: length = IpAddress::v4_length; break;
    case AddressType::V6: length = IpAddress::v6_length; break;
    case AddressType::Name: length = pending_[at++]; break;
    default:
      return close_with(SocksReply::AddressTypeNotSupported,
                        "a request with an unknown address type");
  }
  if (pending_.size() < at + length + port_length) return;
  const Bytes host = Bytes{pending_}.subspan(at, length);
  const auto port =
      static_cast<std::uint16_t>(pending_[at + length] << 8 | pending_[at + length + 1]);

  const Command command{pending_[command_at]};
  if (command != Command::Connect && command != Command::Bind && command != Command::UdpAssociate) {
    return close_with(SocksReply::CommandNotSupported,
                      "a command other than CONNECT, BIND and UDP ASSOCIATE");
  }
  if (pending_[reserved_at] != 0 || (port == 0 && command == Command::Connect)) {
    return close_with(SocksReply::GeneralFailure, "a malformed request");
  }
  // Which address it will send from is known already: that of its TCP connection.
  if (command == Command::UdpAssociate) {
    state_ = State::Connecting;
    pending_.clear();
    outputs_.push(Associate{port, user_});
    return;
  }
  auto peer = host_of(host);
  if (!peer) return close_with(SocksReply::GeneralFailure, "a request with an impossible name");
  pending_.clear();
  if (command == Command::Bind) {
    state_ = State::Binding;
    outputs_.push(Bind{{std::move(*peer), port}, user_});
  } else {
    state_ = State::Connecting;
    outputs_.push(Connect{{std::move(*peer), port}, user_});
  }
}

std::optional<SocksHost> Socks5Handshake::host_of(Bytes octets) const {
  if (AddressType{pending_[address_type_at]} == AddressType::Name) {
    return parse_host(text_of(octets));
  }
  return without_mapping(IpAddress::from_octets(octets));
}

void Socks5Handshake::handle_connected(const Endpoint& bound) {
  if (!waits()) return;
  reply(SocksReply::Succeeded, bound);
  if (state_ == State::Binding) {
    state_ = State::Connecting;
    return;
  }
  state_ = State::Done;
  outputs_.push(Open{});
}

void Socks5Handshake::handle_failed(SocksReply why) {
  if (waits()) close_with(why, to_string(why));
}

void Socks5Handshake::reply(SocksReply code, const std::optional<Endpoint>& bound) {
  ByteString bytes{version_5, static_cast<std::uint8_t>(code), 0};
  append_socks5_address(bytes, bound.value_or(Endpoint{IpAddress::v4({}), 0}));
  outputs_.push(Send{std::move(bytes)});
}

void Socks5Handshake::close(std::string_view reason) {
  state_ = State::Done;
  pending_.clear();
  outputs_.push(Close{std::string{reason}});
}

void Socks5Handshake::close_with(SocksReply code, std::string_view reason) {
  reply(code, std::nullopt);
  close(reason);
}

}  // namespace godwit
