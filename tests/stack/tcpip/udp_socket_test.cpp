#include "stack/tcpip/udp_socket.hpp"

#include <gtest/gtest.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text_of(UdpSocket& socket, std::optional<UdpSocket::Received>* received = nullptr) {
  ByteString buffer(2000);
  const auto got = socket.receive_from(buffer);
  if (received != nullptr) *received = got;
  if (!got) return "(nothing)";
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got->size)};
}

TEST(UdpSocket, AsksAndAnswers) {
  TwoHosts hosts;
  auto server = std::move(*UdpSocket::bind(hosts.b, std::nullopt, 53));
  auto client = std::move(*UdpSocket::connect(hosts.a, hosts.a_address, {hosts.b_address, 53}));
  unsigned told = 0;
  server->set_handler([&] { ++told; });
  EXPECT_TRUE(client->send(bytes("question")));
  hosts.run_for(50ms);
  EXPECT_EQ(told, 1u);
  std::optional<UdpSocket::Received> received;
  EXPECT_EQ(text_of(*server, &received), "question");
  EXPECT_EQ(received->from, client->local());
  EXPECT_EQ(received->to, hosts.b_address);
  EXPECT_TRUE(server->send_to(bytes("answer"), received->from));
  EXPECT_TRUE(server->send_to({}, received->from));
  hosts.run_for(50ms);
  EXPECT_EQ(text_of(*client), "answer");
  EXPECT_EQ(text_of(*client), "");
  EXPECT_EQ(text_of(*client), "(nothing)");
}

TEST(UdpSocket, NamesWhatIsWrong) {
  TwoHosts hosts;
  const auto first = UdpSocket::bind(hosts.a, hosts.a_address, 53);
  ASSERT_TRUE(first);
  EXPECT_EQ(UdpSocket::bind(hosts.a, hosts.a_address, 53).error().code, Errc::Busy);
  EXPECT_EQ(UdpSocket::bind(hosts.a, hosts.b_address, 53).error().code, Errc::NotFound);
  EXPECT_EQ((*first)->send(bytes("x")).error().code, Errc::BadState);
  const Endpoint to{hosts.b_address, 53};
  EXPECT_TRUE((*first)->send_to(ByteString(1466 - 28), to));
  EXPECT_EQ((*first)->send_to(ByteString(1466 - 27), to).error().code, Errc::Exhausted);
  EXPECT_EQ((*first)->send_to(bytes("x"), {address("2001:db8::1"), 53}).error().code,
            Errc::NotFound);
}

TEST(UdpSocket, CutsWhatDoesNotFitTheBuffer) {
  TwoHosts hosts;
  auto server = std::move(*UdpSocket::bind(hosts.b, std::nullopt, 53));
  auto client = std::move(*UdpSocket::connect(hosts.a, hosts.a_address, {hosts.b_address, 53}));
  ASSERT_TRUE(client->send(bytes("longer than that")));
  hosts.run_for(50ms);
  ByteString buffer(6);
  const auto received = server->receive_from(buffer);
  EXPECT_EQ(received->size, 16u);
  EXPECT_EQ(std::string(buffer.begin(), buffer.end()), "longer");
}

TEST(UdpSocket, BoundsWhatWaits) {
  TwoHosts hosts;
  auto server = std::move(*UdpSocket::bind(hosts.b, std::nullopt, 53));
  auto client = std::move(*UdpSocket::connect(hosts.a, hosts.a_address, {hosts.b_address, 53}));
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(client->send(bytes("x")));
  hosts.run_for(50ms);
  EXPECT_EQ(server->dropped(), 300u - 256u);
}

// A connected socket moves with its peer (S9); an unconnected one has no flow and stays.
TEST(UdpSocket, ConnectedSocketsMove) {
  TwoHosts hosts;
  const PeerId peer{1};
  const IpAddress second = address("198.51.100.9");
  ASSERT_TRUE(hosts.a.add_address(second, TwoHosts::mtu));
  auto server = std::move(*UdpSocket::bind(hosts.b, std::nullopt, 53));
  auto client = std::move(*UdpSocket::connect(hosts.a, hosts.a_address, {hosts.b_address, 53}));
  const FiveTuple flow{IpProtocol::Udp, client->local(), *client->remote()};
  EXPECT_TRUE(hosts.a.connections().own(flow, peer));
  EXPECT_EQ(hosts.a.connections().rewrite(peer, {Side::Local, hosts.a_address, second}).connections,
            1u);
  hosts.a.connections().retransmit_now(peer);
  hosts.a.remove_address(hosts.a_address);
  ASSERT_TRUE(client->send(bytes("from elsewhere")));
  hosts.run_for(50ms);
  std::optional<UdpSocket::Received> received;
  EXPECT_EQ(text_of(*server, &received), "from elsewhere");
  EXPECT_EQ(received->from.address, second);
  ASSERT_TRUE(server->send_to(bytes("welcome"), received->from));
  hosts.run_for(50ms);
  EXPECT_EQ(text_of(*client), "welcome");
  EXPECT_EQ(hosts.a.connections().list().at(0).state, "CONNECTED");
  client.reset();
  EXPECT_EQ(hosts.a.connections().poll_closed()->flow.local.address, second);
  EXPECT_EQ(hosts.a.connections().size(), 0u);
}

}  // namespace
}  // namespace godwit
