// Asks name servers for the addresses of a name. An answer is used until its TTL has passed, then
// asked for anew; whoever seeks a host that is silent has it asked again and again (S17). What
// comes is believed to be an answer only if query, server, id and question fit, and even then it is
// a hint: keys decide who is there.
//
//   look_up --> asked at server 1 -- silence, or it cannot say --> asked at the next, in rounds
//                  |      truncated: asked again by TCP                      |
//                  v                                                        v  all rounds are over
//                Found, or Failed: no such name, no address  <--------    Failed
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "stack/core/machine.hpp"
#include "stack/core/random.hpp"
#include "stack/dns/dns_message.hpp"
#include "stack/dns/dns_query.hpp"

namespace godwit {

struct ResolverSettings {
  std::vector<Endpoint> servers;
  Duration first_wait = std::chrono::milliseconds{800};  // for one server, in the first round
  Duration longest_wait = std::chrono::seconds{4};       // doubled from round to round up to this
  unsigned rounds = 3;
  // Between two questions for a host that is sought: from the first to the second, doubling.
  Duration shortest_pause = std::chrono::milliseconds{250};
  Duration longest_pause = std::chrono::seconds{30};
};

enum class LookupFailure : std::uint8_t {
  NoSuchName,     // NXDOMAIN: said by a server
  NoAddress,      // the name exists, without an address of this family
  AliasLoop,      // CNAMEs that do not end
  ServerFailure,  // SERVFAIL, REFUSED and the like from every server
  Unreachable,    // no server answered
  Truncated,      // too long, by TCP as well
  TooMany,        // more names are being asked for than there is room for
};

std::string_view to_string(LookupFailure failure);

class Resolver {
 public:
  static constexpr std::size_t most_lookups = 128;
  static constexpr std::size_t most_cached = 512;
  static constexpr std::size_t most_addresses = 16;  // of one answer
  static constexpr unsigned most_aliases = 8;

  struct Found {
    DnsQuestion question;
    std::vector<IpAddress> addresses;
    Instant valid_until;
  };
  struct Failed {
    DnsQuestion question;
    LookupFailure reason;
    DnsRcode rcode;  // of the last server that said something
  };
  using Output = std::variant<DnsQuery, Found, Failed>;

  // Without servers every look-up fails. `rng` is lent for the resolver's life.
  Resolver(ResolverSettings settings, Rng& rng) : settings_{std::move(settings)}, rng_{rng} {}
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Found or Failed follows, from the cache at once. Asked already: the same answer serves both.
  void look_up(const DnsQuestion& question, Instant now);
  // The host is silent where the last answer said it is: asks the servers now, and again with
  // growing pauses until `until`, at the latest when an answer's TTL has passed. Repeated calls
  // prolong it. Each answer is an output.
  void seek(const DnsQuestion& question, Instant until, Instant now);
  void stop_seeking(const DnsQuestion& question);

  void handle_response(DnsQueryId query, const Endpoint& from, Bytes message, Instant now);
  // The edge could not send it, or the network said that nobody is there.
  void handle_unreachable(DnsQueryId query, Instant now);
  void handle_timeout(Instant now);
  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const;

  std::optional<std::vector<IpAddress>> cached(const DnsQuestion& question, Instant now) const;
  // Messages that were no answer to what was asked.
  std::uint64_t ignored() const { return ignored_; }
  std::size_t cache_size() const { return cache_.size(); }

 private:
  struct Cached {
    std::vector<IpAddress> addresses;  // none: there is none
    LookupFailure negative;            // why
    Instant valid_until;
  };
  struct Lookup {
    DnsQuestion asked;  // at the end of the chain of aliases so far
    std::uint32_t ttl;  // the smallest of that chain
    unsigned aliases = 0;
    unsigned tries = 0;
    std::optional<DnsQueryId> query{};
    std::uint16_t id = 0;
    DnsTransport transport = DnsTransport::Udp;
    Instant deadline{};
    LookupFailure reason = LookupFailure::Unreachable;
    DnsRcode rcode = DnsRcode::NoError;
  };
  struct Search {
    Instant until;
    Duration pause;
    Instant next;
  };
  using Lookups = std::map<DnsQuestion, Lookup>;

  void start(const DnsQuestion& question, Instant now);
  void ask(Lookup& lookup, Instant now);
  void try_next(Lookups::iterator lookup, Instant now);
  void ask_by_tcp(Lookups::iterator lookup, Instant now);
  void follow(Lookups::iterator lookup, const DnsResponse& response, Instant now);
  void finish(Lookups::iterator lookup, std::vector<IpAddress> addresses, Instant now);
  void fail(Lookups::iterator lookup, LookupFailure reason, std::uint32_t ttl, Instant now);
  void remember(const DnsQuestion& question, Cached answer, Instant now);
  void search_on(Instant now);
  void pause_search(const DnsQuestion& question, Instant latest, Instant now);
  const Endpoint& server_of(const Lookup& lookup) const;
  Lookups::iterator find(DnsQueryId query);

  ResolverSettings settings_;
  Rng& rng_;
  Lookups lookups_;
  std::map<DnsQuestion, Search> searches_;
  std::map<DnsQuestion, Cached> cache_;
  std::uint32_t last_query_ = 0;
  std::uint64_t ignored_ = 0;
  OutputQueue<Output> outputs_;
};

static_assert(Machine<Resolver>);

}  // namespace godwit
