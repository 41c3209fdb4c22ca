#include "apps/node/datagram_flow.hpp"

#include <algorithm>

#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"

namespace godwit {
namespace {

using Udp = asio::ip::udp;

class HostFlow final : public DatagramFlow {
 public:
  HostFlow(Udp::socket socket, const Endpoint& remote)
      : socket_{std::move(socket)}, remote_{remote} {}

  Endpoint remote() const override { return remote_; }
  Endpoint local() const override {
    asio::error_code ignored;
    return from_asio(socket_.local_endpoint(ignored));
  }
  std::size_t largest() const override { return largest_datagram(remote_.address.family()); }
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

class StackFlow final : public DatagramFlow {
 public:
  explicit StackFlow(UdpStream stream)
      : stream_{std::move(stream)}, remote_{*stream_.socket().remote()} {}

  Endpoint remote() const override { return remote_; }
  Endpoint local() const override { return stream_.socket().local(); }
  std::size_t largest() const override { return stream_.socket().largest_to(remote_); }
  asio::error_code send(Bytes payload) override { return stream_.send(payload); }
  asio::awaitable<asio::error_code> wait() override {
    asio::error_code error;
    co_await stream_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  std::optional<std::size_t> receive_now(MutableBytes into) override {
    const auto received = stream_.receive_now(into);
    if (!received) return std::nullopt;
    return std::min(received->size, into.size());
  }
  void cancel() override { stream_.cancel(); }

 private:
  UdpStream stream_;
  Endpoint remote_;
};

}  // namespace

std::unique_ptr<DatagramFlow> make_flow(UdpStream stream) {
  return std::make_unique<StackFlow>(std::move(stream));
}

FlowResult open_host_flow(const asio::any_io_executor& executor, const Endpoint& remote) {
  const auto to = to_asio<Udp>(remote);
  Udp::socket socket{executor};
  asio::error_code error;
  socket.open(to.protocol(), error);
  if (!error) socket.non_blocking(true, error);
  if (!error) socket.connect(to, error);
  if (error) return error;
  return std::make_unique<HostFlow>(std::move(socket), remote);
}

}  // namespace godwit
