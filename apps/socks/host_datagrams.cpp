#include "apps/socks/host_datagrams.hpp"

#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"

namespace godwit {
namespace {

using Udp = asio::ip::udp;

class HostDatagrams final : public DatagramFlow {
 public:
  HostDatagrams(Udp::socket socket, const Endpoint& remote)
      : socket_{std::move(socket)}, remote_{remote} {}

  Endpoint remote() const override { return remote_; }
  asio::error_code send(Bytes payload) override {
    asio::error_code error;
    socket_.send(asio::buffer(payload.data(), payload.size()), 0, error);
    return error;
  }
  asio::awaitable<asio::error_code> wait() override {
    asio::error_code error;
    co_await socket_.async_wait(asio::socket_base::wait_read,
                                asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  // That nobody listens there is an error of an earlier datagram; the next may fare better.
  std::optional<std::size_t> receive_now(MutableBytes into) override {
    asio::error_code error;
    const std::size_t count = socket_.receive(asio::buffer(into.data(), into.size()), 0, error);
    if (error) return std::nullopt;
    return count;
  }
  void cancel() override {
    asio::error_code ignored;
    socket_.cancel(ignored);
  }

 private:
  Udp::socket socket_;
  Endpoint remote_;
};

}  // namespace

std::variant<std::unique_ptr<DatagramFlow>, asio::error_code> open_host_datagrams(
    const asio::any_io_executor& executor, const Endpoint& remote) {
  const auto to = to_asio<Udp>(remote);
  Udp::socket socket{executor};
  asio::error_code error;
  socket.open(to.protocol(), error);
  if (!error) socket.non_blocking(true, error);
  if (!error) socket.connect(to, error);
  if (error) return error;
  return std::make_unique<HostDatagrams>(std::move(socket), remote);
}

}  // namespace godwit
