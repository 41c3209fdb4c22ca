#include "ipsec/esp/inbound_sa.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "tests/ipsec/esp/esp_fixture.hpp"
#include "tests/support/seeded_rng.hpp"
#include "tests/vectors/vectors.hpp"

// Every allocation of the process is counted, Botan's included. A sanitizer wants malloc for
// itself; there, nothing is counted and the test that needs it says so.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GODWIT_COUNTS_ALLOCATIONS 0
#else
#define GODWIT_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::uint64_t allocations = 0;
}
#if GODWIT_COUNTS_ALLOCATIONS
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): glibc's names
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
// Visible, or operator new in libstdc++ would not find them.
[[gnu::visibility("default")]] void* malloc(std::size_t size) noexcept {
  ++allocations;
  return __libc_malloc(size);
}
[[gnu::visibility("default")]] void* calloc(std::size_t count, std::size_t size) noexcept {
  ++allocations;
  return __libc_calloc(count, size);
}
}
#endif

namespace godwit {
namespace {

TEST(InboundSa, OpensWhatAnIndependentComputationSealed) {
  for (const Vector& vector : read_vectors("esp_transport.txt")) {
    SCOPED_TRACE(vector.text("name") + ", sequence " + vector.text("sequence"));
    const std::uint64_t sequence = std::stoull(vector.text("sequence"), nullptr, 16);
    if (sequence >> 33 != 0) continue;  // too far ahead for a new SA to infer (RFC 4303 A2.1)
    const ByteString key = vector.octets("key");
    const auto algorithm = key.size() == 20 ? AeadAlgorithm::AesGcm128 : AeadAlgorithm::AesGcm256;
    const Spi spi{static_cast<std::uint32_t>(std::stoul(vector.text("spi"), nullptr, 16))};
    const Esn esn = vector.text("esn") == "on" ? Esn::On : Esn::Off;
    InboundSa sa{spi, {algorithm, SecretBytes::copy_of(key)}, esn};
    if (sequence >> 32 != 0) {
      // The SA has seen the middle of the first subspace, so that it infers the second.
      OutboundSa before{spi, {algorithm, SecretBytes::copy_of(key)}, esn, 0x80000000};
      Packet packet = make_udp(mh4, ch4, {});
      ASSERT_TRUE(before.seal(packet));
      ASSERT_TRUE(sa.open(packet));
    }
    Packet packet = Packet::copy_of(vector.octets("sealed"));
    ASSERT_TRUE(sa.open(packet));
    EXPECT_EQ(to_hex(packet.bytes()), vector.text("clear"));
    EXPECT_EQ(sa.highest_sequence(), sequence);
  }
}

// The published packets, behind an IPv4 header of ours. Their contents are opaque to ESP.
TEST(InboundSa, OpensThePublishedPackets) {
  for (const Vector& vector : read_vectors("esp_aes_gcm.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const ByteString aad = vector.octets("aad");
    const bool extended = aad.size() == 12;
    if (extended && load_u32(aad, 4) != 0) continue;  // a new SA infers a high half of 0
    ByteString key = vector.octets("key");
    const auto algorithm = key.size() == 16 ? AeadAlgorithm::AesGcm128 : AeadAlgorithm::AesGcm256;
    const ByteString nonce = vector.octets("nonce");
    key.insert(key.end(), nonce.begin(), nonce.begin() + EspKeys::salt_length);
    InboundSa sa{Spi{load_u32(aad, 0)},
                 {algorithm, SecretBytes::copy_of(key)},
                 extended ? Esn::On : Esn::Off};

    const ByteString esp = vector.octets("packet");
    Packet packet = Packet::with_size(Ipv4Header::length + esp.size());
    Ipv4Header{.source = mh4.address,
               .destination = ch4.address,
               .protocol = IpProtocol::Esp,
               .total_length = static_cast<std::uint16_t>(packet.size())}
        .write_to(packet.bytes());
    std::ranges::copy(esp, packet.bytes().begin() + Ipv4Header::length);
    ASSERT_TRUE(sa.open(packet));
    const ByteString text = vector.octets("plaintext");
    const std::size_t length = text.size() - 2 - text[text.size() - 2];
    EXPECT_EQ(to_hex(packet.bytes().subspan(Ipv4Header::length)),
              to_hex(Bytes{text}.first(length)));
    EXPECT_EQ(packet.bytes()[Ipv4Header::protocol_at], text.back());
  }
}

// S3, S12: a datagram comes out as it went in, whatever its family and length.
TEST(InboundSa, RestoresTheDatagram) {
  for (const auto algorithm : {AeadAlgorithm::AesGcm128, AeadAlgorithm::AesGcm256}) {
    for (const Esn esn : {Esn::Off, Esn::On}) {
      SaEnds ends{esn, 1, algorithm};
      for (const auto& [from, to] : {std::pair{mh4, ch4}, std::pair{mh6, ch6}}) {
        for (std::size_t size = 0; size < 1440; size += size < 20 ? 1 : 71) {
          Packet packet = make_udp(from, to, payload_of(size));
          const ByteString before = to_byte_string(packet.bytes());
          ASSERT_TRUE(ends.outbound.seal(packet));
          EXPECT_EQ(packet.size(), before.size() + esp_overhead(UdpHeader::length + size));
          EXPECT_EQ(IpDatagram::parse(packet.bytes())->protocol, IpProtocol::Esp);
          ASSERT_TRUE(ends.inbound.open(packet));
          EXPECT_EQ(to_hex(packet.bytes()), to_hex(before));
        }
      }
    }
  }
}

TEST(InboundSa, IgnoresLinkPadding) {
  SaEnds ends;
  Packet packet = make_udp(mh4, ch4, payload_of(3));
  const ByteString before = to_byte_string(packet.bytes());
  ASSERT_TRUE(ends.outbound.seal(packet));
  Packet padded = Packet::copy_of(packet.bytes());
  std::ranges::fill(padded.append(7), std::uint8_t{0xaa});
  ASSERT_TRUE(ends.inbound.open(padded));
  EXPECT_EQ(to_hex(padded.bytes()), to_hex(before));
}

// Attacks 2 and 15: a copy is a replay, on whatever path it comes.
TEST(InboundSa, OpensEachPacketOnce) {
  SaEnds ends;
  std::vector<ByteString> sealed;
  for (int i = 0; i < 5; ++i) {
    Packet packet = make_udp(mh4, ch4, payload_of(20));
    ASSERT_TRUE(ends.outbound.seal(packet));
    sealed.push_back(to_byte_string(packet.bytes()));
  }
  for (const int order : {4, 0, 2, 1, 3}) {
    Packet packet = Packet::copy_of(sealed[static_cast<std::size_t>(order)]);
    EXPECT_TRUE(ends.inbound.open(packet));
  }
  for (const ByteString& copy : sealed) {
    Packet packet = Packet::copy_of(copy);
    EXPECT_EQ(ends.inbound.open(packet).error().code, Errc::Replayed);
  }
  EXPECT_EQ(ends.inbound.counters().packets, 5u);
  EXPECT_EQ(ends.inbound.counters().replayed, 5u);
}

// A forged number must not push out honest ones: the window moves only after the ICV.
TEST(InboundSa, KeepsItsWindowAgainstForgedNumbers) {
  SaEnds ends;
  Packet honest = make_udp(mh4, ch4, payload_of(20));
  ASSERT_TRUE(ends.outbound.seal(honest));
  for (const std::uint32_t number : {2u, 100000u, 0x7fffffffu, 0xf0000000u}) {
    Packet forged = Packet::copy_of(honest.bytes());
    store_u32(forged.bytes(), Ipv4Header::length + EspHeader::sequence_at, number);
    EXPECT_EQ(ends.inbound.open(forged).error().code, Errc::AuthFailed);
  }
  EXPECT_EQ(ends.inbound.highest_sequence(), 0u);
  EXPECT_EQ(ends.inbound.counters().auth_failed, 4u);
  EXPECT_TRUE(ends.inbound.open(honest));
}

TEST(InboundSa, RefusesAnotherKey) {
  SaEnds ends;
  EspKeys keys = test_keys();
  keys.key.bytes().back() ^= 1;  // the salt alone
  InboundSa other{test_spi, std::move(keys), Esn::On};
  Packet packet = make_udp(mh4, ch4, payload_of(20));
  ASSERT_TRUE(ends.outbound.seal(packet));
  EXPECT_EQ(other.open(packet).error().code, Errc::AuthFailed);
}

TEST(InboundSa, RefusesTheOtherKindOfNumbers) {
  SaEnds extended{Esn::On};
  SaEnds plain{Esn::Off};
  Packet packet = make_udp(mh4, ch4, payload_of(20));
  ASSERT_TRUE(extended.outbound.seal(packet));
  EXPECT_EQ(plain.inbound.open(packet).error().code, Errc::AuthFailed);
}

TEST(InboundSa, CrossesTheBorderOfTheLowHalf) {
  SaEnds ends{Esn::On, 0xfffffffe};
  OutboundSa middle{test_spi, test_keys(), Esn::On, 0x80000000};
  Packet first = make_udp(mh4, ch4, {});
  ASSERT_TRUE(middle.seal(first));
  ASSERT_TRUE(ends.inbound.open(first));
  for (int i = 0; i < 6; ++i) {
    Packet packet = make_udp(mh4, ch4, payload_of(20));
    ASSERT_TRUE(ends.outbound.seal(packet));
    ASSERT_TRUE(ends.inbound.open(packet)) << i;
  }
  EXPECT_EQ(ends.inbound.highest_sequence(), 0x100000003u);
}

// Attack 16: nothing that was not negotiated comes out.
TEST(InboundSa, RefusesContentsThatAreNotForTransportMode) {
  using Counter = std::uint64_t InboundSa::Counters::*;
  const struct {
    const char* what;
    ByteString text;
    Errc code;
    Counter counter;
  } cases[] = {
      {"a dummy packet",
       {9, 9, 1, 2, 3, 3 - 1, 0, 59},
       Errc::Refused,
       &InboundSa::Counters::dummies},
      {"more padding than packet", {9, 9, 3, 17}, Errc::Malformed, &InboundSa::Counters::malformed},
      {"255 of padding", {9, 9, 255, 17}, Errc::Malformed, &InboundSa::Counters::malformed},
      {"padding of zeros",
       {9, 9, 9, 9, 0, 0, 2, 17},
       Errc::Malformed,
       &InboundSa::Counters::malformed},
      {"padding off by one",
       {9, 9, 9, 9, 2, 3, 2, 17},
       Errc::Malformed,
       &InboundSa::Counters::malformed},
      {"an IPv4 tunnel", {9, 9, 0, 4}, Errc::Unsupported, &InboundSa::Counters::malformed},
      {"an IPv6 tunnel", {9, 9, 0, 41}, Errc::Unsupported, &InboundSa::Counters::malformed},
      {"ESP again", {9, 9, 0, 50}, Errc::Unsupported, &InboundSa::Counters::malformed},
      {"hop-by-hop options", {9, 9, 0, 0}, Errc::Unsupported, &InboundSa::Counters::malformed},
      {"an IPv6 fragment", {9, 9, 0, 44}, Errc::Unsupported, &InboundSa::Counters::malformed},
      {"not aligned", {9, 9, 9, 0, 17}, Errc::Malformed, &InboundSa::Counters::malformed},
  };
  for (const auto& [what, text, code, counter] : cases) {
    SCOPED_TRACE(what);
    SaEnds ends;
    Packet packet = sealed_by_hand(1, text);
    const Status status = ends.inbound.open(packet);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, code);
    EXPECT_EQ(ends.inbound.counters().*counter, 1u);
    EXPECT_EQ(ends.inbound.counters().packets, 0u);
  }
  // The same by hand, and right.
  SaEnds ends;
  Packet packet = sealed_by_hand(1, {9, 9, 9, 9, 1, 2, 2, 99});
  EXPECT_TRUE(ends.inbound.open(packet));
  EXPECT_EQ(packet.size(), Ipv4Header::length + 4);
  Packet empty = sealed_by_hand(2, {1, 2, 2, 99});
  EXPECT_TRUE(ends.inbound.open(empty));
  EXPECT_EQ(empty.size(), Ipv4Header::length);
}

TEST(InboundSa, RefusesFragmentsAndStrangers) {
  SaEnds ends;
  Packet sealed = make_udp(mh4, ch4, payload_of(64));
  ASSERT_TRUE(ends.outbound.seal(sealed));
  const auto with = [&](auto change) {
    Packet packet = Packet::copy_of(sealed.bytes());
    change(packet);
    return ends.inbound.open(packet).error().code;
  };
  EXPECT_EQ(with([](Packet& p) { store_u16(p.bytes(), Ipv4Header::fragment_at, 0x2000); }),
            Errc::Refused);
  EXPECT_EQ(with([](Packet& p) { store_u16(p.bytes(), Ipv4Header::fragment_at, 4); }),
            Errc::Refused);
  EXPECT_EQ(with([](Packet& p) { p.bytes()[Ipv4Header::protocol_at] = 17; }), Errc::Malformed);
  EXPECT_EQ(with([](Packet& p) { store_u32(p.bytes(), Ipv4Header::length, 0xc0de0002); }),
            Errc::NotFound);
  EXPECT_EQ(with([](Packet& p) { store_u16(p.bytes(), Ipv4Header::total_length_at, 40); }),
            Errc::Truncated);
  EXPECT_EQ(ends.inbound.counters().fragments, 2u);
  EXPECT_EQ(ends.inbound.counters().malformed, 3u);
  EXPECT_EQ(ends.inbound.counters().auth_failed, 0u);
  EXPECT_TRUE(ends.inbound.open(sealed));
}

// Whatever bits are turned, nothing is let through but an untouched packet.
TEST(InboundSa, LetsNothingThroughThatWasChanged) {
  const std::uint64_t seed = 19;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  std::uint64_t opened = 0;
  for (const auto& [from, to, header] :
       {std::tuple{mh4, ch4, Ipv4Header::length}, std::tuple{mh6, ch6, Ipv6Header::length}}) {
    SaEnds ends;
    for (int round = 0; round < 20000; ++round) {
      Packet packet = make_udp(from, to, payload_of(rng.below(60)));
      const ByteString clear = to_byte_string(packet.bytes());
      ASSERT_TRUE(ends.outbound.seal(packet));
      ByteString bytes = to_byte_string(packet.bytes());
      for (std::uint64_t i = 0; i <= rng.below(3); ++i) {
        bytes[rng.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << rng.below(8));
      }
      if (rng.below(4) == 0) bytes.resize(rng.below(bytes.size() + 1));
      Packet changed = Packet::copy_of(bytes);
      if (ends.inbound.open(changed)) {
        // Only the IP header is not ESP's to protect.
        ++opened;
        ASSERT_EQ(to_hex(changed.bytes().subspan(header)), to_hex(Bytes{clear}.subspan(header)));
      }
    }
  }
  EXPECT_GT(opened, 0u);
}

TEST(InboundSa, SurvivesNoise) {
  const std::uint64_t seed = 20;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  SaEnds ends;
  for (int round = 0; round < 50000; ++round) {
    ByteString noise(rng.below(120));
    rng.fill(noise);
    if (noise.size() > 1) noise[0] = rng.below(2) == 0 ? 0x45 : 0x60;
    if (noise.size() > 9) noise[rng.below(2) == 0 ? 9 : 6] = 50;
    if (noise.size() > 5) noise[2] = noise[4] = 0;
    Packet packet = Packet::copy_of(noise);
    ASSERT_FALSE(ends.inbound.open(packet));
  }
  EXPECT_GT(ends.inbound.counters().malformed, 0u);
}

TEST(Esp, AllocatesNothingPerPacket) {
  if (GODWIT_COUNTS_ALLOCATIONS == 0) GTEST_SKIP() << "a sanitizer owns the allocator";
  SaEnds ends;
  const auto round_trip = [&](std::size_t size) {
    Packet packet = make_udp(mh4, ch4, payload_of(size));
    const std::uint64_t before = allocations;
    const bool sealed = static_cast<bool>(ends.outbound.seal(packet));
    const bool opened = static_cast<bool>(ends.inbound.open(packet));
    const std::uint64_t after = allocations;
    EXPECT_TRUE(sealed && opened);
    return after - before;
  };
  EXPECT_GT(round_trip(100), 0u);  // the first one keys Botan's objects
  for (std::size_t size = 0; size < 1400; size += 13) EXPECT_EQ(round_trip(size), 0u) << size;
}

}  // namespace
}  // namespace godwit
