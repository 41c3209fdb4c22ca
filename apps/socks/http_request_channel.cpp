#include "apps/socks/http_request_channel.hpp"

#include <system_error>

namespace godwit {

Bytes HttpRequestChannel::own_part(Bytes early) {
  const std::size_t own = body_.handle_bytes(early);
  if (own < early.size()) ended_ = true;
  return early.first(own);
}

std::size_t HttpRequestChannel::read_some(MutableBytes out, asio::error_code& error) {
  error = {};
  std::size_t own = 0;
  if (!ended_) {
    const std::size_t count = client_.read_some(out, error);
    if (error) return count;
    own = own_part(out.first(count)).size();
  }
  if (own > 0) return own;
  error = asio::error::eof;
  if (body_.malformed()) error = std::make_error_code(std::errc::bad_message);
  return 0;
}

}  // namespace godwit
