#include "apps/node/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const IpAddress old_address = *IpAddress::parse("192.0.2.7");
const IpAddress new_address = *IpAddress::parse("2001:db8::9");
const Instant at{81s + 234567us};
const FiveTuple flow{IpProtocol::Tcp, {old_address, 40000}, {*IpAddress::parse("203.0.113.5"), 80}};

std::string name_of(PeerId peer) { return peer.value == 0 ? "server" : "two words"; }

struct Case {
  EventDetail detail;
  const char* json;
  const char* line;
};

// B8: log, watch and timeline call the same thing by the same name.
TEST(Journal, NamesEveryEventInBothForms) {
  const Path path{{old_address, 500}, {*IpAddress::parse("203.0.113.5"), 500}, {}};
  const Case cases[] = {
      {AddressAppeared{old_address},
       R"({"event":"address_appeared","address":"192.0.2.7","at_ms":81234.567})",
       "address_appeared address=192.0.2.7 at_ms=81234.567"},
      {AddressDeprecatedEvent{old_address, new_address},
       R"({"event":"address_deprecated","from":"192.0.2.7","to":"2001:db8::9","at_ms":81234.567})",
       "address_deprecated from=192.0.2.7 to=2001:db8::9 at_ms=81234.567"},
      {AddressDeprecatedEvent{old_address, {}},
       R"({"event":"address_deprecated","from":"192.0.2.7","to":null,"at_ms":81234.567})",
       "address_deprecated from=192.0.2.7 to=null at_ms=81234.567"},
      {AddressGone{old_address},
       R"({"event":"address_gone","address":"192.0.2.7","at_ms":81234.567})",
       "address_gone address=192.0.2.7 at_ms=81234.567"},
      {PeerConnecting{{0}, path},
       R"({"event":"peer_connecting","peer":"server","local":"192.0.2.7","remote":"203.0.113.5","at_ms":81234.567})",
       "peer_connecting peer=server local=192.0.2.7 remote=203.0.113.5 at_ms=81234.567"},
      {PeerConnected{{0}, path, Spi{0xc0de0001}, Spi{256}},
       R"({"event":"peer_connected","peer":"server","local":"192.0.2.7","remote":"203.0.113.5","spi_in":"0xc0de0001","spi_out":"0x00000100","at_ms":81234.567})",
       "peer_connected peer=server local=192.0.2.7 remote=203.0.113.5 spi_in=0xc0de0001 "
       "spi_out=0x00000100 at_ms=81234.567"},
      {PeerFailed{{1}, "no \"answer\"\n"},
       R"({"event":"peer_failed","peer":"two words","reason":"no \"answer\"\n","at_ms":81234.567})",
       R"(peer_failed peer="two words" reason="no \"answer\"\n" at_ms=81234.567)"},
      {MoveAnnounced{{0}, old_address, new_address, 2},
       R"({"event":"move_announced","peer":"server","from":"192.0.2.7","to":"2001:db8::9","attempt":2,"at_ms":81234.567})",
       "move_announced peer=server from=192.0.2.7 to=2001:db8::9 attempt=2 at_ms=81234.567"},
      {PeerMigrated{{0}, {Side::Local, old_address, new_address}, 3, 21500us},
       R"({"event":"peer_migrated","peer":"server","side":"local","from":"192.0.2.7","to":"2001:db8::9","connections":3,"since_detected_ms":21.5,"at_ms":81234.567})",
       "peer_migrated peer=server side=local from=192.0.2.7 to=2001:db8::9 connections=3 "
       "since_detected_ms=21.5 at_ms=81234.567"},
      {FirstByteAfterMove{{0}, 22ms},
       R"({"event":"first_byte_after_move","peer":"server","since_detected_ms":22.0,"at_ms":81234.567})",
       "first_byte_after_move peer=server since_detected_ms=22.0 at_ms=81234.567"},
      {PeerObserved{{0}, {{old_address, 4500}, {new_address, 61000}, {}, Encapsulation::Udp}},
       R"({"event":"peer_observed","peer":"server","at":"[2001:db8::9]:61000","encapsulation":"udp","at_ms":81234.567})",
       "peer_observed peer=server at=[2001:db8::9]:61000 encapsulation=udp at_ms=81234.567"},
      {PeerLostEvent{{0}, "silent"},
       R"({"event":"peer_lost","peer":"server","reason":"silent","at_ms":81234.567})",
       "peer_lost peer=server reason=silent at_ms=81234.567"},
      {ProblemReported{"link", "down"},
       R"({"event":"problem","what":"link","reason":"down","at_ms":81234.567})",
       "problem what=link reason=down at_ms=81234.567"},
      {PeerFoundByName{{0}, *IpAddress::parse("203.0.113.5")},
       R"({"event":"peer_found_by_name","peer":"server","address":"203.0.113.5","at_ms":81234.567})",
       "peer_found_by_name peer=server address=203.0.113.5 at_ms=81234.567"},
      {PeerNotFoundByName{{0}, "silence"},
       R"({"event":"peer_not_found_by_name","peer":"server","reason":"silence","at_ms":81234.567})",
       "peer_not_found_by_name peer=server reason=silence at_ms=81234.567"},
      {NamePublished{"example.org", *IpAddress::parse("192.0.2.7")},
       R"({"event":"name_published","zone":"example.org","address":"192.0.2.7","at_ms":81234.567})",
       "name_published zone=example.org address=192.0.2.7 at_ms=81234.567"},
      {ConnectionOpened{{0}, flow},
       R"({"event":"connection_opened","peer":"server","protocol":"tcp","local":"192.0.2.7:40000","remote":"203.0.113.5:80","at_ms":81234.567})",
       "connection_opened peer=server protocol=tcp local=192.0.2.7:40000 remote=203.0.113.5:80 "
       "at_ms=81234.567"},
      {ConnectionClosedEvent{{0}, flow},
       R"({"event":"connection_closed","peer":"server","protocol":"tcp","local":"192.0.2.7:40000","remote":"203.0.113.5:80","at_ms":81234.567})",
       "connection_closed peer=server protocol=tcp local=192.0.2.7:40000 remote=203.0.113.5:80 "
       "at_ms=81234.567"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(event_json({at, c.detail}, name_of), c.json);
    EXPECT_EQ(event_line({at, c.detail}, name_of), c.line);
  }
}

