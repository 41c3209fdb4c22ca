// Permission for packets to pass between an interface and the TUN device, for one address family.
// The kernel grants it per interface (IPv4; IPv6 since Linux 6.17) or for the whole host (IPv6
// before). Whatever the grain, the caller keeps strangers' packets out by a rule.
#pragma once

#include <string>

#include "stack/core/ip_address.hpp"

namespace godwit {

class Forwarding {
 public:
  enum class Grain { PerInterface, WholeHost };
  static Grain grain_of(IpFamily family, const std::string& device);

  Forwarding(IpFamily family, Grain grain) : family_{family}, grain_{grain} {}

  // Somebody made the host a router for this family: every interface forwards.
  bool host_is_router() const;
  // Does the interface forward already?
  bool allows(const std::string& interface) const;

  // 0, or errno.
  int allow(const std::string& interface);
  // Takes back what allow() gave to the interface, and what it gave to the host as a whole.
  void withdraw(const std::string& interface) const;
  void withdraw_from_host();
  // A run that was killed had allowed something.
  void adopt() { host_by_us_ = grain_ == Grain::WholeHost; }

 private:
  std::string setting(const std::string& interface) const;
  int open_gate();

  IpFamily family_;
  Grain grain_;
  bool host_by_us_ = false;
};

}  // namespace godwit
