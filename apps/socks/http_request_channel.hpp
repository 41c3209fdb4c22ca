// The client of a request that is handed on once, as the relay reads it: the request's content
// and not an octet of what comes behind it, which may be for another destination. The way back is
// the client's own.
#pragma once

#include "apps/node/channel.hpp"
#include "apps/socks/http_body.hpp"

namespace godwit {

class HttpRequestChannel final : public ByteChannel {
 public:
  HttpRequestChannel(ByteChannel& client, HttpBody body) : client_{client}, body_{body} {}

  // What of these octets, read from the client already, is the request's.
  Bytes own_part(Bytes early);

  // What comes behind the content is read and dropped; only the client's own end is eof, because
  // many a server gives up a response when it sees one. Content whose end cannot be told is
  // bad_message.
  std::size_t read_some(MutableBytes out, asio::error_code& error) override;
  std::size_t write_some(Bytes bytes, asio::error_code& error) override {
    return client_.write_some(bytes, error);
  }
  asio::awaitable<asio::error_code> wait(Wait what) override { return client_.wait(what); }
  void shutdown_write() override { client_.shutdown_write(); }
  void abort() override { client_.abort(); }

 private:
  ByteChannel& client_;
  HttpBody body_;
};

}  // namespace godwit
