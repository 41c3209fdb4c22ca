// NAT detection, the change to port 4500 and what follows from it (RFC 7296 section 2.23).
#include <gmock/gmock.h>

#include "ipsec/ike/nat_detection.hpp"
#include "tests/ipsec/ike/ike_fixture.hpp"
#include "tests/ipsec/ike/raw_initiator.hpp"

namespace godwit::ike {
namespace {

constexpr std::string_view public_a = "198.51.100.77";
constexpr std::string_view public_b = "198.51.100.88";

// Translates the address and every port of one host: endpoint-independent, and another mapping
// when the test says so.
struct NatBox {
  std::size_t host;
  IpAddress inside;
  IpAddress outside;
  std::uint16_t shift = 20000;

  void operator()(InFlight& datagram) const {
    Endpoint& end = datagram.to == host ? datagram.path.local : datagram.path.remote;
    if (datagram.to == host) {
      end = {inside, static_cast<std::uint16_t>(end.port - shift)};
    } else {
      end = {outside, static_cast<std::uint16_t>(end.port + shift)};
    }
  }
};

NatBox nat_of_a() { return {0, address(IkeWire::address_a), address(public_a)}; }

// B with a forwarded pair of ports: A calls its public address, and no port changes.
NatBox nat_of_b() { return {1, address(IkeWire::address_b), address(public_b), 0}; }

IkeConfig plain(NatTraversal nat_traversal = NatTraversal::Auto) {
  IkeConfig config;
  config.mobility.reset();
  config.nat_traversal = nat_traversal;
  return config;
}

IkeConfig with(NatTraversal nat_traversal) {
  IkeConfig config;
  config.nat_traversal = nat_traversal;
  return config;
}

IkeWire wire_with(const IkeConfig& a, const IkeConfig& b) {
  return IkeWire{1, peer("b.example", key_of(2)), peer("a.example", key_of(1)), a, b};
}

// RFC 7296 section 2.23: SHA-1 over SPIs, address and port. Computed with Python's hashlib.
TEST(NatDetection, HashesWhatTheRfcSays) {
  const IkeSpi initiator{0x1122334455667788};
  const IkeSpi responder{0x99aabbccddeeff00};
  EXPECT_EQ(to_hex(nat_hash(initiator, responder, {address("192.0.2.7"), 500})),
            "f87250f17534be8d8e84cf5202d55f6deec729d0");
  EXPECT_EQ(to_hex(nat_hash(initiator, {}, {address("2001:db8::7"), 4500})),
            "a61d1f7f794c54524d34d2dfef7772444918a3d5");
}

TEST(NatDetection, AnySourceMayMatchAndAGarbledHashNever) {
  const IkeHeader header{.initiator_spi = {1}, .responder_spi = {2}};
  const Path there = path_between("192.0.2.7", "203.0.113.5");
  const Path here = seen_from_there(there);
  NatNotifies notifies = NatNotifies::of(header, there);
  EXPECT_EQ(notifies.compare(header, here), (Nat{}));
  notifies.sources.insert(notifies.sources.begin(), NatHash{});
  EXPECT_EQ(notifies.compare(header, here), (Nat{}));

  NatNotifies garbled;
  EXPECT_FALSE(garbled.take({ProtocolId::None, {}, NotifyType::Cookie, {1}}));
  EXPECT_TRUE(garbled.take({ProtocolId::None, {}, NotifyType::NatDetectionSourceIp, {1, 2}}));
  EXPECT_FALSE(garbled.complete());
  EXPECT_TRUE(
      garbled.take({ProtocolId::None, {}, NotifyType::NatDetectionDestinationIp, ByteString(40)}));
  EXPECT_TRUE(garbled.complete());
  EXPECT_EQ(garbled.compare(header, here), (Nat{.here = true, .there = true}));
}

TEST(NatTraversal, WithoutANatEverythingStaysOnPort500) {
  IkeWire wire;
  wire.establish();
  EXPECT_EQ(wire.ike_a().path_of(the_other), IkeWire::path_of(0));
  EXPECT_EQ(wire.ike_b().path_of(the_other), IkeWire::path_of(1));
  EXPECT_EQ(wire.ike_a().nat_of(the_other), (Nat{}));
  expect_one_pair(wire);
}

// B2: A behind a NAT.
TEST(NatTraversal, TheInitiatorBehindANatGoesToPort4500) {
  IkeWire wire;
  wire.translate = nat_of_a();
  wire.establish();
  Path a = IkeWire::path_of(0);
  a.local.port = a.remote.port = nat_traversal_port;
  a.encapsulation = Encapsulation::Udp;
  EXPECT_EQ(wire.ike_a().path_of(the_other), a);
  const Path b{{address(IkeWire::address_b), nat_traversal_port},
               {address(public_a), 24500},
               std::nullopt,
               Encapsulation::Udp};
  EXPECT_EQ(wire.ike_b().path_of(the_other), b);
  EXPECT_EQ(wire.ike_a().nat_of(the_other), (Nat{.here = true}));
  EXPECT_EQ(wire.ike_b().nat_of(the_other), (Nat{.there = true}));
  EXPECT_EQ(wire.a().authenticated.at(0).nat, (Nat{.here = true}));
  // IKE_SA_INIT is on port 500, all that follows on 4500.
  EXPECT_EQ(wire.sent.at(0).path.local.port, ike_port);
  for (std::size_t i = 2; i < wire.sent.size(); ++i) {
    const Path& path = wire.sent[i].path;
    EXPECT_EQ(path.local.port, nat_traversal_port) << i;
  }
  expect_one_pair(wire);
  expect_conversation(wire);
}

// B2: the responder behind a NAT that forwards its ports; and both behind one.
TEST(NatTraversal, TheResponderBehindANat) {
  for (const bool both : {false, true}) {
    SCOPED_TRACE(both);
    IkeWire wire;
    wire.translate = [&](InFlight& datagram) {
      if (both) nat_of_a()(datagram);
      nat_of_b()(datagram);
    };
    const Path path = path_between(IkeWire::address_a, public_b);
    ASSERT_TRUE(wire.ike_a().connect(the_other, path, EspSuite::Aes256Gcm16, wire.now));
    wire.run(1s);
    ASSERT_TRUE(wire.ike_a().is_established(the_other));
    ASSERT_TRUE(wire.ike_b().is_established(the_other));
    EXPECT_EQ(wire.ike_a().nat_of(the_other), (Nat{.here = both, .there = true}));
    EXPECT_EQ(wire.ike_b().nat_of(the_other), (Nat{.here = true, .there = both}));
    EXPECT_EQ(wire.ike_b().path_of(the_other)->encapsulation, Encapsulation::Udp);
    expect_one_pair(wire);
    expect_conversation(wire);
  }
}

// Either side may ask for it where no NAT is, and both then encapsulate.
TEST(NatTraversal, EncapsulationIsForcedByEitherSide) {
  for (const bool by_a : {true, false}) {
    SCOPED_TRACE(by_a);
    IkeWire wire = wire_with(with(by_a ? NatTraversal::Always : NatTraversal::Auto),
                             with(by_a ? NatTraversal::Auto : NatTraversal::Always));
    wire.establish();
    for (std::size_t host : {0u, 1u}) {
      Path path = IkeWire::path_of(host);
      path.local.port = path.remote.port = nat_traversal_port;
      path.encapsulation = Encapsulation::Udp;
      EXPECT_EQ(wire.hosts[host]->endpoint->path_of(the_other), path);
      EXPECT_FALSE(wire.hosts[host]->endpoint->nat_of(the_other)->here);
    }
    expect_one_pair(wire);
  }
}

TEST(NatTraversal, WhereItIsSwitchedOffNothingIsSaidOfIt) {
  for (const bool off_at_a : {true, false}) {
    IkeWire wire = wire_with(with(off_at_a ? NatTraversal::Never : NatTraversal::Always),
                             with(off_at_a ? NatTraversal::Always : NatTraversal::Never));
    wire.establish();
    EXPECT_EQ(wire.ike_a().path_of(the_other), IkeWire::path_of(0));
    EXPECT_EQ(wire.ike_b().path_of(the_other), IkeWire::path_of(1));
    const IkeHeader header = *IkeHeader::parse(wire.sent[1].bytes);
    const auto payloads =
        parse_payloads(header.next_payload, Bytes{wire.sent[1].bytes}.subspan(IkeHeader::length));
    EXPECT_FALSE(SaInit::parse(*payloads)->nat.complete());
  }
}

// RFC 7296 section 2.23: a peer without mobility is followed when the NAT gives it another port.
TEST(NatTraversal, APlainPeerBehindANatIsFollowed) {
  IkeWire wire = wire_with(plain(), plain());
  NatBox box = nat_of_a();
  wire.translate = [&](InFlight& datagram) { box(datagram); };
  wire.establish();
  box.shift = 30000;
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(1s);
  EXPECT_EQ(wire.a().answers.size(), 1u);
  ASSERT_EQ(wire.b().seen_elsewhere.size(), 1u);
  EXPECT_TRUE(wire.b().seen_elsewhere[0].followed);
  EXPECT_EQ(wire.ike_b().path_of(the_other)->remote, (Endpoint{address(public_a), 34500}));
}

// A peer that can move is answered where it asked from, and moves only when somebody says so.
TEST(NatTraversal, AMobilePeerIsNotMovedByItsMessages) {
  IkeWire wire;
  NatBox box = nat_of_a();
  wire.translate = [&](InFlight& datagram) { box(datagram); };
  wire.establish();
  const Path before = *wire.ike_b().path_of(the_other);
  box.shift = 30000;
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(1s);
  EXPECT_EQ(wire.a().answers.size(), 1u);
  EXPECT_EQ(wire.ike_b().path_of(the_other), before);
  ASSERT_EQ(wire.b().seen_elsewhere.size(), 1u);
  EXPECT_FALSE(wire.b().seen_elsewhere[0].followed);

  wire.ike_b().move_to(the_other, wire.b().seen_elsewhere[0].path);
  ASSERT_TRUE(wire.request(1, 2));
  wire.run(1s);
  EXPECT_EQ(wire.b().answers.size(), 1u);
}

// Who is behind a NAT itself is not led anywhere by a source address.
TEST(NatTraversal, BehindANatNobodyIsFollowed) {
  IkeWire wire = wire_with(plain(), plain());
  NatBox box = nat_of_a();
  wire.translate = [&](InFlight& datagram) {
    box(datagram);
    nat_of_b()(datagram);
  };
  ASSERT_TRUE(wire.ike_a().connect(the_other, path_between(IkeWire::address_a, public_b),
                                   EspSuite::Aes256Gcm16, wire.now));
  wire.run(1s);
  ASSERT_TRUE(wire.ike_b().is_established(the_other));
  const Path before = *wire.ike_b().path_of(the_other);
  box.shift = 30000;
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(1s);
  EXPECT_EQ(wire.ike_b().path_of(the_other), before);
}

// Attack 5: a message that was seen before comes from elsewhere.
TEST(NatTraversal, AReplayedMessageSaysNothingOfThePlace) {
  IkeWire wire = wire_with(plain(), plain());
  wire.translate = nat_of_a();
  wire.establish();
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(1s);
  const Path before = *wire.ike_b().path_of(the_other);
  InFlight replay = wire.sent.at(4);
  ASSERT_EQ(replay.to, 1u);
  replay.path.remote.address = address("198.51.100.66");
  wire.ike_b().handle_datagram(replay.path, replay.bytes, wire.now);
  EXPECT_EQ(wire.ike_b().path_of(the_other), before);
  EXPECT_TRUE(wire.b().seen_elsewhere.empty());
}

// Section 2.23.1: behind a NAT an address by which we do not know the peer will do, if it is one
// host's; a network is no host.
TEST(NatTraversal, SelectorsOfANetworkAreRefusedBehindANat) {
  RawInitiator raw;
  raw.path.remote.address = address(public_a);
  raw.init(NatNotifies{{NatHash{}}, NatHash{}});
  AuthContents contents = raw.auth();
  TrafficSelector network = TrafficSelector::host(address("10.0.0.0"));
  network.last = address("10.0.0.255");
  contents.initiator_selectors = {network};
  EXPECT_EQ(raw.ask_auth(contents).auth().error, NotifyType::TsUnacceptable);

  RawInitiator other;
  other.path.remote.address = address(public_a);
  other.init(NatNotifies{{NatHash{}}, NatHash{}});
  contents = other.auth();
  contents.initiator_selectors = {TrafficSelector::host(address("10.0.0.7"))};
  EXPECT_EQ(other.ask_auth(contents).auth().error, std::nullopt);
}

}  // namespace
}  // namespace godwit::ike
