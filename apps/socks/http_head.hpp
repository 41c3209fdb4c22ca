// The head of a request to a proxy (RFC 9112 sections 2 to 6), read strictly: what two readers
// could understand in two ways is refused, because one of them would be the destination.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "apps/socks/http_body.hpp"
#include "apps/socks/socks_destination.hpp"

namespace godwit {

// What the client is told instead, in one line.
struct HttpRefusal {
  unsigned status;
  std::string text;
};

struct HttpHead {
  struct Field {
    std::string_view name;
    std::string_view value;
  };
  // `text`, which the head points into, is all of it, with the empty line at its end.
  static std::variant<HttpHead, HttpRefusal> parse(std::string_view text);

  bool is_connect() const { return method == "CONNECT"; }
  // The value of Proxy-Authorization; none: there is not exactly one.
  std::optional<std::string_view> credentials() const;
  // What the destination gets: origin-form, its Host, and nothing that was for the proxy
  // (RFC 9110 section 7.6.1). Not for CONNECT.
  std::string for_destination() const;

  std::string_view method;
  std::string_view version;  // "HTTP/1.1" or "HTTP/1.0"
  SocksDestination destination;
  std::string_view authority;  // as it was written
  std::string_view path;       // with its query; may be empty
  std::vector<Field> fields;
  HttpBody body = HttpBody::none();
};

}  // namespace godwit
