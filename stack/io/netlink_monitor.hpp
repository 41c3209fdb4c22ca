// What the kernel says about the host's links, addresses and routes, and which source address it
// would use towards a destination. A view that is complete after open(); every later difference
// comes out of receive() exactly once, also when the kernel had to drop notifications.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "stack/core/ip_address.hpp"
#include "stack/core/result.hpp"
#include "stack/io/host_change.hpp"

namespace godwit {

class NetlinkView;
class NetlinkSocket;

class NetlinkMonitor {
 public:
  // `own_device` is our TUN, which may not exist yet. It never answers, and what is reported of it
  // is StackDeviceChanged.
  static Result<std::unique_ptr<NetlinkMonitor>> open(const asio::any_io_executor& executor,
                                                      std::string own_device);
  ~NetlinkMonitor();

  // As of the last receive(). Addresses of host scope (127.0.0.1, ::1) and link-local ones are
  // not listed: nobody beyond the link can reach them.
  std::vector<HostAddress> addresses() const;
  std::vector<HostLink> links() const;

  // Waits for a change, then appends all that are there. One call at a time.
  asio::awaitable<Status> receive(std::vector<HostChange>& changes);
  // Ends a pending receive() with Errc::BadState.
  void close();

  // The source address the kernel would use now: one of this host's, on a link other than
  // own_device. None: there is no route. Costs one system call pair, asks nobody else.
  std::optional<IpAddress> source_for(const IpAddress& destination);

  // The kernel asks for a neighbour's hardware address and repeats the question after a second (RFC
  // 4861 section 10, and ARP alike): a link that was not through yet when it was asked first costs
  // that second. Gives up the questions that are open on other links than own_device, so that the
  // next packet asks at once; what waited for their answers is lost. Says how many there were.
  std::size_t ask_neighbours_anew();

 private:
  NetlinkMonitor(const asio::any_io_executor& executor, std::string own_device);
  Status subscribe();
  Status reload(std::vector<HostChange>& changes);
  bool read_available(std::vector<HostChange>& changes, Status& status);

  std::unique_ptr<NetlinkView> view_;
  std::unique_ptr<NetlinkSocket> requests_;
  asio::posix::stream_descriptor events_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace godwit
