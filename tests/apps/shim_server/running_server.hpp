// The shim's server and the services that programs of a test connect to, all in one thread beside
// the test.
#pragma once

#include <array>
#include <cstdio>
#include <future>
#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "apps/node/address.hpp"
#include "apps/shim_server/host_port.hpp"
#include "apps/shim_server/node_shim_connector.hpp"
#include "apps/shim_server/shim_server.hpp"
#include "tests/support/temporary_folder.hpp"

namespace godwit::shim {

// Remembers how TCP was to carry it.
class WatchedChannel final : public ByteChannel {
 public:
  WatchedChannel(std::unique_ptr<ByteChannel> channel, std::vector<ChannelOptions>& options)
      : channel_{std::move(channel)}, options_{options} {}
  std::size_t read_some(MutableBytes out, asio::error_code& error) override {
    return channel_->read_some(out, error);
  }
  std::size_t write_some(Bytes bytes, asio::error_code& error) override {
    return channel_->write_some(bytes, error);
  }
  asio::awaitable<asio::error_code> wait(Wait what) override {
    co_return co_await channel_->wait(what);
  }
  void shutdown_write() override { channel_->shutdown_write(); }
  void abort() override { channel_->abort(); }
  void set_options(const ChannelOptions& options) override {
    channel_->set_options(options);
    options_.push_back(options);
  }
  std::size_t segment_size() const override { return channel_->segment_size(); }

 private:
  std::unique_ptr<ByteChannel> channel_;
  std::vector<ChannelOptions>& options_;
};

// Everything is a service of this host, but for what a test says otherwise.
class HostConnector final : public ShimConnector {
 public:
  explicit HostConnector(asio::any_io_executor executor) : executor_{std::move(executor)} {}
  asio::error_code refusal(const Endpoint& remote, Transport) override {
    const auto found = refused.find(from_asio(to_asio(remote.address)));
    return found != refused.end() ? found->second : asio::error_code{};
  }
  asio::awaitable<ConnectResult> connect(Endpoint remote) override {
    remote.address = from_asio(to_asio(remote.address));
    auto result = co_await connect_from_host(executor_, remote);
    if (auto* connection = std::get_if<Connection>(&result)) {
      connection->channel =
          std::make_unique<WatchedChannel>(std::move(connection->channel), options);
    }
    co_return result;
  }
  ListenResult listen(const Endpoint& local) override {
    if (local.address.is_unspecified())
      return listen_at_host(executor_, {IpAddress::v4({127, 0, 0, 1}), local.port});
    return listen_at_host(executor_, local);
  }
  PortResult open_port(const Endpoint& local, Deliver deliver) override {
    const Judge judge = [this](const Endpoint& remote) {
      return refusal(remote, Transport::Datagram);
    };
    return open_host_port(executor_, local, judge, std::move(deliver));
  }
  std::uint16_t free_port(const IpAddress&) override {
    return free_port_of_host(executor_, IpAddress::v4({127, 0, 0, 1}));
  }
  asio::awaitable<std::vector<IpAddress>> find_addresses(std::string name) override {
    const auto found = names.find(name);
    co_return found != names.end() ? found->second : std::vector<IpAddress>{};
  }
  std::string name_of(const IpAddress& address) override {
    for (const auto& [name, addresses] : names) {
      if (addresses.front() == address) return name;
    }
    return {};
  }
  bool is_own(const IpAddress& address) override {
    return from_asio(to_asio(address)).is_loopback();
  }

  Congestion usual_congestion() const override { return Congestion::Bbr; }

  std::vector<ChannelOptions> options;
  std::map<IpAddress, asio::error_code> refused;
  std::map<std::string, std::vector<IpAddress>> names;

 private:
  asio::any_io_executor executor_;
};

// Services of TCP at loopback, and two of UDP that send back what they get.
class Services {
 public:
  using Tcp = asio::ip::tcp;
  using Udp = asio::ip::udp;
  explicit Services(asio::io_context& io)
      : echo_{io, any()},
        reset_{io, any()},
        hello_{io, any()},
        closed_{io, any()},
        udp_echo_{{Udp::socket{io, any_udp()}, Udp::socket{io, any_udp()}}} {
    for (std::size_t i = 0; i < udp_echo_.size(); ++i) {
      asio::co_spawn(io, echo_datagrams(udp_echo_[i], echoed_[i]),
                     [](const std::exception_ptr&) {});
    }
    closed_port = closed_.local_endpoint().port();
    closed_.close();  // nobody else takes a port that was given away a moment ago
    start(echo_, [](Tcp::socket socket) { return echo(std::move(socket)); });
    start(reset_, [](Tcp::socket socket) { return reset(std::move(socket)); });
    start(hello_, [](Tcp::socket socket) { return hello(std::move(socket)); });
  }
  void stop() {
    echo_.close();
    reset_.close();
    hello_.close();
    for (Udp::socket& socket : udp_echo_) socket.close();
  }
  std::uint16_t udp_echo_port(std::size_t which = 0) const {
    return udp_echo_[which].local_endpoint().port();
  }
  std::size_t echoed(std::size_t which) const { return echoed_[which]; }
  std::uint16_t echo_port() const { return echo_.local_endpoint().port(); }
  std::uint16_t reset_port() const { return reset_.local_endpoint().port(); }  // after three octets
  std::uint16_t hello_port() const {
    return hello_.local_endpoint().port();
  }  // "hello", and the end
  std::uint16_t closed_port = 0;

