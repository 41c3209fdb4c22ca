// Kernels before 6.17 let IPv6 packets through for the whole host or not at all. What that switch
// does besides must not happen: default routes learnt from a router stay, and no interface
// becomes a router's.
#include "stack/io/family_routing.hpp"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/wire/udp.hpp"
#include "tests/stack/io/lab.hpp"

namespace godwit::test {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }
const IpAddress near6 = address("2001:db8:1::7");
const IpAddress far6 = address("2001:db8:2::9");

// IPv6 only, with the switch for the whole host.
struct OldHost {
  explicit OldHost(const Namespace& where) : host{where, Host::Addresses::Kept} {
    where.in([&] {
      netlink = std::move(*NetlinkSocket::open());
      routing = std::make_unique<FamilyRouting>(
          *netlink, IpFamily::V6, "godwit0", host.link->interface(), Forwarding::Grain::WholeHost);
      const Status status = routing->install(host.monitor->links());
      ASSERT_TRUE(status) << status.error().what;
      for (const HostAddress& one : host.monitor->addresses()) {
        if (one.prefix.address.is_v4()) continue;
        ASSERT_TRUE(routing->lend(one.interface, one.prefix.address));
      }
    });
  }
  ~OldHost() {
    host.where.in([&] { routing.reset(); });
  }
  Host host;
  std::unique_ptr<NetlinkSocket> netlink;
  std::unique_ptr<FamilyRouting> routing;
};

void advertise(const Namespace& router, const std::string& device) {
  router.run(
      "python3 -c \"import socket\ns=socket.socket(10,3,58)\n"
      "s.setsockopt(41,18,255)\ns.setsockopt(41,17,socket.if_nametoindex('" +
      device + "'))\ns.sendto(bytes([134,0,0,0,64,0,7,8]+[0]*8),('ff02::1',0))\"");
}

TEST(FamilyRouting, OpensTheGateOfTheWholeHostAndNothingElse) {
  Lab lab;
  lab.near.run("ip -6 route del default");
  advertise(lab.router, "near0");
  const std::string learnt = lab.near.run("ip -6 route show default");
  EXPECT_NE(learnt.find("proto ra"), std::string::npos) << learnt;
  const std::string switches =
      "sysctl -a 2>/dev/null | grep -e 'net.ipv6.conf.[^a].*forwarding =' -e 'accept_ra ='";
  const std::string before = lab.near.run(switches);
  const std::string routing_before = routing_of(lab.near);
  {
    OldHost near{lab.near};
    OldHost far{lab.far};
    EXPECT_EQ(lab.near.run("sysctl -n net.ipv6.conf.all.forwarding"), "1\n");
    EXPECT_EQ(lab.near.run(switches + " | grep -v godwit0"), before);
    EXPECT_NE(lab.near.run("ip -6 route show default").find("proto ra"), std::string::npos);
    near.host.send(make_udp({near6, 500}, {far6, 500}, ByteString(9, 'i')).bytes());
    EXPECT_EQ(far.host.receive().size(), 1u);
    far.host.send(make_udp({far6, 500}, {near6, 500}, ByteString(9, 'i')).bytes());
    EXPECT_EQ(near.host.receive().size(), 1u);
    // It still listens to routers.
    advertise(lab.router, "near0");
    EXPECT_NE(lab.near.run("ip -6 route show default").find("proto ra"), std::string::npos);
  }
  EXPECT_EQ(lab.near.run(switches), before);
  EXPECT_EQ(lab.near.run("sysctl -n net.ipv6.conf.all.forwarding"), "0\n");
  EXPECT_NE(lab.near.run("ip -6 route show default").find("proto ra"), std::string::npos);
}

TEST(FamilyRouting, MakesNoRouterOfTheWholeHost) {
  Lab lab;
  Namespace guest;
  Lab::connect(lab.near, "lan0", guest, "eth0");
  lab.near.run("ip addr add 2001:db8:3::1/64 dev lan0 nodad");
  guest.run(
      "ip addr add 2001:db8:3::5/64 dev eth0 nodad; ip -6 route add default via 2001:db8:3::1");
  lab.router.run("ip -6 route add 2001:db8:3::/64 via 2001:db8:1::7");
  OldHost near{lab.near};
  guest.run("! ping -c1 -W1 2001:db8:2::9");
  lab.router.run("! ping -c1 -W1 2001:db8:3::5");
  // It is the guards that keep strangers out.
  lab.near.run("ip -6 rule del pref 51 iif lan0; ip -6 rule del pref 51 iif eth0");
  guest.run("ping -c1 -W1 2001:db8:2::9");
}

TEST(FamilyRouting, ClosesTheGateThatAKilledProcessLeftOpen) {
  Lab lab;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto* host = new OldHost{lab.near};
    const char done = host->routing ? 'y' : 'n';
    (void)!::write(ready[1], &done, 1);
    ::pause();
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(lab.near.run("sysctl -n net.ipv6.conf.all.forwarding"), "1\n");
  { OldHost near{lab.near}; }
  EXPECT_EQ(lab.near.run("sysctl -n net.ipv6.conf.all.forwarding"), "0\n");
  EXPECT_EQ(lab.near.run("ip -6 rule"),
            "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n");
}

}  // namespace
}  // namespace godwit::test
