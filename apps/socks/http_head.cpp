#include "apps/socks/http_head.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace godwit {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view http = "http://";
constexpr std::uint16_t http_port = 80;

enum Status : unsigned {  // NOLINT
  BadRequest = 400,
  NotImplemented = 501,
  VersionNotSupported = 505,
};

// For this connection only (RFC 9110 section 7.6.1), whatever Connection says. Upgrade goes too:
// what would be upgraded is the connection to the proxy. Transfer-Encoding stays, because the
// content is handed on as it comes.
constexpr std::array<std::string_view, 7> for_the_proxy{
    "connection", "proxy-connection", "keep-alive", "te", "upgrade", "proxy-authorization", "host"};
// Without these the destination would see another message than the one that was sent.
constexpr std::array<std::string_view, 3> never_dropped{"content-length", "transfer-encoding",
                                                        "host"};

char lower(char letter) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

template <class Names>
bool is_among(std::string_view name, const Names& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view other) { return same_name(name, other); });
}

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || marks.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The members of a list (RFC 9110 section 5.6.1), without empty ones.
std::vector<std::string_view> members(std::string_view list) {
  std::vector<std::string_view> found;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (const auto member = trimmed(list.substr(0, comma)); !member.empty()) {
      found.push_back(member);
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return found;
}

template <class Number>
std::optional<Number> number(std::string_view digits) {
  Number value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return {};
  return value;
}

HttpRefusal bad_request(std::string text) { return {BadRequest, std::move(text)}; }

// One part of the head after the other; the first that is wrong is told.
class HeadReader {
 public:
  explicit HeadReader(std::string_view text) : rest_{text} {}

  std::variant<HttpHead, HttpRefusal> read() {
    auto refusal = read_request_line();
    if (!refusal) refusal = read_fields();
    if (!refusal) refusal = check_fields();
    if (!refusal) refusal = read_target();
    if (!refusal) refusal = find_body();
    if (refusal) return std::move(*refusal);
    return std::move(head_);
  }

 private:
  using Refusal = std::optional<HttpRefusal>;

  std::string_view line() {
    const std::size_t end = std::min(rest_.find(line_end), rest_.size());
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + line_end.size(), rest_.size()));
    return found;
  }
  std::vector<std::string_view> all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const HttpHead::Field& field : head_.fields) {
      if (same_name(field.name, name)) values.push_back(field.value);
    }
    return values;
  }

  Refusal read_request_line();
  Refusal read_fields();
  Refusal check_fields() const;
  Refusal read_target();
  Refusal read_authority(std::string_view authority, std::optional<std::uint16_t> default_port);
  Refusal find_body();
  Refusal find_length(const std::vector<std::string_view>& values);

  std::string_view rest_;
  std::string_view target_;
  HttpHead head_{{}, {}, {IpAddress::v4({}), 0}, {}, {}, {}, HttpBody::none()};
};

HeadReader::Refusal HeadReader::read_request_line() {
  const std::string_view text = line();
  const std::size_t first = text.find(' ');
  const std::size_t last = text.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return bad_request("a request line is METHOD, destination and HTTP/1.1 with a space between");
  }
  head_.method = text.substr(0, first);
  target_ = text.substr(first + 1, last - first - 1);
  head_.version = text.substr(last + 1);
  if (!is_token(head_.method) || target_.empty() || target_.find(' ') != std::string_view::npos) {
    return bad_request("a request line is METHOD, destination and HTTP/1.1 with a space between");
  }
  if (head_.version != "HTTP/1.1" && head_.version != "HTTP/1.0") {
    return HttpRefusal{VersionNotSupported,
                       "this proxy speaks HTTP/1.1 and HTTP/1.0; use one of "
                       "them towards it"};
  }
  return std::nullopt;
}

HeadReader::Refusal HeadReader::read_fields() {
  for (std::string_view text = line(); !text.empty(); text = line()) {
    const std::size_t colon = text.find(':');
    // A folded line or a space before the colon (RFC 9112 sections 5.1, 5.2) ends up here as well.
    if (colon == std::string_view::npos || !is_token(text.substr(0, colon))) {
      return bad_request("a header line is a name, a colon and a value, on one line");
    }
    head_.fields.push_back({text.substr(0, colon), trimmed(text.substr(colon + 1))});
  }
  return std::nullopt;
}

HeadReader::Refusal HeadReader::check_fields() const {
  const auto hosts = all("host");
  if (hosts.size() > 1 || (hosts.empty() && head_.version == "HTTP/1.1")) {
    return bad_request("a request of HTTP/1.1 has exactly one Host (RFC 9112 section 3.2)");
  }
  for (const std::string_view value : all("connection")) {
    for (const std::string_view option : members(value)) {
      if (is_among(option, never_dropped)) {
        return bad_request("Connection names '" + std::string{option} +
                           "', which is for the destination; leave it out there");
      }
    }
  }
  if ((head_.method == "TRACE" || head_.method == "OPTIONS") && !all("max-forwards").empty()) {
    return HttpRefusal{NotImplemented, "this proxy does not count Max-Forwards; leave it out"};
  }
  return std::nullopt;
}

