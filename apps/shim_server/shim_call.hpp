// One call of a library, as octets on its connection: the request read, the answer written.
#pragma once

#include <variant>

#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/file.hpp"
#include "apps/shim/shim_message.hpp"

namespace godwit::shim {

// Its size is set once the whole frame is there; empty: it did not come, or is none.
asio::awaitable<Frame> read_frame(ByteChannel& call);
// The answer fits into the socket's buffer: a caller that does not read has lost it.
void send(int call, const Frame& frame, const FileDescriptor& descriptor);

// Numbers are errno's, 0 for success.
Frame failure(int number);
Frame result_of(int number);
Frame reply_to(const std::variant<ByteString, int>& option);
Frame reply_to(const std::variant<Endpoint, int>& name);
Frame reply_to(const std::variant<std::size_t, int>& largest);

}  // namespace godwit::shim
