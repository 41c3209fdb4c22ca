// Questions to the kernel's routing and their answers. The kernel answers while the question is
// being asked, so nothing here waits for anybody.
#pragma once

#include <functional>
#include <memory>

#include "stack/core/result.hpp"
#include "stack/io/netlink_message.hpp"

namespace godwit {

class NetlinkSocket {
 public:
  // A dump is as large as the host has interfaces; one datagram of it is at most this.
  static constexpr std::size_t datagram_limit = 64 * 1024;

  static Result<std::unique_ptr<NetlinkSocket>> open();
  ~NetlinkSocket();
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  // 0, or the errno the kernel answered with.
  int ask(NetlinkRequest request) {
    return ask(std::move(request), [](const NetlinkMessage&) {});
  }
  int ask(NetlinkRequest request, const std::function<void(const NetlinkMessage&)>& on_message);

 private:
  explicit NetlinkSocket(int descriptor);
  int receive(std::uint32_t sequence, const std::function<void(const NetlinkMessage&)>& on_message);

  int descriptor_;
  std::uint32_t sequence_ = 0;
  ByteString buffer_;
};

}  // namespace godwit
