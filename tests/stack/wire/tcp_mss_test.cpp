#include "stack/wire/tcp_mss.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "stack/core/packet.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/tcp.hpp"

namespace godwit {
namespace {

// A TCP segment with these options (a multiple of four octets) and a right checksum.
Packet segment(std::uint8_t flags, const ByteString& options) {
  const IpAddress from = *IpAddress::parse("192.0.2.7");
  const IpAddress to = *IpAddress::parse("203.0.113.5");
  const std::size_t length = TcpHeader::length + options.size();
  Packet packet = Packet::with_size(Ipv4Header::length + length);
  std::ranges::fill(packet.bytes(), std::uint8_t{0});
  Ipv4Header{.source = from,
             .destination = to,
             .protocol = IpProtocol::Tcp,
             .total_length = static_cast<std::uint16_t>(packet.size())}
      .write_to(packet.bytes());
  const MutableBytes tcp = packet.bytes().subspan(Ipv4Header::length);
  tcp[TcpHeader::data_offset_at] = static_cast<std::uint8_t>(length / 4 << 4);
  tcp[TcpHeader::flags_at] = flags;
  std::ranges::copy(options, tcp.begin() + TcpHeader::length);
  store_u16(tcp, TcpHeader::checksum_at,
            internet_checksum(tcp, pseudo_header_sum(from, to, IpProtocol::Tcp,
                                                     static_cast<std::uint32_t>(length))));
  return packet;
}

ByteString options_after(Packet packet, std::uint16_t most) {
  const auto datagram = IpDatagram::parse(packet.bytes());
  EXPECT_TRUE(datagram);
  lower_mss(packet.bytes(), *datagram, most);
  EXPECT_TRUE(transport_checksum_ok(packet.bytes(), *datagram));
  return to_byte_string(Bytes{packet.bytes()}.subspan(Ipv4Header::length + TcpHeader::length));
}

constexpr std::uint8_t syn = TcpHeader::syn;
constexpr std::uint8_t syn_ack = TcpHeader::syn | TcpHeader::ack;

TEST(LowerMss, InSynAndSynAckAlone) {
  const ByteString option{2, 4, 0x05, 0xb4};
  const ByteString lowered{2, 4, 0x05, 0x8a};
  EXPECT_EQ(options_after(segment(syn, option), 1418), lowered);
  EXPECT_EQ(options_after(segment(syn_ack, option), 1418), lowered);
  EXPECT_EQ(options_after(segment(TcpHeader::ack, option), 1418), option);
  EXPECT_EQ(options_after(segment(syn, option), 1460), option);
}

TEST(LowerMss, BehindOtherOptionsAndAtOddPlaces) {
  EXPECT_EQ(options_after(segment(syn, {1, 2, 4, 0x05, 0xb4, 3, 3, 7}), 1418),
            (ByteString{1, 2, 4, 0x05, 0x8a, 3, 3, 7}));
  EXPECT_EQ(options_after(segment(syn, {4, 2, 1, 1, 2, 4, 0x05, 0xb4}), 1418),
            (ByteString{4, 2, 1, 1, 2, 4, 0x05, 0x8a}));
}

TEST(LowerMss, LeavesGarbledOptionsAlone) {
  for (const ByteString& options :
       {ByteString{2, 0, 0x05, 0xb4}, ByteString{2, 1, 0x05, 0xb4}, ByteString{3, 9, 2, 4},
        ByteString{1, 1, 1, 2}, ByteString{1, 1, 2, 4}, ByteString{0, 2, 4, 9},
        ByteString{2, 3, 0x05, 0}}) {
    EXPECT_EQ(options_after(segment(syn, options), 1418), options) << to_hex(options);
  }
}

}  // namespace
}  // namespace godwit
