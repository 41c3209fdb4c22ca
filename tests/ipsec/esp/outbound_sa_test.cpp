#include "ipsec/esp/outbound_sa.hpp"

#include <gtest/gtest.h>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "tests/ipsec/esp/esp_fixture.hpp"
#include "tests/vectors/vectors.hpp"

namespace godwit {
namespace {

// S12, B4: header and IV, placement (RFC 4303 section 3.1.1), padding, AAD and nonce
// (RFC 4106), extended numbers (RFC 4304), as an independent computation has them.
TEST(OutboundSa, SealsAsAnIndependentComputationDoes) {
  for (const Vector& vector : read_vectors("esp_transport.txt")) {
    SCOPED_TRACE(vector.text("name") + ", sequence " + vector.text("sequence"));
    const ByteString key = vector.octets("key");
    const auto algorithm = key.size() == 20 ? AeadAlgorithm::AesGcm128 : AeadAlgorithm::AesGcm256;
    const Spi spi{static_cast<std::uint32_t>(std::stoul(vector.text("spi"), nullptr, 16))};
    const std::uint64_t sequence = std::stoull(vector.text("sequence"), nullptr, 16);
    const Esn esn = vector.text("esn") == "on" ? Esn::On : Esn::Off;
    OutboundSa sa{spi, {algorithm, SecretBytes::copy_of(key)}, esn, sequence};
    Packet packet = Packet::copy_of(vector.octets("clear"));
    ASSERT_TRUE(sa.seal(packet));
    EXPECT_EQ(to_hex(packet.bytes()), vector.text("sealed"));
    EXPECT_TRUE(IpDatagram::parse(packet.bytes()));
  }
}

TEST(OutboundSa, CountsOn) {
  SaEnds ends;
  for (std::uint32_t expected = 1; expected <= 3; ++expected) {
    Packet packet = make_udp(mh4, ch4, payload_of(10));
    ASSERT_TRUE(ends.outbound.seal(packet));
    EXPECT_EQ(load_u32(packet.bytes(), Ipv4Header::length + EspHeader::sequence_at), expected);
  }
  EXPECT_EQ(ends.outbound.next_sequence(), 4u);
  EXPECT_EQ(ends.outbound.packets(), 3u);
  EXPECT_EQ(ends.outbound.bytes(), 3 * (28u + 10 + esp_overhead(18)));
}

// Attack 15: no nonce comes twice, so the SA ends before its numbers do.
TEST(OutboundSa, RefusesToSealWhenItsNumbersAreUsedUp) {
  for (const auto& [esn, last] :
       {std::pair{Esn::Off, std::uint64_t{UINT32_MAX}}, std::pair{Esn::On, UINT64_MAX}}) {
    SaEnds ends{esn, last};
    Packet packet = make_udp(mh4, ch4, payload_of(10));
    EXPECT_TRUE(ends.outbound.seal(packet));
    for (int again = 0; again < 3; ++again) {
      Packet next = make_udp(mh4, ch4, payload_of(10));
      const ByteString before = to_byte_string(next.bytes());
      const Status status = ends.outbound.seal(next);
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, Errc::Exhausted);
      EXPECT_EQ(to_byte_string(next.bytes()), before);
    }
  }
}

TEST(OutboundSa, RefusesFragments) {
  SaEnds ends;
  for (const std::uint16_t field : {Ipv4Header::more_fragments, std::uint16_t{1}}) {
    Packet packet = make_udp(mh4, ch4, payload_of(64));
    store_u16(packet.bytes(), Ipv4Header::fragment_at, field);
    EXPECT_EQ(ends.outbound.seal(packet).error().code, Errc::Refused);
  }
  EXPECT_EQ(ends.outbound.next_sequence(), 1u);
}

TEST(OutboundSa, RefusesWhatWouldBeTooLong) {
  for (const auto& [from, to, header] :
       {std::tuple{mh4, ch4, Ipv4Header::length}, std::tuple{mh6, ch6, Ipv6Header::length}}) {
    SaEnds ends;
    const std::size_t longest = Packet::max_datagram - header - UdpHeader::length;
    const std::size_t fits = longest - 37;
    for (const std::size_t size : {fits, longest - 30}) {
      Packet packet = Packet::with_size(header + UdpHeader::length + size);
      std::ranges::fill(packet.bytes(), std::uint8_t{0});
      if (from.address.is_v4()) {
        Ipv4Header{.source = from.address,
                   .destination = to.address,
                   .protocol = IpProtocol::Udp,
                   .total_length = static_cast<std::uint16_t>(packet.size())}
            .write_to(packet.bytes());
      } else {
        Ipv6Header{.source = from.address,
                   .destination = to.address,
                   .next_header = IpProtocol::Udp,
                   .payload_length = static_cast<std::uint16_t>(packet.size() - header)}
            .write_to(packet.bytes());
      }
      const Status status = ends.outbound.seal(packet);
      EXPECT_EQ(static_cast<bool>(status), size == fits) << size;
    }
  }
}

TEST(OutboundSa, CutsOffLinkPadding) {
  SaEnds ends;
  Packet plain = make_udp(mh4, ch4, payload_of(2));
  Packet padded = Packet::copy_of(plain.bytes());
  std::ranges::fill(padded.append(6), std::uint8_t{0});
  ASSERT_TRUE(ends.outbound.seal(padded));
  EXPECT_EQ(padded.size(), plain.size() + esp_overhead(UdpHeader::length + 2));
}

TEST(OutboundSa, SurvivesWhateverItIsGiven) {
  SaEnds ends;
  for (const char* hex : {"", "45", "60", "00", "f0", "4500", "46000014", "4f00ffff"}) {
    Packet packet = Packet::copy_of(*from_hex(hex));
    EXPECT_FALSE(ends.outbound.seal(packet)) << hex;
  }
}

}  // namespace
}  // namespace godwit
