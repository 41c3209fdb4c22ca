#include "stack/io/forwarding.hpp"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "stack/io/system_setting.hpp"

namespace godwit {
namespace {

SystemSetting of_ipv6(const std::string& interface, const char* name) {
  return SystemSetting{"net/ipv6/conf/" + interface + "/" + name};
}

}  // namespace

Forwarding::Grain Forwarding::grain_of(IpFamily family, const std::string& device) {
  if (family == IpFamily::V4) return Grain::PerInterface;
  return of_ipv6(device, "force_forwarding").read() ? Grain::PerInterface : Grain::WholeHost;
}

bool Forwarding::host_is_router() const {
  if (host_by_us_) return false;
  const char* path =
      family_ == IpFamily::V4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
  return SystemSetting{path}.is("1");
}

bool Forwarding::allows(const std::string& interface) const {
  if (grain_ == Grain::WholeHost) return host_is_router();
  return SystemSetting{setting(interface)}.is("1") || (family_ == IpFamily::V6 && host_is_router());
}

std::string Forwarding::setting(const std::string& interface) const {
  if (family_ == IpFamily::V4) return "net/ipv4/conf/" + interface + "/forwarding";
  return "net/ipv6/conf/" + interface + "/force_forwarding";
}

int Forwarding::allow(const std::string& interface) {
  if (grain_ == Grain::PerInterface) return SystemSetting{setting(interface)}.write("1");
  return host_by_us_ || host_is_router() ? 0 : open_gate();
}

// The one switch for all makes each interface behave as a router's, and forgets the default
// routes learnt from router advertisements unless accept_ra is 2. Neither is wanted: only the
// gate is to open, and each interface remains a host's.
int Forwarding::open_gate() {
  struct Kept {
    SystemSetting setting;
    std::string value;
  };
  std::vector<Kept> kept;
  const auto keep = [&kept](SystemSetting setting) {
    if (const auto value = setting.read()) kept.push_back({std::move(setting), *value});
  };
  std::error_code failure;
  for (const auto& entry :
       std::filesystem::directory_iterator{"/proc/sys/net/ipv6/conf", failure}) {
    const std::string name = entry.path().filename();
    if (name == "all") continue;
    keep(of_ipv6(name, "forwarding"));
    const SystemSetting accept = of_ipv6(name, "accept_ra");
    if (!accept.is("1")) continue;
    keep(accept);
    accept.write("2");
  }
  const int refused = of_ipv6("all", "forwarding").write("1");
  for (const Kept& one : kept) one.setting.write(one.value);
  host_by_us_ = refused == 0;
  return refused;
}

void Forwarding::withdraw(const std::string& interface) const {
  if (grain_ == Grain::WholeHost) return;
  // For IPv4 it is the same switch that makes a router, for IPv6 one of its own.
  if (family_ == IpFamily::V4 && host_is_router()) return;
  SystemSetting{setting(interface)}.write("0");
}

void Forwarding::withdraw_from_host() {
  if (std::exchange(host_by_us_, false)) of_ipv6("all", "forwarding").write("0");
}

}  // namespace godwit
