#include "apps/socks/forward_server.hpp"

namespace godwit {

ForwardServer::ForwardServer(asio::io_context& io, SocksConnector& connector, Log log)
    : io_{io}, connector_{connector}, log_{std::move(log)} {}

Outcome<Done> ForwardServer::listen(const ForwardConfig& forward) {
  const auto host = parse_host(forward.host);
  if (!host) return Problem{"forward.to: '" + forward.host + "' is no name and no address"};
  const SocksDestination destination{*host, forward.port};
  places_.push_back(std::make_unique<ClientAcceptor>(
      io_, "forward", log_,
      [this, destination](Client client) { return serve(std::move(client), destination); }));
  return places_.back()->listen(forward.listen);
}

void ForwardServer::stop_accepting() {
  for (const auto& place : places_) place->stop_accepting();
}

void ForwardServer::end_sessions() {
  for (const auto& place : places_) place->end_sessions();
}

std::size_t ForwardServer::active() const {
  std::size_t active = 0;
  for (const auto& place : places_) active += place->active();
  return active;
}

// Nothing but a reset tells a client without a proxy's protocol that there was no connection.
asio::awaitable<void> ForwardServer::serve(Client client, SocksDestination destination) {
  const std::string what = "forward: " + client.name + " to " + to_string(destination) + ": ";
  auto result = co_await connect_patiently(io_.get_executor(), connector_, destination, "");
  if (const auto* failure = std::get_if<SocksFailure>(&result)) {
    log_(what + std::string{to_string(failure->reply)} + ": " + failure->why);
    client.channel->abort();
    co_return;
  }
  const auto far = std::move(std::get<SocksConnection>(result).channel);
  const RelayEnd end = co_await relay(*client.channel, *far, {}, buffers_);
  if (end.error) log_(what + broken_text(end));
}

}  // namespace godwit