 private:
  static Tcp::endpoint any() { return {asio::ip::address_v4::loopback(), 0}; }
  static Udp::endpoint any_udp() { return {asio::ip::address_v4::loopback(), 0}; }
  static asio::awaitable<void> echo_datagrams(Udp::socket& socket, std::size_t& echoed) {
    std::vector<char> block(65536);
    for (;;) {
      Udp::endpoint from;
      const std::size_t count =
          co_await socket.async_receive_from(asio::buffer(block), from, asio::use_awaitable);
      asio::error_code ignored;
      socket.send_to(asio::buffer(block, count), from, 0, ignored);
      ++echoed;
    }
  }
  template <class Serve>
  static void start(Tcp::acceptor& acceptor, Serve serve) {
    asio::co_spawn(
        acceptor.get_executor(),
        [&acceptor, serve]() -> asio::awaitable<void> {
          for (;;) {
            asio::error_code error;
            auto socket =
                co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
            if (error) co_return;
            asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)),
                           [](const std::exception_ptr&) {});
          }
        },
        asio::detached);
  }
  static asio::awaitable<void> echo(Tcp::socket socket) {
    std::array<char, 65536> block;
    for (;;) {
      asio::error_code error;
      const std::size_t count = co_await socket.async_read_some(
          asio::buffer(block), asio::redirect_error(asio::use_awaitable, error));
      if (error) break;
      co_await asio::async_write(socket, asio::buffer(block, count), asio::use_awaitable);
    }
    socket.shutdown(Tcp::socket::shutdown_send);
  }
  static asio::awaitable<void> reset(Tcp::socket socket) {
    std::array<char, 3> block;
    co_await socket.async_read_some(asio::buffer(block), asio::use_awaitable);
    socket.set_option(asio::socket_base::linger{true, 0});
  }
  static asio::awaitable<void> hello(Tcp::socket socket) {
    const std::string text = "hello";
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
    socket.shutdown(Tcp::socket::shutdown_send);
    std::array<char, 64> block;
    asio::error_code error;
    while (!error) {
      co_await socket.async_read_some(asio::buffer(block),
                                      asio::redirect_error(asio::use_awaitable, error));
    }
  }

  Tcp::acceptor echo_;
  Tcp::acceptor reset_;
  Tcp::acceptor hello_;
  Tcp::acceptor closed_;
  std::array<Udp::socket, 2> udp_echo_;
  std::array<std::size_t, 2> echoed_{};
};

class RunningServer : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto open = server_.listen(path());
    ASSERT_TRUE(open) << open.problem();
    thread_ = std::thread{[this] { io_.run(); }};
  }
  void TearDown() override {
    asio::post(io_, [this] {
      server_.stop_accepting();
      server_.end_sessions();
      services_.stop();
    });
    // Everything ends by itself: a session that stayed would keep run() from returning.
    thread_.join();
    EXPECT_EQ(server_.active(), 0u);
  }
  std::string path() const { return folder_.file("shim.sock"); }

  // As a program that speaks the protocol itself.
  FileDescriptor connect_to_server() const {
    FileDescriptor connection{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(
        ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        0);
    return connection;
  }

  // What the script's calls returned, with the kernel's sockets or through the library.
  enum class Through { Kernel, Shim };
  std::string run(const std::string& script, Through through) {
    const std::string file = folder_.write("script", script);
    std::string command;
    if (through == Through::Shim) {
      if (may_listen_) command = "GODWIT_SHIM_SERVER=1 ";
      command += "GODWIT_SHIM_SOCKET=" + path() +
                 " GODWIT_SHIM_LIBRARY=" SHIM_LIBRARY " LD_PRELOAD=" SHIM_LIBRARY " ";
    }
    command += SOCKET_SCRIPT " < " + file + " 2>&1";
    std::string output;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> block;
    while (const std::size_t count = std::fread(block.data(), 1, block.size(), pipe)) {
      output.append(block.data(), count);
    }
    ::pclose(pipe);
    return output;
  }
  // The program sees no difference.
  void expect_same(const std::string& script) {
    const std::string kernel = run(script, Through::Kernel);
    EXPECT_EQ(run(script, Through::Shim), kernel);
  }
  // One value of the server's, as its own thread sees it.
  template <class Ask>
  auto ask(Ask ask) {
    std::promise<decltype(ask())> answer;
    asio::post(io_, [&] { answer.set_value(ask()); });
    return answer.get_future().get();
  }
  // Every socket of a program that has gone is forgotten, in a while.
  void expect_only_the_listener() {
    std::size_t active = 0;
    for (int turn = 0; turn < 1000 && active != 1; ++turn) {
      active = ask([this] { return server_.active(); });
    }
    EXPECT_EQ(active, 1u);
  }

  TemporaryFolder folder_;
  bool may_listen_ = true;
  asio::io_context io_;
  Services services_{io_};
  HostConnector connector_{io_.get_executor()};
  std::vector<std::string> log_;
  ShimServer server_{io_, connector_, [this](const std::string& line) { log_.push_back(line); }};
  std::thread thread_;
};

}  // namespace godwit::shim
