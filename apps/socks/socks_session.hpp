// One client of the proxy from its first octet until its connection is open or refused.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/proxy_users.hpp"
#include "apps/socks/http_request_channel.hpp"
#include "apps/socks/proxy_handshake.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

class SocksSession {
 public:
  // All of them outlive the session.
  SocksSession(ByteChannel& client, SocksConnector& connector, const ProxyUsers& users)
      : client_{client}, connector_{connector}, handshake_{users} {}

  // Null: refused, and why is in reason(). Else early() waits to be sent there, and near() is
  // the client as the relay has to read it.
  asio::awaitable<std::unique_ptr<ByteChannel>> open();

  ByteChannel& near() { return request_ ? static_cast<ByteChannel&>(*request_) : client_; }
  Bytes early() const { return early_; }
  const std::string& reason() const { return reason_; }
  std::string destination() const { return destination_ ? to_string(*destination_) : "?"; }

 private:
  asio::awaitable<void> greet();
  asio::awaitable<SocksResult> connect();
  asio::awaitable<void> carry_out();
  void begin(Greeting::Open open);
  asio::awaitable<void> say_farewell();

  ByteChannel& client_;
  SocksConnector& connector_;
  ProxyHandshake handshake_;
  std::optional<SocksDestination> destination_;
  std::optional<HttpRequestChannel> request_;
  bool closed_ = false;
  ByteString early_;
  std::string reason_;
};

}  // namespace godwit
