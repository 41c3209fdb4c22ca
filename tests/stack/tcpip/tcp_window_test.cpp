// Windows that follow what a path needs, and memory that is promised only to who reads.
#include <gtest/gtest.h>

#include <vector>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mega = 1'000'000;
constexpr std::size_t mebi = 1 << 20;

void lay(TwoHosts& hosts, Duration one_way, std::uint64_t megabits) {
  for (Wire* wire : {&hosts.a_to_b, &hosts.b_to_a}) {
    wire->delay = one_way;
    wire->octets_per_second = megabits * mega / 8;
    wire->queue = wire->octets_per_second * 2 * static_cast<std::size_t>(one_way.count()) / mega;
  }
}

double megabits_in(TwoHosts& hosts, const Transfer& transfer, Duration time) {
  const std::uint64_t before = transfer.received();
  hosts.run_for(time);
  return static_cast<double>(transfer.received() - before) * 8 / static_cast<double>(time.count());
}

TEST(TcpWindow, ALongFatPathIsFilled) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    LwipConfig config = test_config();
    config.congestion = congestion;
    TwoHosts hosts{1, config};
    lay(hosts, 150ms, 300);
    Connection c{hosts};
    Transfer transfer{*c.client, *c.server, 10'000 * mega};
    hosts.run_for(10s);
    EXPECT_GT(megabits_in(hosts, transfer, 5s), 240.0) << to_string(congestion);
    EXPECT_EQ(transfer.wrong(), 0u);
  }
}

TEST(TcpWindow, WhoDoesNotReadIsPromisedAQuarterOfAMebibyte) {
  TwoHosts hosts;
  lay(hosts, 1ms, 1000);
  Connection c{hosts};
  const ByteString block(1 << 16);
  std::size_t written = 0;
  for (int i = 0; i < 2000; ++i) {
    written += c.client->write(block);
    hosts.run_for(1ms);
  }
  EXPECT_LE(c.server->readable(), mebi / 4);
  EXPECT_GE(c.server->readable(), mebi / 4 - 2000);
  EXPECT_LE(written, mebi);
}

// What all may have together is a bound: beyond it connections stay as they began, and what one
// that ends had is the others'.
TEST(TcpWindow, AllTogetherKeepToTheConfiguredMemory) {
  LwipConfig config = test_config();
  config.memory = 16 * mebi;
  TwoHosts hosts{1, config};
  lay(hosts, 100ms, 1000);
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (std::uint16_t port = 0; port < 12; ++port) {
    auto& c = connections.emplace_back(std::make_unique<Connection>(hosts, 8000 + port));
    transfers.push_back(std::make_unique<Transfer>(*c->client, *c->server, 100'000 * mega));
  }
  hosts.run_for(10s);
  // Nobody reads any more: what arrives then is what was promised.
  for (auto& c : connections) c->server->set_handler([] {});
  hosts.run_for(10s);
  std::size_t kept = 0, largest = 0;
  for (const auto& c : connections) {
    kept += c->server->readable();
    largest = std::max(largest, c->server->readable());
  }
  EXPECT_LE(kept, config.memory + connections.size() * (mebi / 4));
  EXPECT_GT(kept, config.memory / 2);
  EXPECT_LE(largest, config.memory / 8 + mebi / 4);
  transfers.clear();
  connections.clear();
  hosts.run_for(10min);  // TIME-WAIT and all
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 100'000 * mega};
  hosts.run_for(10s);
  c.server->set_handler([] {});
  hosts.run_for(10s);
  EXPECT_GT(c.server->readable(), mebi);
}

// A receiver that sends nothing measures nothing of the new path, and yet its window follows.
TEST(TcpWindow, FollowsAMoveToALongerPath) {
  TwoHosts hosts;
  lay(hosts, 1ms, 100);
  const IpAddress second = address("198.51.100.7");
  ASSERT_TRUE(hosts.a.add_address(second, TwoHosts::mtu));
  Connection c{hosts};
  hosts.a.connections().own(c.client_flow(), PeerId{1});
  hosts.b.connections().own(c.server_flow(), PeerId{2});
  Transfer down{*c.server, *c.client, 10'000 * mega};
  hosts.run_for(3s);
  const IpAddress first = c.client->local().address;
  hosts.cut();
  hosts.a.connections().rewrite(PeerId{1}, {Side::Local, first, second});
  hosts.b.connections().rewrite(PeerId{2}, {Side::Remote, first, second});
  lay(hosts, 150ms, 100);
  hosts.cut();
  hosts.a.connections().retransmit_now(PeerId{1});
  hosts.b.connections().retransmit_now(PeerId{2});
  hosts.run_for(10s);
  EXPECT_GT(megabits_in(hosts, down, 5s), 80.0);
  EXPECT_EQ(down.wrong(), 0u);
}

}  // namespace
}  // namespace godwit
