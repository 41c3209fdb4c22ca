#include "apps/shim_server/pair_poller.hpp"

#include <array>
#include <cerrno>

#include <sys/epoll.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/file.hpp"

namespace godwit::shim {

Outcome<std::unique_ptr<PairPoller>> PairPoller::open(const asio::any_io_executor& executor) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return Problem{"epoll: " + system_text(errno)};
  return std::make_unique<PairPoller>(executor, epoll);
}

PairPoller::PairPoller(const asio::any_io_executor& executor, int epoll) : epoll_{executor, epoll} {
  asio::co_spawn(executor, run(*this, alive_), asio::detached);
}

PairPoller::~PairPoller() { stop(); }

void PairPoller::stop() {
  *alive_ = false;
  asio::error_code ignored;
  epoll_.close(ignored);
}

bool PairPoller::add(int descriptor, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

asio::awaitable<void> PairPoller::run(PairPoller& poller, std::shared_ptr<bool> alive) {
  while (*alive) {
    asio::error_code error;
    co_await poller.epoll_.async_wait(asio::posix::stream_descriptor::wait_read,
                                      asio::redirect_error(asio::use_awaitable, error));
    if (error || !*alive) co_return;
    poller.dispatch();
  }
}

void PairPoller::dispatch() {
  std::array<epoll_event, 64> events;
  for (;;) {
    const int count =
        ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      static_cast<Watcher*>(event.data.ptr)->handle_events(event.events);
    }
    if (count < static_cast<int>(events.size())) return;
  }
}

}  // namespace godwit::shim
