#include "apps/shim_server/shim_call.hpp"

#include "apps/shim_server/descriptor_message.hpp"

namespace godwit::shim {

asio::awaitable<Frame> read_frame(ByteChannel& call) {
  Frame frame;
  std::size_t have = 0;
  for (;;) {
    asio::error_code error;
    have += call.read_some(frame.storage().subspan(have), error);
    if (error == asio::error::would_block) error = co_await call.wait(ByteChannel::Wait::Read);
    if (error) co_return Frame{};
    const auto length = frame_length(Bytes{frame.storage()}.first(have));
    if (!length) co_return Frame{};
    if (*length && have >= **length) {
      frame.set_size(have);
      co_return frame;
    }
  }
}

void send(int call, const Frame& frame, const FileDescriptor& descriptor) {
  if (send_with(call, frame.bytes(), descriptor) < 0) return;  // it has gone
}

Frame failure(int number) { return encode(Reply{Failure{static_cast<std::uint32_t>(number)}}); }

Frame result_of(int number) { return number == 0 ? encode(Reply{Done{}}) : failure(number); }

Frame reply_to(const std::variant<ByteString, int>& option) {
  if (const auto* value = std::get_if<ByteString>(&option))
    return encode(Reply{OptionValue{*value}});
  return failure(std::get<int>(option));
}

Frame reply_to(const std::variant<Endpoint, int>& name) {
  if (const auto* endpoint = std::get_if<Endpoint>(&name)) return encode(Reply{Name{*endpoint}});
  return failure(std::get<int>(name));
}

Frame reply_to(const std::variant<std::size_t, int>& largest) {
  if (const auto* octets = std::get_if<std::size_t>(&largest)) {
    return encode(Reply{Largest{static_cast<std::uint32_t>(*octets)}});
  }
  return failure(std::get<int>(largest));
}

}  // namespace godwit::shim
