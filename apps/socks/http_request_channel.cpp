#include "apps/socks/http_request_channel.hpp"

#include <system_error>

namespace godwit {

Bytes HttpRequestChannel::own_part(Bytes early) { return early.first(body_.handle_bytes(early)); }

std::size_t HttpRequestChannel::read_some(MutableBytes out, asio::error_code& error) {
  std::size_t own = 0;
  if (!body_.malformed()) {
    const std::size_t count = client_.read_some(out, error);
    if (error) return count;
    own = own_part(out.first(count)).size();
  }
  if (own > 0) return own;
  error = asio::error::would_block;
  if (body_.malformed()) error = std::make_error_code(std::errc::bad_message);
  return 0;
}

}  // namespace godwit
