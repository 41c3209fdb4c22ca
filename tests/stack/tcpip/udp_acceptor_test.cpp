#include "stack/tcpip/udp_acceptor.hpp"

#include <gtest/gtest.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text_of(UdpSocket& socket) {
  ByteString buffer(2000);
  const auto got = socket.receive_from(buffer);
  if (!got) return "(nothing)";
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got->size)};
}
std::unique_ptr<UdpSocket> client_of(TwoHosts& hosts, std::uint16_t port) {
  return std::move(*UdpSocket::connect(hosts.a, hosts.a_address, {hosts.b_address, port}));
}

TEST(UdpAcceptor, GivesEverySenderASocketOfItsOwn) {
  TwoHosts hosts;
  auto acceptor = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 53));
  unsigned told = 0;
  acceptor->set_handler([&] { ++told; });
  auto one = client_of(hosts, 53);
  auto two = client_of(hosts, 53);
  ASSERT_TRUE(one->send(bytes("one")));
  ASSERT_TRUE(one->send(bytes("more")));  // before anybody has accepted
  ASSERT_TRUE(two->send(bytes("two")));
  hosts.run_for(50ms);
  EXPECT_GE(told, 1u);
  auto first = acceptor->accept();
  auto second = acceptor->accept();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(acceptor->accept(), nullptr);
  EXPECT_EQ(first->local(), (Endpoint{hosts.b_address, 53}));
  EXPECT_EQ(first->remote(), one->local());
  EXPECT_EQ(text_of(*first), "one");
  EXPECT_EQ(text_of(*first), "more");
  EXPECT_EQ(text_of(*second), "two");
  ASSERT_TRUE(first->send(bytes("welcome")));
  ASSERT_TRUE(one->send(bytes("thanks")));
  hosts.run_for(50ms);
  EXPECT_EQ(text_of(*one), "welcome");
  EXPECT_EQ(text_of(*two), "(nothing)");
  EXPECT_EQ(text_of(*first), "thanks");
  EXPECT_EQ(hosts.b.connections().size(), 2u);
}

// What has ended begins anew with the next datagram.
TEST(UdpAcceptor, BeginsAgainAfterTheEnd) {
  TwoHosts hosts;
  auto acceptor = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 53));
  auto client = client_of(hosts, 53);
  for (const char* text : {"first", "second"}) {
    ASSERT_TRUE(client->send(bytes(text)));
    hosts.run_for(50ms);
    auto socket = acceptor->accept();
    ASSERT_TRUE(socket);
    EXPECT_EQ(text_of(*socket), text);
  }
  EXPECT_EQ(hosts.b.connections().size(), 0u);
}

// S9: the socket that was accepted goes on under its peer's new address.
TEST(UdpAcceptor, AcceptedSocketsMove) {
  TwoHosts hosts;
  const PeerId peer{1};
  const IpAddress second = address("198.51.100.9");
  ASSERT_TRUE(hosts.a.add_address(second, TwoHosts::mtu));
  auto acceptor = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 53));
  auto client = client_of(hosts, 53);
  ASSERT_TRUE(client->send(bytes("here")));
  hosts.run_for(50ms);
  auto socket = acceptor->accept();
  ASSERT_TRUE(socket);
  for (LwipStack* stack : {&hosts.a, &hosts.b}) {
    const bool near = stack == &hosts.a;
    const FiveTuple flow = near ? FiveTuple{IpProtocol::Udp, client->local(), *client->remote()}
                                : FiveTuple{IpProtocol::Udp, socket->local(), *socket->remote()};
    ASSERT_TRUE(stack->connections().own(flow, peer));
    const AddressRewrite change{near ? Side::Local : Side::Remote, hosts.a_address, second};
    EXPECT_EQ(stack->connections().rewrite(peer, change).connections, 1u);
    stack->connections().retransmit_now(peer);
  }
  ASSERT_TRUE(client->send(bytes("there")));
  ASSERT_TRUE(socket->send(bytes("still you")));
  hosts.run_for(50ms);
  EXPECT_EQ(acceptor->accept(), nullptr);
  EXPECT_EQ(text_of(*socket), "here");
  EXPECT_EQ(text_of(*socket), "there");
  EXPECT_EQ(text_of(*client), "still you");
}

