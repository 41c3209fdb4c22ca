#include "apps/shim_server/pair_end.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/shim_server/descriptor_message.hpp"
#include "apps/shim_server/unix_pair.hpp"

namespace godwit::shim {
namespace {

// Towards the daemon. The largest buffer of a Unix stream holds 48 KiB and stays charged until its
// last octet is read; four of them must fit, or the octet that is left behind would hide the room
// (the kernel says "writable" at a quarter). The kernel doubles the number.
constexpr int send_buffer = 106496;
// Towards the program: what is in there has left the flow control of TCP.
constexpr int receive_buffer = 65536;
constexpr std::array<std::size_t, 4> filling_steps{32768, 4096, 512, 1};

std::size_t fill(int descriptor) {
  static const std::array<char, filling_steps.front()> nothing{};
  std::size_t filled = 0;
  for (const std::size_t step : filling_steps) {
    for (;;) {
      int charged = 0;
      ::ioctl(descriptor, TIOCOUTQ, &charged);
      // The last of the fillings has to be a small one: it is the octet that stays.
      if (step > 1 && static_cast<std::size_t>(charged) + 2 * step + 4096 > 2 * send_buffer) break;
      const ssize_t count = ::send(descriptor, nothing.data(), step, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count <= 0) break;
      filled += static_cast<std::size_t>(count);
    }
  }
  return filled;
}

}  // namespace

std::variant<PairEnd::Pair, int> PairEnd::make(PairPoller& poller, const OpenSocket& open,
                                               std::string_view unique) {
  auto made = make_unix_pair(open, unique, {send_buffer, receive_buffer});
  if (const int* error = std::get_if<int>(&made)) return *error;
  auto& ends = std::get<UnixPair>(made);
  const std::size_t filling = fill(ends.program.get());
  const int descriptor = ends.daemon.get();
  auto end = std::make_unique<PairEnd>(poller, std::move(ends.daemon), filling);
  if (!poller.add(descriptor, *end)) return ENOMEM;
  return Pair{std::move(ends.program), std::move(end), ends.id};
}

PairEnd::PairEnd(PairPoller& poller, FileDescriptor descriptor, std::size_t filling)
    : executor_{poller.executor()}, descriptor_{std::move(descriptor)}, left_{filling} {}

void PairEnd::drain() {
  drained_ = true;
  std::array<std::uint8_t, filling_steps.front()> scratch;
  while (left_ > 1) {
    const ssize_t count = ::recv(descriptor_.get(), scratch.data(),
                                 std::min(scratch.size(), left_ - 1), MSG_DONTWAIT);
    if (count <= 0) break;
    left_ -= static_cast<std::size_t>(count);
  }
  readable_ = true;
  look();
}

std::size_t PairEnd::fresh() const {
  int queued = 0;
  if (!descriptor_ || ::ioctl(descriptor_.get(), FIONREAD, &queued) != 0) return 0;
  return static_cast<std::size_t>(queued) - std::min(static_cast<std::size_t>(queued), left_);
}

std::size_t PairEnd::read_some(MutableBytes out, asio::error_code& error) {
  error = {};
  if (!descriptor_) {
    error = asio::error::operation_aborted;
    return 0;
  }
  const std::size_t wanted = std::min(fresh(), out.size());
  if (wanted == 0) {
    if (broken_) {
      error = asio::error::connection_reset;
    } else if (finished_) {
      at_end_ = true;
      look();
      error = asio::error::eof;
    } else {
      readable_ = false;
      error = asio::error::would_block;
    }
    return 0;
  }
  // All but the last, and what had been left; then the last, which is left.
  std::uint8_t known = 0;
  std::array<iovec, 2> parts{iovec{&known, left_}, iovec{out.data(), wanted - 1}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t count = 0;
  if (left_ + wanted > 1) {
    count = ::recvmsg(descriptor_.get(), &message, MSG_DONTWAIT);
    if (count <= 0) {
      error = asio::error::connection_reset;
      return 0;
    }
  }
  const std::size_t taken = static_cast<std::size_t>(count) - left_;
  left_ = ::recv(descriptor_.get(), out.data() + taken, 1, MSG_DONTWAIT | MSG_PEEK) == 1 ? 1 : 0;
  return taken + left_;
}

std::size_t PairEnd::write_some(Bytes bytes, asio::error_code& error) {
  error = {};
  if (!descriptor_) {
    error = asio::error::operation_aborted;
    return 0;
  }
  const ssize_t count =
      ::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count >= 0) return static_cast<std::size_t>(count);
  if (errno == EAGAIN) {
    writable_ = false;
    error = asio::error::would_block;
    return 0;
  }
  // shutdown(SHUT_RD): TCP takes what comes and throws it away.
  pollfd state{descriptor_.get(), 0, 0};
  ::poll(&state, 1, 0);
  if ((state.revents & POLLHUP) == 0) return bytes.size();
  error = asio::error::broken_pipe;
  return 0;
}

asio::error_code PairEnd::hand_over(Bytes message, const FileDescriptor& descriptor) {
  if (send_with(descriptor_.get(), message, descriptor) >= 0) return {};
  if (errno == EAGAIN) writable_ = false;
  return {errno, asio::system_category()};
}

asio::awaitable<asio::error_code> PairEnd::wait(Wait what) {
  asio::error_code error;
  co_await async_wait_at(what == Wait::Read ? reader_ : writer_,
                         asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

asio::awaitable<void> PairEnd::gone() {
  asio::error_code ignored;
  co_await async_wait_at(gone_, asio::redirect_error(asio::use_awaitable, ignored));
}

void PairEnd::shutdown_write() {
  if (descriptor_) ::shutdown(descriptor_.get(), SHUT_WR);
}

void PairEnd::close() {
  std::array<std::uint8_t, 2> left;
  while (descriptor_ && ::recv(descriptor_.get(), left.data(), left.size(), MSG_DONTWAIT) > 0) {}
  descriptor_ = FileDescriptor{};
}

void PairEnd::abort() {
  descriptor_ = FileDescriptor{};  // what is left in the queue makes it a reset
  reader_.cancel();
  writer_.cancel();
  look();
}

void PairEnd::handle_events(std::uint32_t events) {
  if ((events & EPOLLHUP) != 0) hung_up_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) finished_ = true;
  if ((events & EPOLLERR) != 0) broken_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  look();
}

void PairEnd::look() {
  if (readable_) reader_.complete({});
  if (writable_) writer_.complete({});
  if (hung_up_ && (!drained_ || at_end_)) gone_.complete({});
}

}  // namespace godwit::shim
