#include "apps/publish/publish_server.hpp"

#include <chrono>
#include <variant>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/node.hpp"
#include "apps/publish/admission.hpp"
#include "apps/publish/proxy_protocol.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

// While too many sessions run.
constexpr auto accept_pause = 50ms;

template <class Protocol>
asio::awaitable<std::variant<std::unique_ptr<ByteChannel>, asio::error_code>> reach(
    asio::io_context& io, typename Protocol::endpoint at) {
  typename Protocol::socket service{io};
  asio::error_code error;
  co_await service.async_connect(at, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return error;
  co_return make_channel(std::move(service));
}

asio::awaitable<std::variant<std::unique_ptr<ByteChannel>, asio::error_code>> reach(
    asio::io_context& io, const ServiceAddress& service) {
  if (const auto* path = std::get_if<UnixPath>(&service)) {
    return reach<asio::local::stream_protocol>(io, path->path);
  }
  return reach<asio::ip::tcp>(io, to_asio<asio::ip::tcp>(std::get<Endpoint>(service)));
}

}  // namespace

PublishServer::PublishServer(asio::io_context& io, Node& node, Log log)
    : io_{io}, node_{node}, log_{std::move(log)}, sessions_{io.get_executor()} {}

Outcome<Done> PublishServer::listen(const PublishConfig& entry) {
  const auto config = std::make_shared<const PublishConfig>(entry);
  for (std::uint16_t i = 0; i < entry.count; ++i) {
    const auto number = static_cast<std::uint16_t>(entry.port + i);
    auto open = entry.protocol == IpProtocol::Udp ? listen_at_udp(config, number)
                                                  : listen_at(config, number);
    if (!open) return open;
  }
  return Done{};
}

Outcome<Done> PublishServer::listen_at(std::shared_ptr<const PublishConfig> config,
                                       std::uint16_t number) {
  auto acceptor = node_.listen_tcp(number);
  if (!acceptor) {
    return Problem{"publish: cannot listen on port " + std::to_string(number) +
                   " of the stack: " + std::string{acceptor.error().what}};
  }
  ports_.push_back(std::make_shared<Port>(
      Port{std::move(config), number, TcpListener{io_.get_executor(), std::move(*acceptor)}}));
  sessions_.start(accept_peers(ports_.back()));
  return Done{};
}

Outcome<Done> PublishServer::listen_at_udp(std::shared_ptr<const PublishConfig> config,
                                           std::uint16_t number) {
  const UdpPublisher::Surroundings where{io_, node_, log_, buffers_, sessions_};
  udp_.push_back(std::make_unique<UdpPublisher>(where, std::move(config), number));
  return udp_.back()->listen();
}

void PublishServer::stop_accepting() {
  accepting_ = false;
  for (const auto& port : udp_) port->stop_accepting();
  for (const auto& port : ports_) port->listener.cancel();
  ports_.clear();
}

asio::awaitable<void> PublishServer::accept_peers(std::shared_ptr<Port> port) {
  asio::steady_timer timer{io_};
  while (accepting_) {
    asio::error_code error;
    if (sessions_.active() > most_sessions + ports_.size() + udp_.size()) {
      timer.expires_after(accept_pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    auto peer =
        co_await port->listener.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (peer && accepting_) {
      sessions_.start(serve(std::move(peer), port->config, port->number));
    }
  }
}

asio::awaitable<void> PublishServer::serve(std::unique_ptr<TcpStream> peer,
                                           std::shared_ptr<const PublishConfig> config,
                                           std::uint16_t number) {
  const Endpoint from = peer->remote();
  const FiveTuple flow{IpProtocol::Tcp, peer->local(), from};
  const std::string name = node_.peer_name_of(flow).value_or("");
  const std::string who = client_text(*config, number, from, name);
  if (!may_use(*config, name)) {
    log_(who + not_admitted);
    peer->abort();
    co_return;
  }
  const ServiceAddress service = config->service_at(number);
  auto reached = co_await reach(io_, service);
  if (const auto* error = std::get_if<asio::error_code>(&reached)) {
    log_(who + "the service at " + to_string(service) + " cannot be reached: " + error->message());
    peer->abort();
    co_return;
  }
  ByteString introduction;
  if (config->introduction == PublishConfig::Introduction::ProxyProtocol2) {
    introduction = proxy_protocol_header(from, flow.local, name);
  }
  const auto near = make_channel(std::move(*peer));
  const auto far = std::move(std::get<std::unique_ptr<ByteChannel>>(reached));
  const RelayEnd end = co_await relay(*near, *far, introduction, buffers_);
  if (end.error) log_(who + broken_text(end));
}

}  // namespace godwit