TEST(UdpAcceptor, BoundsWhoWaits) {
  TwoHosts hosts;
  auto acceptor = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 53));
  std::vector<std::unique_ptr<UdpSocket>> clients;
  for (std::size_t i = 0; i < UdpAcceptor::most_waiting + 3; ++i) {
    clients.push_back(client_of(hosts, 53));
    ASSERT_TRUE(clients.back()->send(bytes("x")));
  }
  hosts.run_for(50ms);
  EXPECT_EQ(acceptor->dropped(), 3u);
  std::size_t accepted = 0;
  while (acceptor->accept()) ++accepted;
  EXPECT_EQ(accepted, UdpAcceptor::most_waiting);
}

TEST(UdpAcceptor, NamesWhatIsWrong) {
  TwoHosts hosts;
  const auto first = UdpAcceptor::listen(hosts.b, std::nullopt, 53);
  ASSERT_TRUE(first);
  EXPECT_EQ(UdpAcceptor::listen(hosts.b, std::nullopt, 53).error().code, Errc::Busy);
  EXPECT_EQ(UdpSocket::bind(hosts.b, std::nullopt, 53).error().code, Errc::Busy);
  EXPECT_EQ(UdpAcceptor::listen(hosts.b, hosts.a_address, 54).error().code, Errc::NotFound);
  const Endpoint nowhere{hosts.a_address, 0};
  EXPECT_EQ((*first)->connect(hosts.b_address, nowhere).error().code, Errc::Malformed);
  EXPECT_EQ((*first)->connect(hosts.a_address, nowhere).error().code, Errc::NotFound);
}

// S20: a socket that has several partners keeps its one port towards all of them.
TEST(UdpAcceptor, ConnectsFromItsPort) {
  TwoHosts hosts;
  auto acceptor = std::move(*UdpAcceptor::listen(hosts.a, std::nullopt, 0));
  ASSERT_NE(acceptor->port(), 0);
  auto one = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 53));
  auto two = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 54));
  const Endpoint first{hosts.b_address, 53}, second{hosts.b_address, 54};
  auto to_one = std::move(*acceptor->connect(hosts.a_address, first));
  auto to_two = std::move(*acceptor->connect(hosts.a_address, second));
  EXPECT_EQ(acceptor->connect(hosts.a_address, first).error().code, Errc::Busy);
  ASSERT_TRUE(to_one->send(bytes("one")));
  ASSERT_TRUE(to_two->send(bytes("two")));
  hosts.run_for(50ms);
  auto at_one = one->accept();
  auto at_two = two->accept();
  ASSERT_TRUE(at_one && at_two);
  EXPECT_EQ(*at_one->remote(), (Endpoint{hosts.a_address, acceptor->port()}));
  EXPECT_EQ(*at_two->remote(), (Endpoint{hosts.a_address, acceptor->port()}));
  ASSERT_TRUE(at_one->send(bytes("back")));
  hosts.run_for(50ms);
  EXPECT_EQ(text_of(*to_one), "back");
  EXPECT_EQ(acceptor->accept(), nullptr) << "an answer is no stranger's";
}

// A server that gives its port up for its first client opens the next one at the same port.
TEST(UdpAcceptor, LeavesItsPortToTheNext) {
  TwoHosts hosts;
  auto acceptor = std::move(*UdpAcceptor::listen(hosts.b, std::nullopt, 53));
  auto client = client_of(hosts, 53);
  ASSERT_TRUE(client->send(bytes("hello")));
  hosts.run_for(50ms);
  auto served = acceptor->accept();
  ASSERT_TRUE(served);
  acceptor.reset();
  auto next = UdpAcceptor::listen(hosts.b, std::nullopt, 53);
  ASSERT_TRUE(next);
  EXPECT_EQ(UdpAcceptor::listen(hosts.b, std::nullopt, 53).error().code, Errc::Busy);
  auto other = client_of(hosts, 53);
  ASSERT_TRUE(client->send(bytes("more")));
  ASSERT_TRUE(other->send(bytes("me too")));
  hosts.run_for(50ms);
  EXPECT_EQ(text_of(*served), "hello");
  EXPECT_EQ(text_of(*served), "more");
  auto second = (*next)->accept();
  ASSERT_TRUE(second);
  EXPECT_EQ(text_of(*second), "me too");
}

}  // namespace
}  // namespace godwit
