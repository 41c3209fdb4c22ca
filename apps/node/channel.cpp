#include "apps/node/channel.hpp"

#include <type_traits>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace godwit {
namespace {

class StackChannel final : public ByteChannel {
 public:
  explicit StackChannel(TcpStream stream) : stream_{std::move(stream)} {}

  std::size_t read_some(MutableBytes out, asio::error_code& error) override {
    return stream_.read_some(out, error);
  }
  std::size_t write_some(Bytes bytes, asio::error_code& error) override {
    return stream_.write_some(bytes, error);
  }
  asio::awaitable<asio::error_code> wait(Wait what) override {
    asio::error_code error;
    co_await stream_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  void shutdown_write() override { stream_.shutdown_write(); }
  void abort() override { stream_.abort(); }
  void set_options(const ChannelOptions& options) override {
    stream_.set_no_delay(options.no_delay);
    stream_.set_traffic_class(options.traffic_class);
    if (options.congestion) stream_.set_congestion(*options.congestion);
  }
  std::size_t segment_size() const override { return stream_.segment_size(); }

 private:
  TcpStream stream_;
};

template <class Socket>
class HostChannel final : public ByteChannel {
 public:
  explicit HostChannel(Socket socket) : socket_{std::move(socket)} {
    asio::error_code ignored;  // of a socket that is broken already: reading will say so
    socket_.non_blocking(true, ignored);
    if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) {
      socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
    }
  }

  std::size_t read_some(MutableBytes out, asio::error_code& error) override {
    return socket_.read_some(asio::buffer(out.data(), out.size()), error);
  }
  std::size_t write_some(Bytes bytes, asio::error_code& error) override {
    return socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
  }
  asio::awaitable<asio::error_code> wait(Wait what) override {
    asio::error_code error;
    co_await socket_.async_wait(
        what == Wait::Read ? asio::socket_base::wait_read : asio::socket_base::wait_write,
        asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  void shutdown_write() override {
    asio::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  }
  void abort() override {
    asio::error_code ignored;
    socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
    socket_.close(ignored);
  }
  void set_options(const ChannelOptions& options) override {
    if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) {
      asio::error_code ignored;
      socket_.set_option(asio::ip::tcp::no_delay{options.no_delay}, ignored);
    }
  }
  std::size_t segment_size() const override {
    int size = 0;
    socklen_t length = sizeof size;
    if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) {
      ::getsockopt(const_cast<Socket&>(socket_).native_handle(), IPPROTO_TCP, TCP_MAXSEG, &size,
                   &length);
    }
    return static_cast<std::size_t>(size);
  }

 private:
  Socket socket_;
};

}  // namespace

std::unique_ptr<ByteChannel> make_channel(TcpStream stream) {
  return std::make_unique<StackChannel>(std::move(stream));
}

std::unique_ptr<ByteChannel> make_channel(asio::ip::tcp::socket socket) {
  return std::make_unique<HostChannel<asio::ip::tcp::socket>>(std::move(socket));
}

std::unique_ptr<ByteChannel> make_channel(asio::local::stream_protocol::socket socket) {
  return std::make_unique<HostChannel<asio::local::stream_protocol::socket>>(std::move(socket));
}

}  // namespace godwit
