// Edges of many descriptors through one. A pair end always has an octet to be read (PairEnd says
// why), so asking Asio to wait until it is readable would never wait: what counts is the event.
#pragma once

#include <cstdint>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "apps/node/outcome.hpp"

namespace godwit::shim {

class PairPoller {
 public:
  // Notes what it is told and wakes others; it destroys nobody.
  class Watcher {
   public:
    virtual void handle_events(std::uint32_t events) = 0;  // of epoll

   protected:
    ~Watcher() = default;
  };

  static Outcome<std::unique_ptr<PairPoller>> open(const asio::any_io_executor& executor);
  PairPoller(const asio::any_io_executor& executor, int epoll);
  PairPoller(const PairPoller&) = delete;
  PairPoller& operator=(const PairPoller&) = delete;
  ~PairPoller();

  asio::any_io_executor executor() { return epoll_.get_executor(); }
  // False: the kernel has no room for it. Closing the descriptor takes it out.
  bool add(int descriptor, Watcher& watcher);
  // Ends waiting; edges are told no more.
  void stop();

 private:
  // Static: it may outlive the poller by a turn.
  static asio::awaitable<void> run(PairPoller& poller, std::shared_ptr<bool> alive);
  void dispatch();

  asio::posix::stream_descriptor epoll_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace godwit::shim
