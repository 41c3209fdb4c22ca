#include "apps/node/name_lookup.hpp"

#include <chrono>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/node.hpp"

namespace godwit {

NameLookup::NameLookup(asio::any_io_executor executor, Node& node)
    : executor_{executor}, node_{node}, resolver_{executor} {}

asio::awaitable<std::vector<IpAddress>> NameLookup::find(std::string name) {
  if (const auto address = node_.address_of(name)) co_return std::vector{*address};
  if (const auto peer = node_.find_by_name(name)) co_return co_await await_found(*peer);
  if (zones_ != nullptr && zones_->is_asked_for(name)) co_return co_await zones_->look_up(name);
  std::vector<IpAddress> addresses;
  asio::error_code error;
  const auto found =
      co_await resolver_.async_resolve(name, "", asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return addresses;
  for (const auto& entry : found) addresses.push_back(from_asio(entry.endpoint().address()));
  co_return addresses;
}

asio::awaitable<std::vector<IpAddress>> NameLookup::await_found(PeerId peer) {
  constexpr auto patience = std::chrono::seconds{10};
  std::vector<IpAddress> addresses;
  asio::steady_timer timer{executor_, patience};
  const Subscription watch = node_.events().watch([&](const Event& event) {
    if (const auto* found = std::get_if<PeerFoundByName>(&event.detail)) {
      if (found->peer != peer) return;
      addresses.push_back(found->address);
      timer.cancel();  // the rest of them is said in the same turn
    } else if (const auto* unknown = std::get_if<PeerNotFoundByName>(&event.detail)) {
      if (unknown->peer == peer) timer.cancel();
    }
  });
  asio::error_code woken;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  co_return addresses;
}

}  // namespace godwit
