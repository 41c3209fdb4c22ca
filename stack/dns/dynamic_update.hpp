// Tells the world where this host is: whenever its addresses change, A and AAAA of its name and
// the PTR of each address are written into the zones that hold them (RFC 2136, signed by TSIG),
// with a small TTL (S18). Nobody waits for it: a move goes on whether or not a server answers.
//
// Each zone is a job of its own, so that a reverse zone that is not ours never holds up the name.
//
//    SETTLED --- other addresses ---> WAITING (the pause since the last update) ---> UNDER WAY
//       ^                                ^                                            |  |  |
//       |                                +---- other addresses: the newest wins ------+  |  |
//       |                                +---- refused, or no answer: reported, later ---+  |
//       +------------------------------------- done: reported ------------------------------+
#pragma once

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "stack/core/machine.hpp"
#include "stack/core/random.hpp"
#include "stack/dns/dns_message.hpp"
#include "stack/dns/dns_query.hpp"
#include "stack/dns/tsig.hpp"

namespace godwit {

struct UpdateSettings {
  Endpoint server;
  DnsName name;  // of this host: its address records belong to it alone
  DnsName zone;
  std::vector<DnsName> reverse_zones{};  // none: no PTR is written
  std::uint32_t ttl = 30;
  std::optional<TsigKey> key{};
  // Between the starts of two updates of a zone: a host that flaps does not storm its server.
  Duration shortest_pause = std::chrono::seconds{1};
  // One update is sent again while nothing answers: the network may not be ready yet.
  Duration first_wait = std::chrono::milliseconds{250};
  Duration longest_wait = std::chrono::seconds{4};
  unsigned tries = 6;
  Duration first_back_off = std::chrono::seconds{5};
  Duration longest_back_off = std::chrono::minutes{10};
};

enum class UpdateFailure : std::uint8_t {
  Unreachable,    // no answer
  NotOurZone,     // NOTAUTH, NOTZONE, NXDOMAIN: the server does not hold this zone
  Refused,        // REFUSED
  BadKey,         // TSIG: the server does not know the key
  BadSignature,   // TSIG: another secret, or another algorithm
  BadTime,        // TSIG: the clocks differ
  ServerFailure,  // SERVFAIL and whatever else a server may have
  NotUnderstood,  // FORMERR, NOTIMP: the server does no updates
  NotGenuine,     // an answer that our key did not sign: it is not believed
  NoReverseZone,  // an address that lies in none of the reverse zones
};

std::string_view to_string(UpdateFailure failure);
// What a person can do about it.
std::string_view advice(UpdateFailure failure);

// The time of day, as it was known at some instant.
struct WallClock {
  UnixTime time;
  Instant at;
  UnixTime now(Instant instant) const;
};

class DynamicUpdate {
 public:
  struct Published {
    DnsName zone;
    std::vector<IpAddress> addresses;  // that this zone tells of
  };
  // Said once for each reason, until the zone's next success.
  struct Failed {
    DnsName zone;  // NoReverseZone: the name of the PTR record
    UpdateFailure reason;
    DnsRcode rcode;
    std::optional<std::int64_t> server_ahead;  // BadTime: by so many seconds
    std::optional<Duration> again_in;          // none: with the next address
  };
  using Output = std::variant<DnsQuery, Published, Failed>;

  // `rng` is lent for the machine's life.
  DynamicUpdate(UpdateSettings settings, Rng& rng, WallClock clock);
  DynamicUpdate(const DynamicUpdate&) = delete;
  DynamicUpdate& operator=(const DynamicUpdate&) = delete;

  // All addresses that connections to this host may use. None: the host can tell nobody, and
  // what is written stays.
  void handle_addresses(const std::vector<IpAddress>& addresses, Instant now);
  // The time of day may be set at any time; signatures follow it.
  void handle_wall_clock(WallClock clock) { clock_ = clock; }
  void handle_response(DnsQueryId query, const Endpoint& from, Bytes message, Instant now);
  void handle_timeout(Instant now);
  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const;

  bool is_settled() const;
  std::uint64_t ignored() const { return ignored_; }

 private:
  using Addresses = std::set<IpAddress>;
  enum class Kind : std::uint8_t { Forward, Reverse };
  struct Sent {
    DnsQueryId query;
    std::uint16_t id;
    ByteString mac;
    unsigned generation;  // of the addresses it tells of
  };
  struct Verdict {
    UpdateFailure reason;
    DnsRcode rcode;
    std::optional<std::int64_t> server_ahead{};
  };
  struct Job {
    Job(DnsName its_zone, Kind its_kind) : zone{std::move(its_zone)}, kind{its_kind} {}
    DnsName zone;
    Kind kind;
    Addresses wanted{};
    unsigned generation = 0;
    Addresses written{};  // what of ours the zone may hold
    // What the zone holds, if nothing is under way that may change it.
    std::optional<Addresses> confirmed = Addresses{};
    std::vector<Sent> sent{};
    bool under_way = false;
    unsigned tries = 0;
    Instant deadline{};  // under way: of this try; else: of the next start
    std::optional<Instant> started{};
    std::optional<Duration> back_off{};
    // What somebody said without proof: it may be true, it may be forged.
    std::optional<Verdict> claim{};
    std::optional<UpdateFailure> reported{};

    bool is_settled() const { return confirmed == wanted; }
  };

  const DnsName* reverse_zone_of(const IpAddress& address) const;
  void want(Job& job, Addresses addresses, Instant now);
  void report_orphans(const Addresses& addresses);
  std::vector<DnsChange> changes_of(const Job& job) const;
  void start(Job& job, Instant now);
  void send(Job& job, Instant now);
  void judge(Job& job, const Sent& sent, const DnsResponse& response, Bytes message, Instant now);
  void handle_late_answer(Job& job, Instant now);
  void succeed(Job& job);
  void fail(Job& job, const Verdict& verdict, Instant now);

  UpdateSettings settings_;
  Rng& rng_;
  WallClock clock_;
  std::vector<Job> jobs_;
  Addresses orphans_;  // reported as lying in no reverse zone
  std::uint32_t last_query_ = 0;
  std::uint64_t ignored_ = 0;
  OutputQueue<Output> outputs_;
};

static_assert(Machine<DynamicUpdate>);

}  // namespace godwit
