// Lends the host's own addresses to the stack behind a TUN device: ESP, IP in IP and IKE that
// arrive for an address of this host go to the device instead of the kernel's own stack, and
// what the stack sends from such an address is let through, by the interface that has it. Nothing
// else of the host's traffic is touched, and the host does not become a router. Everything is
// undone by the destructor; what a killed process left is harmless and removed by the next
// install().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"
#include "stack/core/result.hpp"
#include "stack/io/netlink_monitor.hpp"

namespace godwit {

class HostRouting {
 public:
  // The device exists and is up (TunLink::open). Links and addresses are those of the monitor,
  // which outlives this object.
  static Result<std::unique_ptr<HostRouting>> install(const std::string& device,
                                                      InterfaceId interface,
                                                      const NetlinkMonitor& monitor);
  ~HostRouting();
  HostRouting(const HostRouting&) = delete;
  HostRouting& operator=(const HostRouting&) = delete;

  // Every change the monitor reports, in order: new addresses are lent, lost ones taken back,
  // interfaces that appear are treated as those before them, and when the device is up again
  // everything is lent again. The first error; the other changes are followed all the same.
  Status follow(const std::vector<HostChange>& changes);

  // What install() and follow() could not do and go on without, for the log: "IPv6: ...".
  const std::vector<std::string>& warnings() const;

 private:
  struct State;
  explicit HostRouting(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace godwit
