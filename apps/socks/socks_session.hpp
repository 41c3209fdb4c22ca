// One client of the proxy from its first octet until its connection is open or refused.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/proxy_users.hpp"
#include "apps/node/relay.hpp"
#include "apps/socks/client_acceptor.hpp"
#include "apps/socks/http_request_channel.hpp"
#include "apps/socks/proxy_handshake.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

class SocksSession {
 public:
  // What all sessions share; outlives them.
  struct Surroundings {
    asio::any_io_executor executor;
    SocksConnector& connector;
    const ProxyUsers& users;
    RelayBuffers& buffers;
  };

  SocksSession(ByteChannel& client, std::optional<ClientEnds> ends, const Surroundings& where)
      : client_{client}, ends_{ends}, where_{where}, handshake_{where.users} {}

  // Null: refused, or an association of UDP that has ended; what there is to tell is in
  // reason(). Else early() waits to be sent there, and near() is the client as the relay has to
  // read it.
  asio::awaitable<std::unique_ptr<ByteChannel>> open();

  ByteChannel& near() { return request_ ? static_cast<ByteChannel&>(*request_) : client_; }
  Bytes early() const { return early_; }
  const std::string& reason() const { return reason_; }
  std::string destination() const;

 private:
  asio::awaitable<std::unique_ptr<ByteChannel>> negotiate();
  asio::awaitable<void> greet();
  asio::awaitable<std::unique_ptr<ByteChannel>> refuse(const SocksFailure& failure);
  asio::awaitable<void> associate();
  asio::awaitable<std::unique_ptr<ByteChannel>> await_connection();
  asio::awaitable<void> read_ahead();
  asio::awaitable<void> carry_out();
  void begin(Greeting::Open open);
  asio::awaitable<void> say_farewell();

  ByteChannel& client_;
  std::optional<ClientEnds> ends_;
  Surroundings where_;
  std::optional<ProxyHandshake> handshake_;  // until it is over
  std::optional<SocksDestination> destination_;
  std::string user_;
  std::optional<Greeting::Bind> binding_;
  std::optional<Greeting::Associate> association_;
  std::optional<HttpRequestChannel> request_;
  bool closed_ = false;
  ByteString early_;
  std::string reason_;
};

}  // namespace godwit
