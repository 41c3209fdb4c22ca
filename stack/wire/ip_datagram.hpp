// A whole IP datagram, validated once: whoever holds an IpDatagram may rely on every length in
// it. The value describes bytes it does not own, and stays true only while they are not changed.
#pragma once

#include "stack/core/endpoint.hpp"

namespace godwit {

struct IpDatagram {
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol;        // of the upper layer: IPv6 extension headers are passed over
  std::size_t header_length;  // to the upper-layer header
  std::size_t total_length;   // of the datagram; the bytes may hold link padding behind it
  bool fragment;              // part of a larger datagram
  std::uint16_t source_port;  // 0 unless TCP or UDP, and in a later fragment
  std::uint16_t destination_port;
  std::uint8_t ttl;

  // Errors: Truncated, Malformed (a length or checksum contradicts the bytes), Unsupported
  // (neither IPv4 nor IPv6, or an extension header chain nobody needs).
  static Result<IpDatagram> parse(Bytes bytes);

  std::size_t payload_length() const { return total_length - header_length; }
  FiveTuple outbound_flow() const {
    return {protocol, {source, source_port}, {destination, destination_port}};
  }
  FiveTuple inbound_flow() const {
    return {protocol, {destination, destination_port}, {source, source_port}};
  }
};

// Replace one address (same family) in a datagram that `datagram` describes, and mend the IP and
// transport checksums incrementally. `datagram` is brought up to date.
void rewrite_source(MutableBytes bytes, IpDatagram& datagram, const IpAddress& source);
void rewrite_destination(MutableBytes bytes, IpDatagram& datagram, const IpAddress& destination);

// Whether the checksum of TCP, UDP or ICMPv6 is right. True for other protocols and fragments.
bool transport_checksum_ok(Bytes bytes, const IpDatagram& datagram);

}  // namespace godwit
