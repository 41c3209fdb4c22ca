#include "apps/socks/socks_server.hpp"

#include "apps/socks/socks_session.hpp"

namespace godwit {

SocksServer::SocksServer(asio::io_context& io, SocksConnector& connector, Log log, ProxyUsers users)
    : executor_{io.get_executor()},
      connector_{connector},
      log_{std::move(log)},
      users_{std::move(users)},
      clients_{io, "socks", log_, [this](Client client) { return serve(std::move(client)); }} {}

asio::awaitable<void> SocksServer::serve(Client client) {
  SocksSession session{*client.channel, client.ends, {executor_, connector_, users_, buffers_}};
  const auto far = co_await session.open();
  const std::string what = "socks: " + client.name + " to " + session.destination();
  if (!far) {
    if (!session.reason().empty()) log_(what + ": " + session.reason());
    co_return;
  }
  const RelayEnd end = co_await relay(session.near(), *far, session.early(), buffers_);
  if (end.error) log_(what + ' ' + broken_text(end));
}

}  // namespace godwit
