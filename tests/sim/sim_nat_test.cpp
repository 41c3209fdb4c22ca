// The kinds of NAT that RFC 4787 tells apart.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/udp.hpp"
#include "tests/sim/sim_nat.hpp"

namespace godwit::sim {
namespace {

using namespace std::chrono_literals;

Endpoint at(std::string_view text) { return *Endpoint::parse(text); }

class Nat : public testing::Test {
 protected:
  // The endpoint that the outside sees; none: it was dropped.
  std::optional<Endpoint> out(const Endpoint& from, const Endpoint& to) {
    const auto packet = nat.outbound(make_udp(from, to, ByteString(20, 7)), now);
    return packet ? std::optional{source_of(*packet)} : std::nullopt;
  }
  // The endpoint inside that gets it; none: it was dropped.
  std::optional<Endpoint> in(const Endpoint& from, const Endpoint& to) {
    const auto packet = nat.inbound(make_udp(from, to, ByteString(20, 7)), now);
    return packet ? std::optional{destination_of(*packet)} : std::nullopt;
  }
  static Endpoint source_of(const Packet& packet) {
    const auto datagram = IpDatagram::parse(packet.bytes());
    EXPECT_TRUE(transport_checksum_ok(packet.bytes(), *datagram));
    return {datagram->source, datagram->source_port};
  }
  static Endpoint destination_of(const Packet& packet) {
    const auto datagram = IpDatagram::parse(packet.bytes());
    EXPECT_TRUE(transport_checksum_ok(packet.bytes(), *datagram));
    return {datagram->destination, datagram->destination_port};
  }

  const IpAddress outside = *IpAddress::parse("198.51.100.1");
  const Endpoint laptop = at("192.168.1.7:4500");
  const Endpoint phone = at("192.168.1.8:4500");
  const Endpoint server = at("203.0.113.5:4500");
  const Endpoint other_port = at("203.0.113.5:9");
  const Endpoint other_host = at("203.0.113.6:4500");
  Instant now{};
  SimNat nat{outside, {}, 1};
};

TEST_F(Nat, TranslatesThereAndBack) {
  EXPECT_EQ(out(laptop, server), (Endpoint{outside, 4500}));
  EXPECT_EQ(in(server, {outside, 4500}), laptop);
}

TEST_F(Nat, NobodyComesInWithoutAMapping) { EXPECT_EQ(in(server, {outside, 4500}), std::nullopt); }

TEST_F(Nat, TwoHostsInsideGetDifferentPorts) {
  EXPECT_EQ(out(laptop, server), (Endpoint{outside, 4500}));
  const auto second = out(phone, server);
  ASSERT_TRUE(second);
  EXPECT_NE(second->port, 4500);
  EXPECT_EQ(in(server, *second), phone);
}

TEST_F(Nat, PortsNeedNotBePreserved) {
  nat.settings().preserves_ports = false;
  EXPECT_NE(out(laptop, server)->port, 4500);
}

TEST_F(Nat, MappingsDependOnWhatTheKindSays) {
  struct Case {
    NatBehaviour mapping;
    bool port_changes_it;
    bool address_changes_it;
  };
  for (const Case& one : {Case{NatBehaviour::EndpointIndependent, false, false},
                          Case{NatBehaviour::AddressDependent, false, true},
                          Case{NatBehaviour::AddressAndPortDependent, true, true}}) {
    nat = SimNat{outside, {.mapping = one.mapping}, 1};
    const auto first = out(laptop, server);
    EXPECT_EQ(out(laptop, other_port) != first, one.port_changes_it);
    EXPECT_EQ(out(laptop, other_host) != first, one.address_changes_it);
    EXPECT_EQ(out(laptop, server), first);
  }
}

TEST_F(Nat, WhoComesInDependsOnWhatTheKindSays) {
  struct Case {
    NatBehaviour filtering;
    bool other_port_comes_in;
    bool other_host_comes_in;
  };
  for (const Case& one : {Case{NatBehaviour::EndpointIndependent, true, true},
                          Case{NatBehaviour::AddressDependent, true, false},
                          Case{NatBehaviour::AddressAndPortDependent, false, false}}) {
    nat = SimNat{outside, {.filtering = one.filtering}, 1};
    const auto seen = out(laptop, server);
    EXPECT_EQ(in(server, *seen), laptop);
    EXPECT_EQ(in(other_port, *seen).has_value(), one.other_port_comes_in);
    EXPECT_EQ(in(other_host, *seen).has_value(), one.other_host_comes_in);
  }
}

// RFC 4787 REQ-6: what comes from inside refreshes a mapping; what comes in need not.
TEST_F(Nat, AMappingIsForgotten) {
  nat.settings().timeout = 30s;
  const auto seen = out(laptop, server);
  now += 20s;
  EXPECT_EQ(out(laptop, server), seen);
  now += 20s;
  EXPECT_EQ(in(server, *seen), laptop);
  now += 20s;
  EXPECT_EQ(in(server, *seen), std::nullopt);
  EXPECT_EQ(nat.mappings(), 0u);
}

TEST_F(Nat, RebindingGivesOtherPorts) {
  const auto before = out(laptop, server);
  nat.rebind();
  EXPECT_EQ(in(server, *before), std::nullopt);
  const auto after = out(laptop, server);
  EXPECT_NE(after->port, before->port);
  EXPECT_EQ(after->address, outside);
  nat.rebind(*IpAddress::parse("198.51.100.2"));
  EXPECT_EQ(out(laptop, server)->address, *IpAddress::parse("198.51.100.2"));
}

TEST_F(Nat, HairpinsOnlyIfItDoes) {
  nat.settings().filtering = NatBehaviour::EndpointIndependent;
  const auto phone_outside = out(phone, server);
  const auto call = [&] {
    return nat.outbound(make_udp(laptop, *phone_outside, ByteString(20, 7)), now);
  };
  EXPECT_FALSE(call());
  nat.settings().hairpins = true;
  const auto inside = call();
  ASSERT_TRUE(inside);
  EXPECT_EQ(destination_of(*inside), phone);
  EXPECT_EQ(source_of(*inside).address, outside);  // RFC 4787 REQ-9: external source
}

Packet esp_packet(const IpAddress& from, const IpAddress& to) {
  Packet packet = make_udp({from, 1}, {to, 2}, ByteString(40, 7));
  packet.bytes()[9] = 50;  // protocol; the checksum follows
  packet.bytes()[11] = static_cast<std::uint8_t>(packet.bytes()[11] - (50 - 17));
  return packet;
}

TEST_F(Nat, EspPassesOnlyWhereItIsAllowedAndForOneHost) {
  ASSERT_TRUE(IpDatagram::parse(esp_packet(laptop.address, server.address).bytes()));
  EXPECT_FALSE(nat.outbound(esp_packet(laptop.address, server.address), now));
  nat.settings().passes_esp = true;
  const auto sent = nat.outbound(esp_packet(laptop.address, server.address), now);
  ASSERT_TRUE(sent);
  EXPECT_EQ(IpDatagram::parse(sent->bytes())->source, outside);
  const auto answer = nat.inbound(esp_packet(server.address, outside), now);
  ASSERT_TRUE(answer);
  EXPECT_EQ(IpDatagram::parse(answer->bytes())->destination, laptop.address);
}

TEST_F(Nat, TunnelledPacketsDoNotPass) {
  Packet packet = make_udp(laptop, server, ByteString(20, 7));
  wrap(packet, laptop.address, server.address);
  EXPECT_FALSE(nat.outbound(std::move(packet), now));
}

}  // namespace
}  // namespace godwit::sim
