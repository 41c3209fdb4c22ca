#include "ipsec/ike/traffic_selector.hpp"

#include <algorithm>

#include "ipsec/ike/registry.hpp"
#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {
namespace {

constexpr std::size_t header_length = 8;
constexpr std::uint16_t highest_port = 65535;

}  // namespace

TrafficSelector TrafficSelector::host(const IpAddress& address) {
  return {0, 0, highest_port, address, address};
}

bool TrafficSelector::covers(const IpAddress& address) const {
  return protocol == 0 && first_port == 0 && last_port == highest_port &&
         first.family() == address.family() && first <= address && address <= last;
}

Result<std::vector<TrafficSelector>> parse_traffic_selectors(Bytes body) {
  ByteReader in{body};
  const auto count = in.read<std::uint8_t>();
  in.skip(3);
  if (!in.ok()) return Error{Errc::Truncated, "TS payload"};
  if (count > most_traffic_selectors) return Error{Errc::Malformed, "TS payload: too many"};
  std::vector<TrafficSelector> selectors;
  for (unsigned i = 0; i < count; ++i) {
    const auto type = static_cast<TrafficSelectorType>(in.read<std::uint8_t>());
    const auto protocol = in.read<std::uint8_t>();
    const auto length = in.read<std::uint16_t>();
    if (!in.ok() || length < header_length) {
      return Error{Errc::Malformed, "TS payload: a selector is shorter than its header"};
    }
    ByteReader selector{in.take(length - header_length / 2)};
    if (!in.ok()) return Error{Errc::Truncated, "TS payload: a selector is cut off"};
    const auto first_port = selector.read<std::uint16_t>();
    const auto last_port = selector.read<std::uint16_t>();
    if (type != TrafficSelectorType::Ipv4Range && type != TrafficSelectorType::Ipv6Range) continue;
    const std::size_t octets =
        type == TrafficSelectorType::Ipv4Range ? IpAddress::v4_length : IpAddress::v6_length;
    if (selector.remaining() != 2 * octets) {
      return Error{Errc::Malformed, "TS payload: a selector's length is not that of its type"};
    }
    const IpAddress first = IpAddress::from_octets(selector.take(octets));
    const IpAddress last = IpAddress::from_octets(selector.take(octets));
    selectors.push_back({protocol, first_port, last_port, first, last});
  }
  if (!in.finished()) return Error{Errc::Malformed, "TS payload: octets after the last selector"};
  return selectors;
}

ByteString write_traffic_selectors(std::span<const TrafficSelector> selectors) {
  ByteString bytes;
  ByteWriter out{bytes};
  out.write(static_cast<std::uint8_t>(selectors.size()));
  out.write(std::uint8_t{0});
  out.write(std::uint16_t{0});
  for (const TrafficSelector& selector : selectors) {
    const std::size_t start = out.size();
    out.write(static_cast<std::uint8_t>(selector.first.is_v4() ? TrafficSelectorType::Ipv4Range
                                                               : TrafficSelectorType::Ipv6Range));
    out.write(selector.protocol);
    LengthField<std::uint16_t> length{out, start};
    out.write(selector.first_port);
    out.write(selector.last_port);
    out.write(selector.first.octets());
    out.write(selector.last.octets());
    length.close();
  }
  return bytes;
}

bool any_covers(std::span<const TrafficSelector> selectors, const IpAddress& address) {
  return std::ranges::any_of(
      selectors, [&](const TrafficSelector& selector) { return selector.covers(address); });
}

}  // namespace godwit::ike