NodeStatus some_status() {
  NodeStatus status;
  status.name = "laptop";
  status.uptime = 3723s;
  status.addresses = {{new_address, "PREFERRED", {}}, {old_address, "DEPRECATED", 90s}};
  PeerStatus peer;
  peer.name = "server";
  peer.state = "established";
  peer.can_move = true;
  peer.local = new_address;
  peer.inbound = Spi{0xc0de0001};
  peer.rtt = 20100us;
  peer.bytes_in = 1'500'000;
  peer.moves = 2;
  status.peers = {peer};
  ConnectionStatusRow row{flow, "server", "ESTABLISHED"};
  row.deprecated = true;
  row.moves = 1;
  row.longest_stall = 23ms;
  status.connections = {row};
  status.tunnels = {{"source 192.0.2.7 via 2001:db8::9"}};
  MoveStatus move{"server", Side::Local, old_address, new_address, "completed", at};
  move.deprecated = -300ms;
  move.announced = 1ms;
  move.acknowledged = 21ms;
  move.rewritten = 21ms;
  move.rtt = 20ms;
  move.attempts = 1;
  status.moves = {move};
  status.drops = {{"replayed", 4}};
  return status;
}

TEST(Journal, WritesTheStatusAsOneLineOfJson) {
  const std::string json = status_json(some_status());
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_EQ(json,
            R"({"name":"laptop","uptime_ms":3723000.0,)"
            R"("addresses":[{"address":"2001:db8::9","state":"PREFERRED","held_for_ms":null},)"
            R"({"address":"192.0.2.7","state":"DEPRECATED","held_for_ms":90000.0}],)"
            R"("peers":[{"peer":"server","state":"established","can_move":true,)"
            R"("local":"2001:db8::9","remote":null,"spi_in":"0xc0de0001","spi_out":null,)"
            R"("rtt_ms":20.1,"packets_in":0,"packets_out":0,"bytes_in":1500000,"bytes_out":0,)"
            R"("moves":2,"path_proven":true,"path_down":false}],)"
            R"("connections":[{"peer":"server","protocol":"tcp","local":"192.0.2.7:40000",)"
            R"("remote":"203.0.113.5:80","state":"ESTABLISHED","deprecated":true,"bytes_in":0,)"
            R"("bytes_out":0,"moves":1,"longest_stall_ms":23.0}],)"
            R"("tunnels":["source 192.0.2.7 via 2001:db8::9"],)"
            R"("moves":[{"peer":"server","side":"local","from":"192.0.2.7","to":"2001:db8::9",)"
            R"("state":"completed","at_ms":81234.567,"deprecated_ms":-300.0,)"
            R"("announced_ms":1.0,"acknowledged_ms":21.0,"rewritten_ms":21.0,)"
            R"("first_byte_in_ms":null,"first_byte_out_ms":null,"first_byte_ms":null,)"
            R"("proven_ms":null,"rtt_ms":20.0,"attempts":1}],)"
            R"("drops":{"replayed":4},"packets_received":0,"packets_sent":0})");
}

TEST(Journal, WritesTheStatusForPeople) {
  const std::string text = status_text(some_status());
  for (const char* part :
       {"laptop, up 1 h 2 min;", "  2001:db8::9  PREFERRED\n", "DEPRECATED  1 min 30 s",
        "server  established  2      2001:db8::9  -       20.1 ms  0xc0de0001  -        1.5 MB  0 "
        "B",
        "tcp 192.0.2.7:40000 > 203.0.113.5:80  server  ESTABLISHED, DEPRECATED", "23.0 ms",
        "source 192.0.2.7 via 2001:db8::9", "this host", "replayed  4"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  NodeStatus fresh;
  fresh.name = "new";
  EXPECT_EQ(status_text(fresh), "new, up 0 s; 0 packets in, 0 out");
}

}  // namespace
}  // namespace godwit
