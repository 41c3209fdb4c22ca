// A name server with one zone and its reverse zone: answers, and takes dynamic updates that its key
// signed (RFC 2136, RFC 8945), read and judged by ldns. Hosts ask it by their operating system, as
// real ones do, so its messages are not on the simulated wire; but they take their time, and an
// answer finds only a host that still has the address which it asked from.
#pragma once

#include <set>
#include <string>

#include "stack/dns/dns_query.hpp"
#include "stack/dns/dynamic_update.hpp"
#include "tests/sim/sim_network.hpp"
#include "tests/support/dns_server.hpp"

namespace godwit::sim {

class SimNameServer {
 public:
  enum class Mood : std::uint8_t { Answers, IsSilent, RefusesUpdates };

  SimNameServer(SimNetwork& network, const IpAddress& address, DnsName zone);
  SimNameServer(const SimNameServer&) = delete;
  SimNameServer& operator=(const SimNameServer&) = delete;

  const Endpoint& endpoint() const { return endpoint_; }
  // The time a message takes in one direction.
  void set_delay(Duration delay) { delay_ = delay; }
  void set_mood(Mood mood) { mood_ = mood; }

  // What a host is configured to, to have its name there follow it; with another's key, no update
  // is taken.
  UpdateSettings settings_for(const std::string& host, bool right_key) const;
  void ask(SimHost& host, DnsQuery query);

  // What stands there, as text.
  std::set<std::string> values(const DnsName& owner, DnsType type) const;
  std::uint64_t updates() const { return updates_; }
  std::uint64_t refusals() const { return refusals_; }

 private:
  struct Judged;  // a message, read

  struct RecordSet {
    std::set<std::string> values;
    std::uint32_t ttl = 0;
  };

  ByteString handle(Bytes message);
  dns_test::Reply answer(const Judged& query) const;
  ByteString update(const Judged& request, Bytes message);
  bool apply(const Judged& request);

  SimNetwork& network_;
  Endpoint endpoint_;
  DnsName zone_;
  TsigKey key_;
  Duration delay_ = std::chrono::milliseconds{10};
  Mood mood_ = Mood::Answers;
  std::map<DnsQuestion, RecordSet> records_;
  std::uint64_t updates_ = 0;
  std::uint64_t refusals_ = 0;
};

// What every clock on the wall of the simulator says.
UnixTime wall_clock(Instant now);

}  // namespace godwit::sim
