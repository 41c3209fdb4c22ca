#include "apps/shim_server/datagram_end.hpp"

#include <cerrno>

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/shim_server/descriptor_message.hpp"
#include "apps/shim_server/unix_pair.hpp"

namespace godwit::shim {
namespace {

// What Linux gives a UDP socket by default; the largest datagram fits into it with its front.
constexpr PairBuffers buffers{212992, 212992};

// The kernel keeps the number and has no use for it on a Unix socket; who does not hold the
// descriptor cannot ask for it.
int put_token(int descriptor, PairToken& token) {
  if (::getrandom(&token, sizeof token, 0) != sizeof token) return errno;
  const int done = ::setsockopt(descriptor, SOL_SOCKET, SO_MAX_PACING_RATE, &token, sizeof token);
  return done == 0 ? 0 : errno;
}

}  // namespace

std::variant<DatagramEnd::Pair, int> DatagramEnd::make(PairPoller& poller, const OpenSocket& open,
                                                       std::string_view unique) {
  auto made = make_unix_pair(open, unique, buffers);
  if (const int* error = std::get_if<int>(&made)) return *error;
  auto& ends = std::get<UnixPair>(made);
  PairToken token = 0;
  if (const int error = put_token(ends.program.get(), token)) return error;
  const int descriptor = ends.daemon.get();
  auto end = std::make_unique<DatagramEnd>(poller, std::move(ends.daemon), token);
  if (!poller.add(descriptor, *end)) return ENOMEM;
  return Pair{std::move(ends.program), std::move(end), ends.id};
}

DatagramEnd::DatagramEnd(PairPoller& poller, FileDescriptor descriptor, PairToken token)
    : executor_{poller.executor()}, descriptor_{std::move(descriptor)}, token_{token} {}

std::variant<DatagramEnd::Sent, DatagramEnd::Nothing> DatagramEnd::receive(MutableBytes into) {
  for (;;) {
    sockaddr_un from{};
    socklen_t length = sizeof from;
    const ssize_t count = ::recvfrom(descriptor_.get(), into.data(), into.size(), MSG_DONTWAIT,
                                     reinterpret_cast<sockaddr*>(&from), &length);
    // An empty datagram has a sender, whose end bears a mark; the end of the pair has none.
    if (count < 0 || (count == 0 && length == 0)) {
      readable_ = false;
      return hung_up_ ? Nothing::EverAgain : Nothing::Yet;
    }
    const Bytes message{into.data(), static_cast<std::size_t>(count)};
    const auto front = Front::parse(message, token_);
    if (!front) continue;  // not the library's
    if (!*front) return Sent{message, std::nullopt};
    return Sent{message.subspan(Front::length), **front};
  }
}

asio::awaitable<void> DatagramEnd::wait() {
  asio::error_code ignored;
  co_await async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

bool DatagramEnd::hand_over(Bytes payload, const FileDescriptor& card) {
  return send_with(descriptor_.get(), payload, card) >= 0;
}

void DatagramEnd::handle_events(std::uint32_t events) {
  if ((events & EPOLLHUP) != 0) hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  look();
}

void DatagramEnd::look() {
  if (readable_) reader_.complete({});
}

}  // namespace godwit::shim