HeadReader::Refusal HeadReader::read_target() {
  if (head_.is_connect()) return read_authority(target_, std::nullopt);
  if (target_.front() == '/' || target_ == "*") {
    return bad_request(
        "this is a proxy, not a web server; set it as the proxy of your program (curl -x)");
  }
  if (!same_name(target_.substr(0, http.size()), http)) {
    return bad_request(
        "only http:// destinations are asked for directly; for others use CONNECT or SOCKS5");
  }
  const std::string_view behind = target_.substr(http.size());
  if (behind.find('#') != std::string_view::npos) {
    return bad_request("a destination in a request has no '#'");
  }
  const std::size_t end = std::min(behind.find_first_of("/?"), behind.size());
  head_.path = behind.substr(end);
  return read_authority(behind.substr(0, end), http_port);
}

HeadReader::Refusal HeadReader::read_authority(std::string_view authority,
                                               std::optional<std::uint16_t> default_port) {
  constexpr std::string_view wanted =
      "the destination is not a host and a port, such as example.org:80 or [2001:db8::5]:80";
  head_.authority = authority;
  std::string_view host = authority;
  std::optional<std::uint16_t> port = default_port;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    const std::string_view digits = authority.substr(colon + 1);
    if (!digits.empty() || !default_port) port = number<std::uint16_t>(digits);
  }
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  // A colon in a host is IPv6's, and IPv6 has brackets; '@' would hide whom the rest belongs to.
  if (!port || *port == 0 || host.find_first_of("@[]") != std::string_view::npos ||
      brackets != (host.find(':') != std::string_view::npos)) {
    return bad_request(std::string{wanted});
  }
  const auto parsed = parse_host(host);
  if (!parsed || (brackets && !std::holds_alternative<IpAddress>(*parsed))) {
    return bad_request(std::string{wanted});
  }
  head_.destination = {*parsed, *port};
  return std::nullopt;
}

HeadReader::Refusal HeadReader::find_body() {
  const auto codings = all("transfer-encoding");
  const auto lengths = all("content-length");
  if (codings.empty()) return find_length(lengths);
  if (!lengths.empty()) {
    return bad_request("a request has Content-Length or Transfer-Encoding, not both");
  }
  if (head_.version != "HTTP/1.1" || head_.is_connect()) {
    return bad_request("Transfer-Encoding does not belong into this request; leave it out");
  }
  if (codings.size() != 1 || !same_name(codings.front(), "chunked")) {
    return HttpRefusal{NotImplemented, "the only Transfer-Encoding of a request is 'chunked'"};
  }
  head_.body = HttpBody::chunked();
  return std::nullopt;
}

HeadReader::Refusal HeadReader::find_length(const std::vector<std::string_view>& values) {
  if (values.empty()) return std::nullopt;
  const std::string_view digits = values.front();
  // from_chars() takes no sign for what has none, and no white space.
  const auto length = number<std::uint64_t>(digits);
  if (values.size() > 1 || !length) {
    return bad_request("Content-Length is one number of octets, said once");
  }
  if (head_.is_connect() && *length != 0) {
    return bad_request("CONNECT has no content; leave Content-Length out");
  }
  head_.body = HttpBody::with_length(*length);
  return std::nullopt;
}

}  // namespace

std::variant<HttpHead, HttpRefusal> HttpHead::parse(std::string_view text) {
  return HeadReader{text}.read();
}

std::optional<std::string_view> HttpHead::credentials() const {
  std::optional<std::string_view> found;
  for (const Field& field : fields) {
    if (!same_name(field.name, "proxy-authorization")) continue;
    if (found) return std::nullopt;
    found = field.value;
  }
  return found;
}

std::string HttpHead::for_destination() const {
  std::vector<std::string_view> dropped(for_the_proxy.begin(), for_the_proxy.end());
  for (const Field& field : fields) {
    if (!same_name(field.name, "connection")) continue;
    for (const std::string_view option : members(field.value)) dropped.push_back(option);
  }
  std::string text{method};
  text += ' ';
  // RFC 9112 section 3.2.4: OPTIONS without a path asks about the server as a whole.
  if (path.empty()) {
    text += method == "OPTIONS" ? "*" : "/";
  } else {
    text += path.front() == '?' ? "/" : "";
    text += path;
  }
  // A client of HTTP/1.0 could not read the chunks that a destination sends to one of HTTP/1.1.
  text += ' ' + std::string{version} + "\r\nHost: " + std::string{authority} + "\r\n";
  for (const Field& field : fields) {
    if (is_among(field.name, dropped)) continue;
    text += std::string{field.name} + ": " + std::string{field.value} + "\r\n";
  }
  // One request for each connection: the next may be for somebody else.
  const std::string_view received = version.substr(version.find('/') + 1);
  return text + "Via: " + std::string{received} + " godwit\r\nConnection: close\r\n\r\n";
}

}  // namespace godwit
