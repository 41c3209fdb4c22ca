// Names at work for one node: where a peer is that has no address or is silent (S17), and telling
// where this host is (S18). Resolver and dynamic update behind one door, in terms of peers and
// events; still a machine. What DNS says is a hint: nothing here or above believes it before keys
// have spoken.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apps/node/dns_config.hpp"
#include "stack/core/ids.hpp"
#include "stack/dns/dynamic_update.hpp"
#include "stack/dns/resolver.hpp"

namespace godwit {

class NameService {
 public:
  // Why the addresses are told. Sought: the peer is silent, and these are another set than the
  // one that was told last.
  enum class Purpose : std::uint8_t { Asked, Sought };
  struct PeerFound {
    PeerId peer;
    std::vector<IpAddress> addresses;
    Purpose purpose;
  };
  struct PeerNotFound {
    PeerId peer;
    std::string reason;
  };
  struct Published {
    std::string zone;
    std::vector<IpAddress> addresses;
  };
  struct Failed {
    std::string what;
    std::string reason;
  };
  using Output = std::variant<PeerFound, PeerNotFound, Published, Failed>;

  // PeerId is the index of its name. `rng` is lent for the service's life.
  NameService(const DnsConfig& config, const std::vector<std::string>& peer_names, Rng& rng,
              Instant now);

  // PeerFound or PeerNotFound follows.
  void find(PeerId peer, Instant now);
  bool can_find(PeerId peer) const;
  // The peer of this name, if it can be found.
  std::optional<PeerId> peer_called(std::string_view name) const;
  // The peer is silent; it may have moved. Said again while it is.
  void seek(PeerId peer, Instant now);
  void stop_seeking(PeerId peer);
  // What DNS said last; empty when its TTL has passed.
  std::vector<IpAddress> addresses_of(PeerId peer, Instant now) const;

  // Those that connections to this host may use.
  void handle_addresses(const std::vector<IpAddress>& addresses, Instant now);
  void handle_wall_clock(UnixTime time, Instant now);
  void handle_response(DnsQueryId query, const Endpoint& from, Bytes message, Instant now);
  void handle_unreachable(DnsQueryId query, Instant now);
  void handle_timeout(Instant now);

  std::optional<Output> poll() { return outputs_.poll(); }
  // To be sent by the edge, and cleared.
  std::vector<DnsQuery>& outgoing() { return outgoing_; }
  std::optional<Deadline> next_deadline() const;

 private:
  struct Peer {
    std::optional<DnsName> name;  // none: what people call it is no name DNS could know
    bool asked = false;
    bool sought = false;
    std::vector<IpAddress> told{};                        // in this search
    std::map<DnsType, std::vector<IpAddress>> answers{};  // while asked; none: there is none
  };

  void settle();
  void carry_out(DnsQuery& query, std::uint32_t machine);
  void carry_out(const Resolver::Found& found);
  void carry_out(const Resolver::Failed& failed);
  void take(PeerId id, DnsType type, std::vector<IpAddress> addresses, std::string_view reason);
  void carry_out(const DynamicUpdate::Published& published);
  void carry_out(const DynamicUpdate::Failed& failed);

  std::vector<Peer> peers_;
  std::multimap<DnsName, PeerId> peer_of_;
  Resolver resolver_;
  bool has_servers_;
  std::optional<DynamicUpdate> update_;
  std::vector<DnsQuery> outgoing_;
  OutputQueue<Output> outputs_;
};

static_assert(Machine<NameService>);

}  // namespace godwit
