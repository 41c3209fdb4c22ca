// An IPv4 or IPv6 address, and a prefix of addresses. Values; there is no "unset" address.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "stack/core/bytes.hpp"
#include "stack/core/result.hpp"

namespace godwit {

enum class IpFamily : std::uint8_t { V4 = 4, V6 = 6 };

class IpAddress {
 public:
  static constexpr std::size_t v4_length = 4;
  static constexpr std::size_t v6_length = 16;

  static constexpr IpAddress v4(std::array<std::uint8_t, v4_length> octets) {
    IpAddress address{IpFamily::V4};
    for (std::size_t i = 0; i < v4_length; ++i) address.octets_[i] = octets[i];
    return address;
  }
  static constexpr IpAddress v6(std::array<std::uint8_t, v6_length> octets) {
    IpAddress address{IpFamily::V6};
    address.octets_ = octets;
    return address;
  }
  // 4 or 16 octets, network order; anything else is a broken promise of the caller.
  static IpAddress from_octets(Bytes octets);
  // Dotted quad or RFC 4291 section 2.2 text. No zone, no port, no brackets.
  static Result<IpAddress> parse(std::string_view text);

  constexpr IpFamily family() const { return family_; }
  constexpr bool is_v4() const { return family_ == IpFamily::V4; }
  // 4 or 16, network order; borrowed from *this.
  Bytes octets() const { return Bytes{octets_}.first(is_v4() ? v4_length : v6_length); }

  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_multicast() const;
  bool is_link_local() const;
  bool is_broadcast() const;  // 255.255.255.255
  // May a packet from the network claim to come from here, may we be asked to send there?
  bool is_unicast() const { return !is_unspecified() && !is_multicast() && !is_broadcast(); }

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  constexpr explicit IpAddress(IpFamily family) : family_{family}, octets_{} {}
  IpFamily family_;
  std::array<std::uint8_t, v6_length> octets_;
};

std::string to_string(const IpAddress& address);

struct IpPrefix {
  IpAddress address;    // host bits are kept: an interface's address is a prefix too
  std::uint8_t length;  // 0 to 32, or 0 to 128

  // "192.0.2.0/24"; a bare address is a prefix of its full length.
  static Result<IpPrefix> parse(std::string_view text);
  static IpPrefix host(const IpAddress& address) {
    return {address, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128)};
  }
  bool contains(const IpAddress& candidate) const;
  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

std::string to_string(const IpPrefix& prefix);

}  // namespace godwit

template <>
struct std::hash<godwit::IpAddress> {
  std::size_t operator()(const godwit::IpAddress& address) const noexcept;
};
