#include "stack/dns/dns_name.hpp"

#include <algorithm>

namespace godwit {
namespace {

bool is_allowed(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-' ||
         letter == '_';
}

char to_lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

}  // namespace

Result<DnsName> DnsName::parse(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty()) return Error{Errc::Malformed, "a DNS name without labels"};
  if (text.size() > longest_text) return Error{Errc::Malformed, "a DNS name that is too long"};
  std::string name{text};
  std::transform(name.begin(), name.end(), name.begin(), to_lower);
  std::size_t label = 0;
  for (const char letter : name) {
    if (letter == '.') {
      if (label == 0) return Error{Errc::Malformed, "an empty label in a DNS name"};
      label = 0;
      continue;
    }
    if (!is_allowed(letter)) return Error{Errc::Malformed, "a character no host's name has"};
    if (++label > longest_label) return Error{Errc::Malformed, "a DNS label that is too long"};
  }
  if (label == 0) return Error{Errc::Malformed, "an empty label in a DNS name"};
  return DnsName{std::move(name)};
}

DnsName DnsName::reverse_of(const IpAddress& address) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  const Bytes octets = address.octets();
  for (auto octet = octets.rbegin(); octet != octets.rend(); ++octet) {
    if (address.is_v4()) {
      text += std::to_string(*octet) + '.';
    } else {
      text += {digits[*octet & 0xf], '.', digits[*octet >> 4], '.'};
    }
  }
  return DnsName{text + (address.is_v4() ? "in-addr.arpa" : "ip6.arpa")};
}

bool DnsName::is_within(const DnsName& zone) const {
  if (!text_.ends_with(zone.text_)) return false;
  return text_.size() == zone.text_.size() || text_[text_.size() - zone.text_.size() - 1] == '.';
}

ByteString DnsName::wire() const {
  ByteString out;
  std::string_view rest{text_};
  while (!rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    out.push_back(static_cast<std::uint8_t>(label.size()));
    out.insert(out.end(), label.begin(), label.end());
    rest.remove_prefix(std::min(rest.size(), label.size() + 1));
  }
  out.push_back(0);
  return out;
}

}  // namespace godwit
