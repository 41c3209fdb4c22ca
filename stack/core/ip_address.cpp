#include "stack/core/ip_address.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <optional>

namespace godwit {
namespace {

std::optional<unsigned> parse_number(std::string_view text, int base, unsigned limit) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || value > limit)
    return std::nullopt;
  return value;
}

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const std::size_t dot = i + 1 < octets.size() ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot == 0 || dot > 3) return std::nullopt;
    if (dot > 1 && text[0] == '0') return std::nullopt;  // octal in the eyes of some
    const auto value = parse_number(text.substr(0, dot), 10, 255);
    if (!value) return std::nullopt;
    octets[i] = static_cast<std::uint8_t>(*value);
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return text.empty() ? std::optional{octets} : std::nullopt;
}

// The groups of one side of "::"; the last may be a dotted quad.
bool parse_groups(std::string_view text, ByteString& out) {
  if (text.empty()) return true;
  for (;;) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const auto quad = parse_v4(group);
      if (!quad) return false;
      out.insert(out.end(), quad->begin(), quad->end());
      return true;
    }
    if (group.empty() || group.size() > 4) return false;
    const auto value = parse_number(group, 16, 0xffff);
    if (!value) return false;
    out.push_back(static_cast<std::uint8_t>(*value >> 8));
    out.push_back(static_cast<std::uint8_t>(*value));
    if (colon == std::string_view::npos) return true;
    text.remove_prefix(colon + 1);
  }
}

std::optional<std::array<std::uint8_t, 16>> parse_v6(std::string_view text) {
  ByteString front;
  ByteString back;
  const std::size_t gap = text.find("::");
  if (!parse_groups(text.substr(0, gap), front)) return std::nullopt;
  if (gap != std::string_view::npos && !parse_groups(text.substr(gap + 2), back))
    return std::nullopt;
  const std::size_t given = front.size() + back.size();
  if (gap == std::string_view::npos ? given != 16 : given > 14) return std::nullopt;
  std::array<std::uint8_t, 16> octets{};
  std::copy(front.begin(), front.end(), octets.begin());
  std::copy(back.begin(), back.end(), octets.end() - static_cast<std::ptrdiff_t>(back.size()));
  return octets;
}

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups is "::".
std::string v6_text(Bytes octets) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = octets[2 * i] << 8 | octets[2 * i + 1];
  std::size_t gap_at = 8;
  std::size_t gap_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t run = 0;
    while (i + run < 8 && groups[i + run] == 0) ++run;
    if (run > gap_length) {
      gap_at = i;
      gap_length = run;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < 8;) {
    if (i == gap_at) {
      text += "::";
      i += gap_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    std::array<char, 4> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16).ptr;
    text.append(digits.data(), end);
    ++i;
  }
  return text;
}

bool all_zero(Bytes octets) {
  return std::all_of(octets.begin(), octets.end(), [](std::uint8_t octet) { return octet == 0; });
}

}  // namespace

IpAddress IpAddress::from_octets(Bytes octets) {
  assert(octets.size() == v4_length || octets.size() == v6_length);
  IpAddress address{octets.size() == v4_length ? IpFamily::V4 : IpFamily::V6};
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    if (const auto octets = parse_v6(text)) return v6(*octets);
  } else if (const auto octets = parse_v4(text)) {
    return v4(*octets);
  }
  return Error{Errc::Malformed, "not an IPv4 or IPv6 address"};
}

bool IpAddress::is_unspecified() const { return all_zero(octets()); }

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets_[0] == 127;
  return all_zero(octets().first(15)) && octets_[15] == 1;
}

bool IpAddress::is_multicast() const {
  return is_v4() ? (octets_[0] & 0xf0) == 0xe0 : octets_[0] == 0xff;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return octets_[0] == 169 && octets_[1] == 254;
  return octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_broadcast() const {
  const Bytes all = octets();
  return is_v4() &&
         std::all_of(all.begin(), all.end(), [](std::uint8_t octet) { return octet == 0xff; });
}

std::string to_string(const IpAddress& address) {
  if (!address.is_v4()) return v6_text(address.octets());
  std::string text;
  for (const std::uint8_t octet : address.octets()) {
    if (!text.empty()) text += '.';
    text += std::to_string(octet);
  }
  return text;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return address.error();
  IpPrefix prefix = host(*address);
  if (slash == std::string_view::npos) return prefix;
  const auto length = parse_number(text.substr(slash + 1), 10, prefix.length);
  if (!length) return Error{Errc::Malformed, "prefix length out of range"};
  prefix.length = static_cast<std::uint8_t>(*length);
  return prefix;
}

bool IpPrefix::contains(const IpAddress& candidate) const {
  if (candidate.family() != address.family()) return false;
  const Bytes mine = address.octets();
  const Bytes theirs = candidate.octets();
  const std::size_t whole = length / 8;
  if (!std::equal(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(whole),
                  theirs.begin())) {
    return false;
  }
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  return (mine[whole] ^ theirs[whole]) >> (8 - rest) == 0;
}

std::string to_string(const IpPrefix& prefix) {
  return to_string(prefix.address) + '/' + std::to_string(prefix.length);
}

}  // namespace godwit

std::size_t std::hash<godwit::IpAddress>::operator()(
    const godwit::IpAddress& address) const noexcept {
  // Of every packet and every connection that moves: words, not octets.
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
  const godwit::Bytes octets = address.octets();
  std::uint64_t state = octets.size();
  for (std::size_t at = 0; at < octets.size(); at += sizeof(std::uint32_t)) {
    std::uint32_t word = 0;
    std::memcpy(&word, octets.data() + at, sizeof word);
    state = (state ^ word) * odd;
    state ^= state >> 29;
  }
  return static_cast<std::size_t>(state);
}
