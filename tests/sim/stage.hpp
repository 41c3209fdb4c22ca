// What a scenario plays on: a network, hosts that are each other's peers, strangers, and what
// applications say to each other; with everything that must always hold checked at every step.
// Hosts are described first, and exist once start() was called.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/conversation.hpp"
#include "tests/sim/invariants.hpp"
#include "tests/sim/sim_name_server.hpp"
#include "tests/sim/sim_network.hpp"
#include "tests/sim/sim_stranger.hpp"

namespace godwit::sim {

struct HostPlan {
  std::vector<IpAddress> addresses;
  bool expected = false;           // the others' configuration names its addresses
  std::vector<PolicyRule> policy;  // none: everything is protected
  MobilityConfig mobility;
  bool plain_channel = false;  // in IKE's place (S24); between two hosts
  DnsConfig dns;
};

class Stage {
 public:
  explicit Stage(std::uint64_t seed);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  SimNetwork& network() { return network_; }
  Invariants& invariants() { return invariants_; }

  // --- who there is
  HostPlan& plan(const std::string& name) { return plans_[name]; }
  void add_stranger(const std::string& name);
  void start();
  SimHost& host(const std::string& name) { return *hosts_.at(name); }
  const std::map<std::string, std::unique_ptr<SimHost>>& hosts() const { return hosts_; }
  SimNameServer& add_name_server(const std::string& name, const IpAddress& address, DnsName zone);
  SimNameServer& name_server(const std::string& name) { return *name_servers_.at(name); }
  SimStranger& stranger(const std::string& name) { return *strangers_.at(name); }
  SimAccess& access(const std::string& name);

  // --- what they say. Errors: why it could not be opened.
  Status open_tcp(const std::string& name, SimHost& client, SimHost& server, std::uint16_t port);
  Status open_udp(const std::string& name, SimHost& client, SimHost& server, std::uint16_t port);
  TcpConversation* tcp(const std::string& name);
  UdpConversation* udp(const std::string& name);
  bool send_datagram(UdpConversation& conversation, SimHost& from);
  const std::vector<std::unique_ptr<TcpConversation>>& conversations() const { return tcp_; }
  // Everything sent on streams that nobody reset has arrived.
  bool is_complete() const;
  void forget_events(const std::string& host) { host_events_from_[host] = host_of(host).size(); }
  std::size_t events_from(const std::string& host) { return host_events_from_[host]; }

  // The newest packets that were sent to a host, as an attacker on the path has them.
  std::vector<ByteString> overheard(SimHost& host) const;

  // --- what went wrong. The place is put in front of what is said from then on.
  void set_place(std::string place) { place_ = std::move(place); }
  void fail(const std::string& what);
  const std::vector<std::string>& failures() const { return failures_; }
  bool has_failed() const { return !failures_.empty(); }

 private:
  struct UdpServer {
    SimHost* host;
    std::uint16_t port;
    std::unique_ptr<UdpSocket> socket;
  };
  static constexpr std::size_t most_failures = 10;
  static constexpr std::size_t most_overheard = 4000;

  std::vector<Event>& host_of(const std::string& name) { return host(name).events(); }
  Config config_of(const std::string& name, const std::map<std::string, ByteString>& keys) const;
  Status listen(SimHost& host, std::uint16_t port);
  void accept(SimHost& host, TcpAcceptor& acceptor);
  UdpServer* udp_server(const SimHost& host, std::uint16_t port);
  void read_server(UdpServer& server);

  std::uint64_t seed_;
  std::string place_;
  std::vector<std::string> failures_;
  SimNetwork network_;
  Invariants invariants_;
  std::map<std::string, HostPlan> plans_;
  std::map<std::string, std::unique_ptr<SimHost>> hosts_;
  std::map<std::string, std::unique_ptr<SimStranger>> strangers_;
  std::map<std::string, std::unique_ptr<SimNameServer>> name_servers_;
  std::map<std::string, std::size_t> host_events_from_;
  std::map<std::pair<SimHost*, std::uint16_t>, std::unique_ptr<TcpAcceptor>> acceptors_;
  std::vector<std::unique_ptr<TcpConversation>> tcp_;
  std::vector<std::unique_ptr<UdpServer>> udp_servers_;
  std::vector<std::unique_ptr<UdpConversation>> udp_;
  std::map<std::string, UdpConversation*> udp_by_name_;
  std::map<std::string, std::pair<SimHost*, std::uint16_t>> udp_ports_;
  std::vector<ByteString> overheard_;
  std::uint64_t next_number_ = 1;
};

}  // namespace godwit::sim
