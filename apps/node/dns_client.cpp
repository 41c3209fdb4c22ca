#include "apps/node/dns_client.hpp"

#include <array>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "apps/node/address.hpp"

namespace godwit {
namespace {

constexpr std::size_t largest_message = 65535;

// Closes the socket when nobody waits for an answer any more: what is under way then ends.
template <class Socket>
class Patience {
 public:
  Patience(std::shared_ptr<Socket> socket, Duration patience)
      : timer_{socket->get_executor(), patience} {
    timer_.async_wait([socket](const asio::error_code& error) {
      asio::error_code ignored;
      if (!error) socket->close(ignored);
    });
  }

 private:
  asio::steady_timer timer_;
};

}  // namespace

// Outlives the client while queries are under way; then nobody is told.
struct DnsClient::Shared {
  Handler handler;
  std::size_t queries = 0;
  bool alive = true;

  void tell(const DnsQuery& query, std::optional<Bytes> message) const {
    if (alive) handler(query, message);
  }
};

DnsClient::DnsClient(asio::any_io_executor executor, Handler handler)
    : executor_{executor}, shared_{std::make_shared<Shared>(Shared{std::move(handler)})} {}

DnsClient::~DnsClient() { shared_->alive = false; }

void DnsClient::ask(DnsQuery query) {
  if (shared_->queries >= most_queries) return;  // lost, as on a wire; whoever asked asks again
  if (query.transport == DnsTransport::Udp) {
    asio::co_spawn(executor_, ask_by_udp(shared_, std::move(query)), asio::detached);
  } else {
    asio::co_spawn(executor_, ask_by_tcp(shared_, std::move(query)), asio::detached);
  }
}

asio::awaitable<void> DnsClient::ask_by_udp(std::shared_ptr<Shared> shared, DnsQuery query) {
  ++shared->queries;
  const auto shared_socket =
      std::make_shared<asio::ip::udp::socket>(co_await asio::this_coro::executor);
  asio::ip::udp::socket& socket = *shared_socket;
  const auto server = to_asio<asio::ip::udp>(query.server);
  asio::error_code error;
  socket.open(server.protocol(), error);
  // Connected: what anybody else sends is dropped by the kernel, and ICMP errors are heard.
  if (!error) socket.connect(server, error);
  if (!error) socket.send(asio::buffer(query.bytes), 0, error);
  if (error) {
    co_await asio::post(asio::use_awaitable);
    shared->tell(query, std::nullopt);
  } else {
    const Patience patience{shared_socket, query.patience};
    ByteString buffer(largest_message);
    while (shared->alive) {
      const std::size_t size = co_await socket.async_receive(
          asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
      if (!socket.is_open()) break;
      if (error) {
        shared->tell(query, std::nullopt);
        break;
      }
      shared->tell(query, Bytes{buffer.data(), size});
    }
  }
  --shared->queries;
}

// RFC 1035 section 4.2.2: two octets of length before the message.
asio::awaitable<void> DnsClient::ask_by_tcp(std::shared_ptr<Shared> shared, DnsQuery query) {
  ++shared->queries;
  const auto shared_socket =
      std::make_shared<asio::ip::tcp::socket>(co_await asio::this_coro::executor);
  asio::ip::tcp::socket& socket = *shared_socket;
  const Patience patience{shared_socket, query.patience};
  asio::error_code error;
  const auto token = [&error] { return asio::redirect_error(asio::use_awaitable, error); };
  co_await socket.async_connect(to_asio<asio::ip::tcp>(query.server), token());
  ByteString message{static_cast<std::uint8_t>(query.bytes.size() >> 8),
                     static_cast<std::uint8_t>(query.bytes.size())};
  message.insert(message.end(), query.bytes.begin(), query.bytes.end());
  if (!error) co_await asio::async_write(socket, asio::buffer(message), token());
  std::array<std::uint8_t, 2> length{};
  if (!error) co_await asio::async_read(socket, asio::buffer(length), token());
  ByteString answer(error ? 0 : std::size_t{length[0]} << 8 | length[1]);
  if (!error) co_await asio::async_read(socket, asio::buffer(answer), token());
  if (error) {
    shared->tell(query, std::nullopt);
  } else {
    shared->tell(query, Bytes{answer});
  }
  --shared->queries;
}

}  // namespace godwit
