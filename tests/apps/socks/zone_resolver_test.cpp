#include "apps/socks/zone_resolver.hpp"

#include <array>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "apps/node/address.hpp"
#include "tests/support/dns_server.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using Tcp = asio::ip::tcp;
using Udp = asio::ip::udp;
using ::testing::ElementsAre;

// A name server on the loopback, by UDP and by TCP, and the way there.
class ServerOfNames final : public SocksConnector {
 public:
  explicit ServerOfNames(asio::io_context& io)
      : io_{io},
        udp_{io, Udp::endpoint{asio::ip::address_v4::loopback(), 0}},
        tcp_{io, Tcp::endpoint{asio::ip::address_v4::loopback(), udp_.local_endpoint().port()}} {
    asio::co_spawn(io, serve_udp(), [](const std::exception_ptr&) {});
    asio::co_spawn(io, serve_tcp(), [](const std::exception_ptr&) {});
  }
  void close() {
    udp_.close();
    tcp_.close();
  }
  Endpoint endpoint() const { return from_asio(udp_.local_endpoint()); }

  asio::awaitable<SocksResult> connect(SocksDestination destination, std::string) override {
    by_tcp.push_back(to_string(destination));
    Tcp::socket socket{io_};
    co_await socket.async_connect(tcp_.local_endpoint(), asio::use_awaitable);
    const Endpoint bound = from_asio(socket.local_endpoint());
    co_return SocksConnection{make_channel(std::move(socket)), bound};
  }
  asio::awaitable<AwaitResult> await_from(SocksDestination, std::string) override {
    co_return SocksFailure{SocksReply::CommandNotSupported, ""};
  }
  asio::awaitable<DatagramResult> open_datagrams(SocksDestination destination,
                                                 std::string) override {
    by_udp.push_back(to_string(destination));
    if (away) co_return SocksFailure{SocksReply::NetworkUnreachable, "away"};
    auto opened = open_host_flow(io_.get_executor(), endpoint());
    co_return std::move(std::get<std::unique_ptr<DatagramFlow>>(opened));
  }

  // By the question, as octets: name and type.
  std::map<ByteString, dns_test::Reply> replies;
  bool truncates = false;
  bool away = false;
  std::vector<std::string> by_udp;
  std::vector<std::string> by_tcp;

 private:
  ByteString answer_to(Bytes query, bool whole) {
    const auto found = replies.find(dns_test::question_of(query));
    dns_test::Reply reply;
    if (found == replies.end()) {
      reply.rcode = 3;
    } else if (truncates && !whole) {
      reply.truncated = true;
    } else {
      reply = found->second;
    }
    return dns_test::reply_to(query, reply);
  }
  asio::awaitable<void> serve_udp() {
    std::array<std::uint8_t, 2000> block;
    for (;;) {
      Udp::endpoint from;
      const std::size_t count =
          co_await udp_.async_receive_from(asio::buffer(block), from, asio::use_awaitable);
      const ByteString answer = answer_to(Bytes{block}.first(count), false);
      co_await udp_.async_send_to(asio::buffer(answer), from, asio::use_awaitable);
    }
  }
  asio::awaitable<void> serve_tcp() {
    for (;;) {
      Tcp::socket socket = co_await tcp_.async_accept(asio::use_awaitable);
      std::array<std::uint8_t, 2> length{};
      co_await asio::async_read(socket, asio::buffer(length), asio::use_awaitable);
      ByteString query(std::size_t{length[0]} << 8 | length[1]);
      co_await asio::async_read(socket, asio::buffer(query), asio::use_awaitable);
      ByteString answer;
      ByteWriter out{answer};
      const ByteString message = answer_to(query, true);
      out.write(static_cast<std::uint16_t>(message.size()));
      out.write(message);
      co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    }
  }

  asio::io_context& io_;
  Udp::socket udp_;
  Tcp::acceptor tcp_;
};

class ZoneResolverTest : public ::testing::Test {
 protected:
  std::vector<std::string> look_up(const std::string& name) {
    std::optional<std::vector<IpAddress>> found;
    asio::co_spawn(io_, resolver_.look_up(name),
                   [&found](const std::exception_ptr&, std::vector<IpAddress> addresses) {
                     found = std::move(addresses);
                   });
    while (!found && io_.run_one() > 0) {}
    std::vector<std::string> text;
    for (const IpAddress& address : found.value()) text.push_back(to_string(address));
    return text;
  }
  void knows(std::string_view name, std::string_view address) {
    const std::uint16_t type = dns_test::ip(address).is_v4() ? 1 : 28;
    auto& reply = server_.replies[dns_test::question(name, type)];
    reply.answers.push_back(dns_test::address(name, 60, address));
  }

  asio::io_context io_{1};
  SeededRng rng_{1};
  ServerOfNames server_{io_};
  ZoneResolver resolver_{io_.get_executor(),
                         server_,
                         rng_,
                         {{dns_test::name("corp.example"), {dns_test::endpoint("10.1.2.53:53")}}}};
};

TEST_F(ZoneResolverTest, AsksTheServersOfTheZone) {
  knows("www.corp.example", "192.0.2.7");
  knows("www.corp.example", "2001:db8::7");
  EXPECT_THAT(look_up("www.corp.example"), ElementsAre("2001:db8::7", "192.0.2.7"));
  EXPECT_THAT(server_.by_udp, ElementsAre("10.1.2.53:53", "10.1.2.53:53"));
  EXPECT_TRUE(look_up("nobody.corp.example").empty());
}

TEST_F(ZoneResolverTest, LeavesOtherNamesToOthers) {
  EXPECT_TRUE(resolver_.is_asked_for("corp.example"));
  EXPECT_TRUE(resolver_.is_asked_for("a.b.corp.example"));
  for (const char* name : {"example", "evilcorp.example", "corp.example.org", "a b", ""}) {
    EXPECT_FALSE(resolver_.is_asked_for(name)) << name;
  }
}

TEST_F(ZoneResolverTest, AsksByTcpForWhatIsTooLong) {
  knows("www.corp.example", "192.0.2.7");
  server_.truncates = true;
  EXPECT_THAT(look_up("www.corp.example"), ElementsAre("192.0.2.7"));
  EXPECT_THAT(server_.by_tcp, ElementsAre("10.1.2.53:53"));
}

TEST_F(ZoneResolverTest, EndsWhenNobodyCanBeAsked) {
  server_.away = true;
  EXPECT_TRUE(look_up("www.corp.example").empty());
}

}  // namespace
}  // namespace godwit
