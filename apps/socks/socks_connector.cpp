#include "apps/socks/socks_connector.hpp"

#include <chrono>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

namespace godwit {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// A peer that is reachable has answered by then, its IKE handshake repeated a few times.
constexpr auto connect_patience = 60s;

}  // namespace

asio::awaitable<SocksResult> connect_patiently(asio::any_io_executor executor,
                                               SocksConnector& connector,
                                               SocksDestination destination, std::string user) {
  asio::steady_timer timer{executor, connect_patience};
  asio::error_code woken;
  auto reached = co_await (connector.connect(std::move(destination), std::move(user)) ||
                           timer.async_wait(asio::redirect_error(asio::use_awaitable, woken)));
  // Asio flattens the variant: either outcome of connect(), or the timer's.
  if (auto* connection = std::get_if<SocksConnection>(&reached)) co_return std::move(*connection);
  if (auto* failure = std::get_if<SocksFailure>(&reached)) co_return std::move(*failure);
  co_return SocksFailure{SocksReply::TtlExpired, "no connection within 60 s"};
}

}  // namespace godwit
