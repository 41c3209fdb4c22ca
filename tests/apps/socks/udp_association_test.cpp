// UDP ASSOCIATE through the whole server, with a client of plain sockets.
#include <future>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <asio/connect.hpp>
#include <asio/read.hpp>

#include "apps/socks/socks_server.hpp"
#include "apps/socks/udp_association.hpp"
#include "tests/apps/socks/greeting_lines.hpp"
#include "tests/apps/socks/scripted_connector.hpp"

namespace godwit {
namespace {

using Tcp = asio::ip::tcp;
using Udp = asio::ip::udp;

class UdpAssociationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto open = server_.listen(Endpoint{IpAddress::v4({127, 0, 0, 1}), 0});
    ASSERT_TRUE(open) << open.problem();
    thread_ = std::thread{[this] { io_.run(); }};
  }
  void TearDown() override { finish(); }
  // Everything ends by itself: a flow that stayed would keep run() from returning.
  void finish() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      server_.stop_accepting();
      server_.end_sessions();
      connector_.stop();
    });
    thread_.join();
    EXPECT_EQ(server_.active(), 0u);
  }

  // The client's TCP connection with its association; where that listens goes to `proxy_`.
  Tcp::socket associate(std::uint16_t port = 0) {
    Tcp::socket control{client_io_};
    control.connect(to_asio<Tcp>(server_.endpoint()));
    ByteString request = hex("050100 05030001 00000000");
    request.push_back(static_cast<std::uint8_t>(port >> 8));
    request.push_back(static_cast<std::uint8_t>(port));
    asio::write(control, asio::buffer(request));
    ByteString answer(12);
    asio::read(control, asio::buffer(answer));
    EXPECT_EQ(to_hex(Bytes{answer}.first(10)), "0500050000017f000001");
    proxy_ = {asio::ip::address_v4::loopback(),
              static_cast<std::uint16_t>(answer[10] << 8 | answer[11])};
    return control;
  }
  void send(Udp::socket& socket, std::string_view octets) {
    socket.send_to(asio::buffer(hex(octets)), proxy_);
  }
  static std::string receive(Udp::socket& socket) {
    ByteString datagram(2000);
    Udp::endpoint from;
    datagram.resize(socket.receive_from(asio::buffer(datagram), from));
    return to_hex(datagram);
  }
  // The control connection is gone when its end has been answered.
  static void end(Tcp::socket& control) {
    control.shutdown(Tcp::socket::shutdown_send);
    std::array<char, 1> none;
    asio::error_code error;
    asio::read(control, asio::buffer(none), error);
    EXPECT_EQ(error, asio::error::eof);
  }

  asio::io_context io_;
  asio::io_context client_io_;
  ScriptedConnector connector_{io_};
  std::vector<std::string> log_;  // read when the thread is gone
  SocksServer server_{io_, connector_, [this](const std::string& line) { log_.push_back(line); }};
  std::thread thread_;
  Udp::endpoint proxy_;
  Udp::socket client_{client_io_, Udp::endpoint{asio::ip::address_v4::loopback(), 0}};
};

// RFC 1928 section 7: IPv4, IPv6 and names; answers say where they come from.
TEST_F(UdpAssociationTest, CarriesDatagramsBothWays) {
  Tcp::socket control = associate();
  send(client_, "0000 00 01 cb007105 0035 aabbcc");
  const std::string first = receive(client_);
  EXPECT_EQ(first.substr(0, 16), "000000017f000001");  // the echo's address
  EXPECT_EQ(first.substr(20), "aabbcc");
  send(client_, "0000 00 03 04 70656572 0035 01");
  EXPECT_EQ(receive(client_).substr(20), "01");
  send(client_, "0000 00 04 20010db8000000000000000000000005 0035");  // an empty datagram is one
  EXPECT_EQ(receive(client_).size(), 20u);
  send(client_, "0000 00 01 cb007105 0035 02");
  EXPECT_EQ(receive(client_).substr(20), "02");
  end(control);
  finish();
  EXPECT_EQ(connector_.asked, (std::vector<std::string>{"udp 203.0.113.5:53", "udp peer:53",
                                                        "udp [2001:db8::5]:53"}));
  EXPECT_TRUE(log_.empty()) << log_[0];
}

TEST_F(UdpAssociationTest, DropsAndCountsWhatIsNotItsClients) {
  Udp::socket stranger{client_io_, Udp::endpoint{asio::ip::address_v4::loopback(), 0}};
  Udp::socket other{client_io_, Udp::endpoint{asio::ip::make_address_v4("127.0.0.2"), 0}};
  Tcp::socket control = associate(client_.local_endpoint().port());
  send(stranger, "0000 00 01 cb007105 0035 ff");
  send(other, "0000 00 01 cb007105 0035 ff");
  send(client_, "0000 01 01 cb007105 0035 ff");  // a fragment
  send(client_, "0000 00");
  send(client_, "0000 00 01 cb007105 0002 ff");  // refused by the connector
  send(client_, "0000 00 01 cb007105 0035 aa");
  EXPECT_EQ(receive(client_).substr(20), "aa");
  end(control);
  finish();
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], ::testing::HasSubstr(" to UDP: 1 datagrams there and 1 back; dropped: 1 "
                                            "fragments, 2 from strangers, 1 malformed, 1 refused"));
}

TEST_F(UdpAssociationTest, EndsWithItsConnection) {
  Tcp::socket control = associate();
  send(client_, "0000 00 01 cb007105 0035 aa");
  EXPECT_EQ(receive(client_).substr(20), "aa");
  end(control);
  // The port is free again: nobody listens there.
  Udp::socket next{client_io_, proxy_};
  EXPECT_EQ(next.local_endpoint(), proxy_);
}

TEST_F(UdpAssociationTest, TheOldestFlowMakesRoom) {
  Tcp::socket control = associate();
  for (std::size_t port = 100; port < 100 + UdpAssociation::most_flows + 20; ++port) {
    const auto low = static_cast<std::uint8_t>(port);
    send(client_, "0000 00 01 cb007105 00" + to_hex({&low, 1}) + "aa");
    EXPECT_EQ(receive(client_).substr(20), "aa");
  }
  end(control);
}

}  // namespace
}  // namespace godwit
