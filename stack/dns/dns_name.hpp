// The name of a host or a zone: what a person may write and a server may answer, checked once.
// Letters, digits, '-' and '_' only (RFC 1123 section 2.1; '_' is found in the wild), kept in lower
// case, so that two names are equal when they are the same (RFC 4343).
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "stack/core/ip_address.hpp"

namespace godwit {

class DnsName {
 public:
  static constexpr std::size_t longest_text = 253;  // RFC 1035 section 2.3.4, without the last dot
  static constexpr std::size_t longest_label = 63;

  // A dot at the end is taken and not kept. The root is no name of a host.
  static Result<DnsName> parse(std::string_view text);
  // Where the PTR record of an address stands (RFC 1035 section 3.5, RFC 3596 section 2.5).
  static DnsName reverse_of(const IpAddress& address);

  const std::string& text() const { return text_; }
  // Is it this zone, or below?
  bool is_within(const DnsName& zone) const;
  // Length-prefixed labels, uncompressed: the canonical form that a MAC covers.
  ByteString wire() const;

  friend auto operator<=>(const DnsName&, const DnsName&) = default;

 private:
  explicit DnsName(std::string text) : text_{std::move(text)} {}
  std::string text_;
};

inline const std::string& to_string(const DnsName& name) { return name.text(); }

}  // namespace godwit
