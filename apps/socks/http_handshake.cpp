#include "apps/socks/http_handshake.hpp"

#include <algorithm>
#include <cctype>

namespace godwit {
namespace {

constexpr std::string_view head_end = "\r\n\r\n";

enum Status : unsigned {  // NOLINT
  BadRequest = 400,
  Forbidden = 403,
  ProxyAuthenticationRequired = 407,
  RequestTimeout = 408,
  HeaderFieldsTooLarge = 431,  // RFC 6585
  NotImplemented = 501,
  BadGateway = 502,
  GatewayTimeout = 504,
  VersionNotSupported = 505,
};

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case BadRequest: return "Bad Request";
    case Forbidden: return "Forbidden";
    case ProxyAuthenticationRequired: return "Proxy Authentication Required";
    case RequestTimeout: return "Request Timeout";
    case HeaderFieldsTooLarge: return "Request Header Fields Too Large";
    case NotImplemented: return "Not Implemented";
    case BadGateway: return "Bad Gateway";
    case GatewayTimeout: return "Gateway Timeout";
    case VersionNotSupported: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

// What the user can do about it.
std::string_view advice(SocksReply why) {
  switch (why) {
    case SocksReply::NotAllowed:
      return "see \"policy\" and \"socks.rules\" in Godwit's configuration";
    case SocksReply::NetworkUnreachable: return "'godwit status' shows which peers there are";
    case SocksReply::ConnectionRefused: return "is the service running and published there?";
    case SocksReply::HostUnreachable: return "check the name, and whether the host is up";
    case SocksReply::TtlExpired: return "is the host up? 'godwit watch' shows what is tried";
    default: return "'godwit watch' shows more";
  }
}

unsigned status_for(SocksReply why) {
  switch (why) {
    case SocksReply::NotAllowed: return Forbidden;
    case SocksReply::TtlExpired: return GatewayTimeout;
    default: return BadGateway;
  }
}

// "Basic" and user:password in base64 (RFC 7617); the name of a scheme has no case.
std::optional<std::string> basic_credentials(std::string_view value) {
  constexpr std::string_view scheme = "basic ";
  if (value.size() < scheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(value[i])) != scheme[i]) return std::nullopt;
  }
  value.remove_prefix(scheme.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  const auto octets = from_base64(value);
  if (!octets) return std::nullopt;
  return std::string{octets->begin(), octets->end()};
}

}  // namespace

std::size_t HttpHandshake::handle_bytes(Bytes bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ == State::Head) step(bytes[taken++]);
  return taken;
}

void HttpHandshake::step(std::uint8_t octet) {
  // CR and LF only together, and nothing else that a log or another reader could stumble over.
  const bool after_cr = !text_.empty() && text_.back() == '\r';
  const bool is_control = (octet < ' ' && octet != '\t' && octet != '\r') || octet == 0x7f;
  if (after_cr ? octet != '\n' : is_control) {
    return refuse({BadRequest, "lines end with CR LF and have no other control characters"});
  }
  text_ += static_cast<char>(octet);
  if (text_.size() > longest_head) {
    return refuse({HeaderFieldsTooLarge,
                   "the request and its headers are longer than 16 KiB; send fewer or shorter "
                   "headers (cookies?)"});
  }
  if (text_.ends_with(head_end)) read_head();
}

void HttpHandshake::read_head() {
  const auto parsed = HttpHead::parse(text_);
  if (const auto* refusal = std::get_if<HttpRefusal>(&parsed)) return refuse(*refusal);
  const auto& head = std::get<HttpHead>(parsed);
  auto user = user_of(head);
  if (!user) {
    return refuse({ProxyAuthenticationRequired,
                   "this proxy asks for one of socks.users; give your program user and password "
                   "(curl: --proxy-user)"});
  }
  state_ = State::Connecting;
  destination_ = to_string(head.destination);
  tunnel_ = head.is_connect();
  if (!tunnel_) {
    const std::string first = head.for_destination();
    open_ = {{first.begin(), first.end()}, head.body};
  }
  outputs_.push(Greeting::Connect{head.destination, std::move(*user)});
  text_ = {};
}

std::optional<std::string> HttpHandshake::user_of(const HttpHead& head) const {
  if (!users_.required()) return "";
  const auto value = head.credentials();
  const auto credentials = value ? basic_credentials(*value) : std::nullopt;
  if (!credentials) return std::nullopt;
  const std::size_t colon = credentials->find(':');
  if (colon == std::string::npos) return std::nullopt;
  const std::string_view all = *credentials;
  if (!users_.know(all.substr(0, colon), all.substr(colon + 1))) return std::nullopt;
  return credentials->substr(0, colon);
}

void HttpHandshake::handle_connected(const Endpoint&) {
  if (state_ != State::Connecting) return;
  state_ = State::Done;
  // A request in absolute-form is answered by its destination.
  if (tunnel_) {
    constexpr std::string_view answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    outputs_.push(Greeting::Send{{answer.begin(), answer.end()}});
  }
  outputs_.push(std::move(open_));
}

void HttpHandshake::handle_failed(SocksReply why, const std::string& detail) {
  if (state_ != State::Connecting) return;
  refuse({status_for(why), "cannot reach " + destination_ + ": " + std::string{to_string(why)} +
                               " (" + detail + "); " + std::string{advice(why)}});
}

void HttpHandshake::handle_silence() {
  if (state_ != State::Head) return;
  refuse({RequestTimeout, "no complete request came in time; send its headers at once"});
}

void HttpHandshake::handle_end() {
  if (state_ != State::Head) return;
  refuse({BadRequest, "the request ended before its headers did; an empty line ends them"});
}

void HttpHandshake::refuse(const HttpRefusal& refusal) {
  state_ = State::Done;
  text_ = {};
  const std::string body = "godwit: " + refusal.text + '\n';
  std::string answer = "HTTP/1.1 " + std::to_string(refusal.status) + ' ' +
                       std::string{reason_phrase(refusal.status)} + "\r\n";
  if (refusal.status == ProxyAuthenticationRequired) {
    answer += "Proxy-Authenticate: Basic realm=\"godwit\", charset=\"UTF-8\"\r\n";
  }
  answer +=
      "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\nConnection: close\r\n\r\n" + body;
  outputs_.push(Greeting::Send{{answer.begin(), answer.end()}});
  outputs_.push(Greeting::Close{refusal.text});
}

}  // namespace godwit
