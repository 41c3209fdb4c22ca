#include "apps/socks/awaited_connection.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/socks/node_connector.hpp"

namespace godwit {
namespace {

using Tcp = asio::ip::tcp;

SocksFailure failure_of(const asio::error_code& error) {
  return {reply_for(error), error.message()};
}

class AwaitedAtHost final : public AwaitedConnection {
 public:
  AwaitedAtHost(Tcp::acceptor acceptor, const Endpoint& bound, const IpAddress& from)
      : acceptor_{std::move(acceptor)}, bound_{bound}, from_{from} {}
  Endpoint bound() const override { return bound_; }
  asio::awaitable<SocksResult> accept() override {
    for (;;) {
      asio::error_code error;
      auto socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return failure_of(error);
      const auto remote = socket.remote_endpoint(error);
      if (error || from_asio(remote).address != from_) continue;
      co_return SocksConnection{make_channel(std::move(socket)), from_asio(remote)};
    }
  }

 private:
  Tcp::acceptor acceptor_;
  Endpoint bound_;
  IpAddress from_;
};

// Connecting a UDP socket sends nothing and asks the kernel's routes.
std::variant<IpAddress, asio::error_code> host_address_for(const asio::any_io_executor& executor,
                                                           const IpAddress& remote) {
  constexpr std::uint16_t any_port = 9;
  asio::ip::udp::socket probe{executor};
  asio::error_code error;
  probe.connect(to_asio<asio::ip::udp>(Endpoint{remote, any_port}), error);
  if (error) return error;
  const auto local = probe.local_endpoint(error);
  if (error) return error;
  return from_asio(local).address;
}

}  // namespace

AwaitedAtStack::AwaitedAtStack(asio::any_io_executor executor,
                               std::unique_ptr<TcpAcceptor> acceptor, const IpAddress& local,
                               const IpAddress& from)
    : bound_{local, acceptor->port()},
      from_{from},
      listener_{std::move(executor), std::move(acceptor)} {}

asio::awaitable<SocksResult> AwaitedAtStack::accept() {
  for (;;) {
    asio::error_code error;
    const auto stream =
        co_await listener_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return failure_of(error);
    if (!stream) continue;
    const Endpoint remote = stream->remote();
    if (remote.address == from_) {
      co_return SocksConnection{make_channel(std::move(*stream)), remote};
    }
    stream->abort();
  }
}

std::variant<std::unique_ptr<AwaitedConnection>, asio::error_code> await_at_host(
    const asio::any_io_executor& executor, const IpAddress& from) {
  const auto local = host_address_for(executor, from);
  if (const auto* error = std::get_if<asio::error_code>(&local)) return *error;
  const auto at = to_asio<Tcp>(Endpoint{std::get<IpAddress>(local), 0});
  Tcp::acceptor acceptor{executor};
  asio::error_code error;
  acceptor.open(at.protocol(), error);
  if (!error) acceptor.bind(at, error);
  if (!error) acceptor.listen(1, error);
  if (error) return error;
  const Endpoint bound = from_asio(acceptor.local_endpoint(error));
  if (error) return error;
  return std::make_unique<AwaitedAtHost>(std::move(acceptor), bound, from);
}

}  // namespace godwit
