#include "apps/socks/socks5_handshake.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cctype>

namespace godwit {
namespace {

constexpr std::uint8_t version_4 = 0x04;
constexpr std::uint8_t version_5 = 0x05;

// RFC 1928 section 3: VER, NMETHODS, METHODS.
constexpr std::size_t method_count_at = 1;
constexpr std::size_t methods_at = 2;
constexpr std::uint8_t no_authentication = 0x00;
constexpr std::uint8_t no_acceptable_method = 0xff;

// RFC 1928 section 4: VER, CMD, RSV, ATYP, DST.ADDR, DST.PORT.
constexpr std::size_t command_at = 1;
constexpr std::size_t reserved_at = 2;
constexpr std::size_t address_type_at = 3;
constexpr std::size_t address_at = 4;
constexpr std::size_t port_length = 2;
enum class Command : std::uint8_t { Connect = 1, Bind = 2, UdpAssociate = 3 };
enum class AddressType : std::uint8_t { V4 = 1, Name = 3, V6 = 4 };

// The longest message there is: a request with a name of 255 octets.
constexpr std::size_t longest_message = address_at + 1 + 255 + port_length;

// What SOCKS4 calls "rejected or failed": version 0, code 91, six octets without meaning.
constexpr std::uint8_t socks4_rejected[] = {0, 91, 0, 0, 0, 0, 0, 0};

constexpr std::string_view http_answer =
    "HTTP/1.1 501 Not Implemented\r\n"
    "Content-Type: text/plain\r\n"
    "Connection: close\r\n"
    "\r\n"
    "This is Godwit's SOCKS5 proxy; it does not speak HTTP.\n"
    "Tell your program to use socks5h:// (curl: --socks5-hostname).\n";

// Letters, digits and what host names and their internationalised forms have; no control
// characters, white space or anything that a log or a resolver could misread.
std::optional<std::string> clean_name(Bytes octets) {
  std::string name;
  for (const std::uint8_t octet : octets) {
    if (octet <= ' ' || octet >= 0x7f || octet == '/' || octet == '%' || octet == '\\') return {};
    name += static_cast<char>(std::tolower(octet));
  }
  if (!name.empty() && name.back() == '.') name.pop_back();
  if (name.empty()) return {};
  return name;
}

// The host's own stack takes ::ffff:192.0.2.1 for 192.0.2.1 (RFC 4291 section 2.5.5.2): policy
// has to judge the address that is meant.
IpAddress without_mapping(const IpAddress& address) {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const Bytes octets = address.octets();
  if (address.is_v4() || !std::equal(mapped.begin(), mapped.end(), octets.begin())) return address;
  return IpAddress::from_octets(octets.subspan(mapped.size()));
}

}  // namespace

std::string_view to_string(SocksReply reply) {
  switch (reply) {
    case SocksReply::Succeeded: return "succeeded";
    case SocksReply::GeneralFailure: return "general failure";
    case SocksReply::NotAllowed: return "not allowed by policy";
    case SocksReply::NetworkUnreachable: return "network unreachable";
    case SocksReply::HostUnreachable: return "host unreachable";
    case SocksReply::ConnectionRefused: return "connection refused";
    case SocksReply::TtlExpired: return "time to live expired";
    case SocksReply::CommandNotSupported: return "command not supported";
    case SocksReply::AddressTypeNotSupported: return "address type not supported";
  }
  return "unknown";
}

std::string to_string(const SocksDestination& destination) {
  if (const auto* address = std::get_if<IpAddress>(&destination.host)) {
    return to_string(Endpoint{*address, destination.port});
  }
  return std::get<std::string>(destination.host) + ':' + std::to_string(destination.port);
}

std::size_t Socks5Handshake::handle_bytes(Bytes bytes) {
  std::size_t taken = 0;
  // One octet at a time: the end of a message is known only from what is in it, and what
  // follows the request must stay with the caller. Messages are short.
  while (taken < bytes.size() && (state_ == State::Methods || state_ == State::Request)) {
    pending_.push_back(bytes[taken++]);
    step();
  }
  return taken;
}

void Socks5Handshake::step() {
  assert(pending_.size() <= longest_message);
  if (pending_.front() != version_5) return refuse_version(pending_.front());
  state_ == State::Methods ? read_methods() : read_request();
}

void Socks5Handshake::read_methods() {
  if (pending_.size() < methods_at) return;
  const std::size_t count = pending_[method_count_at];
  if (pending_.size() < methods_at + count) return;
  const Bytes methods = Bytes{pending_}.subspan(methods_at);
  if (std::find(methods.begin(), methods.end(), no_authentication) == methods.end()) {
    outputs_.push(Send{{version_5, no_acceptable_method}});
    return close("the client insists on authentication");
  }
  outputs_.push(Send{{version_5, no_authentication}});
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

  if (Command{pending_[command_at]} != Command::Connect) {
    return close_with(SocksReply::CommandNotSupported, "a command other than CONNECT");
  }
  if (pending_[reserved_at] != 0 || port == 0) {
    return close_with(SocksReply::GeneralFailure, "a malformed request");
  }
  SocksDestination destination{IpAddress::v4({}), port};
  if (AddressType{pending_[address_type_at]} == AddressType::Name) {
    const auto name = clean_name(host);
    if (!name) {
      return close_with(SocksReply::GeneralFailure, "a request with an impossible name");
    }
    // Some clients send every destination as a name.
    if (const auto address = IpAddress::parse(*name)) {
      destination.host = without_mapping(*address);
    } else {
      destination.host = *name;
    }
  } else {
    destination.host = without_mapping(IpAddress::from_octets(host));
  }
  state_ = State::Connecting;
  pending_.clear();
  outputs_.push(Connect{std::move(destination)});
}

void Socks5Handshake::refuse_version(std::uint8_t version) {
  if (state_ == State::Request) return close("a request of another version");
  if (version == version_4) {
    outputs_.push(Send{{std::begin(socks4_rejected), std::end(socks4_rejected)}});
    return close("a SOCKS4 client");
  }
  if (std::isupper(version)) {
    outputs_.push(Send{{http_answer.begin(), http_answer.end()}});
    return close("an HTTP client");
  }
  outputs_.push(Send{{version_5, no_acceptable_method}});
  close("a client that does not speak SOCKS5");
}

void Socks5Handshake::handle_connected(const Endpoint& bound) {
  if (state_ != State::Connecting) return;
  reply(SocksReply::Succeeded, bound);
  state_ = State::Done;
  outputs_.push(Open{});
}

void Socks5Handshake::handle_failed(SocksReply why) {
  if (state_ == State::Connecting) close_with(why, to_string(why));
}

void Socks5Handshake::reply(SocksReply code, const std::optional<Endpoint>& bound) {
  const Endpoint endpoint = bound.value_or(Endpoint{IpAddress::v4({}), 0});
  ByteString bytes{
      version_5, static_cast<std::uint8_t>(code), 0,
      static_cast<std::uint8_t>(endpoint.address.is_v4() ? AddressType::V4 : AddressType::V6)};
  const Bytes octets = endpoint.address.octets();
  bytes.insert(bytes.end(), octets.begin(), octets.end());
  bytes.push_back(static_cast<std::uint8_t>(endpoint.port >> 8));
  bytes.push_back(static_cast<std::uint8_t>(endpoint.port));
  outputs_.push(Send{std::move(bytes)});
}

void Socks5Handshake::close(std::string_view reason) {
  state_ = State::Done;
  pending_.clear();
  outputs_.push(Close{reason});
}

void Socks5Handshake::close_with(SocksReply code, std::string_view reason) {
  reply(code, std::nullopt);
  close(reason);
}

}  // namespace godwit
