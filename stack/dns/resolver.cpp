#include "stack/dns/resolver.hpp"

#include <algorithm>

namespace godwit {
namespace {

using std::chrono::seconds;

// RFC 2308 section 5 lets a "there is none" be remembered for hours. A host that is about to get
// its name would not be found for that long.
constexpr std::uint32_t longest_negative_ttl = 60;
constexpr std::uint32_t default_negative_ttl = 10;  // no SOA in the answer
constexpr std::uint32_t longest_ttl = 86400;

// What a name server may say about a host: an address that one host can have.
bool is_plausible(const IpAddress& address, DnsType type) {
  return type_of(address.family()) == type && address.is_unicast() && !address.is_loopback() &&
         !address.is_link_local();
}

}  // namespace

std::string_view to_string(LookupFailure failure) {
  switch (failure) {
    case LookupFailure::NoSuchName: return "there is no such name";
    case LookupFailure::NoAddress: return "the name has no address";
    case LookupFailure::AliasLoop: return "the name is an alias of aliases without an end";
    case LookupFailure::ServerFailure: return "no name server could say";
    case LookupFailure::Unreachable: return "no name server answered";
    case LookupFailure::Truncated: return "the answer is too long";
    case LookupFailure::TooMany: return "too many names are being asked for";
  }
  return "";
}

// --- inputs -----------------------------------------------------------------------------------

void Resolver::look_up(const DnsQuestion& question, Instant now) {
  if (lookups_.contains(question)) return;
  const auto known = cache_.find(question);
  if (known == cache_.end() || known->second.valid_until <= now) return start(question, now);
  const Cached& answer = known->second;
  if (answer.addresses.empty()) {
    outputs_.push(Failed{question, answer.negative, DnsRcode::NoError});
  } else {
    outputs_.push(Found{question, answer.addresses, answer.valid_until});
  }
}

void Resolver::seek(const DnsQuestion& question, Instant until, Instant now) {
  const auto [search, is_new] =
      searches_.try_emplace(question, Search{until, settings_.shortest_pause, now});
  search->second.until = std::max(search->second.until, until);
  if (is_new) search_on(now);
}

void Resolver::stop_seeking(const DnsQuestion& question) { searches_.erase(question); }

void Resolver::handle_response(DnsQueryId query, const Endpoint& from, Bytes message, Instant now) {
  const auto found = find(query);
  const auto response = parse_response(message);
  // Whoever is not on the path must guess port, id and question; until the right answer comes,
  // wrong ones change nothing (RFC 5452).
  if (found == lookups_.end() || !response || from != server_of(found->second) ||
      response->id != found->second.id || response->opcode != DnsOpcode::Query) {
    ++ignored_;
    return;
  }
  Lookup& lookup = found->second;
  // A server that understood nothing may leave the question out.
  const bool refuses =
      response->rcode != DnsRcode::NoError && response->rcode != DnsRcode::NxDomain;
  if (response->question ? *response->question != lookup.asked : !refuses) {
    ++ignored_;
    return;
  }
  lookup.rcode = response->rcode;
  if (refuses) {
    lookup.reason = LookupFailure::ServerFailure;
    try_next(found, now);
  } else if (response->truncated) {
    ask_by_tcp(found, now);
  } else {
    follow(found, *response, now);
  }
}

void Resolver::handle_unreachable(DnsQueryId query, Instant now) {
  const auto found = find(query);
  if (found != lookups_.end()) try_next(found, now);
}

void Resolver::handle_timeout(Instant now) {
  std::vector<DnsQuestion> due;
  for (const auto& [question, lookup] : lookups_) {
    if (lookup.deadline <= now) due.push_back(question);
  }
  for (const DnsQuestion& question : due) {
    const auto lookup = lookups_.find(question);
    const unsigned tries = settings_.rounds * static_cast<unsigned>(settings_.servers.size());
    if (lookup->second.tries >= tries) {
      fail(lookup, lookup->second.reason, 0, now);
    } else {
      ask(lookup->second, now);
    }
  }
  search_on(now);
}

std::optional<Deadline> Resolver::next_deadline() const {
  std::optional<Deadline> next;
  for (const auto& [question, lookup] : lookups_) {
    next = earliest(next, Deadline{lookup.deadline, "DNS answer"});
  }
  for (const auto& [question, search] : searches_) {
    if (lookups_.contains(question)) continue;
    next = earliest(next, Deadline{search.next, "DNS search"});
  }
  return next;
}

std::optional<std::vector<IpAddress>> Resolver::cached(const DnsQuestion& question,
                                                       Instant now) const {
  const auto known = cache_.find(question);
  if (known == cache_.end() || known->second.valid_until <= now) return std::nullopt;
  return known->second.addresses;
}

// --- one question -----------------------------------------------------------------------------

void Resolver::start(const DnsQuestion& question, Instant now) {
  if (lookups_.size() >= most_lookups) {
    outputs_.push(Failed{question, LookupFailure::TooMany, DnsRcode::NoError});
    return;
  }
  if (settings_.servers.empty()) {
    outputs_.push(Failed{question, LookupFailure::Unreachable, DnsRcode::NoError});
    return;
  }
  const auto [lookup, is_new] = lookups_.try_emplace(question, Lookup{question, longest_ttl});
  if (is_new) ask(lookup->second, now);
}

const Endpoint& Resolver::server_of(const Lookup& lookup) const {
  return settings_
      .servers[(lookup.tries + settings_.servers.size() - 1) % settings_.servers.size()];
}

// A query of its own, with an id of its own, for every try: what answers an older one is late.
void Resolver::ask(Lookup& lookup, Instant now) {
  const std::size_t round = lookup.tries / settings_.servers.size();
  const Duration wait = std::min(settings_.longest_wait, settings_.first_wait * (1 << round));
  ++lookup.tries;
  lookup.transport = DnsTransport::Udp;
  lookup.query = DnsQueryId{++last_query_};
  lookup.id = static_cast<std::uint16_t>(rng_.next_u32());
  lookup.deadline = now + wait;
  outputs_.push(DnsQuery{*lookup.query, server_of(lookup), lookup.transport,
                         write_query(lookup.id, lookup.asked), wait});
}

// A server that cannot say is passed over at once, but a round is not begun before its time:
// servers that all refuse are not asked in a loop.
void Resolver::try_next(Lookups::iterator found, Instant now) {
  Lookup& lookup = found->second;
  lookup.query.reset();
  if (lookup.tries % settings_.servers.size() != 0) ask(lookup, now);
}

void Resolver::ask_by_tcp(Lookups::iterator found, Instant now) {
  Lookup& lookup = found->second;
  lookup.reason = LookupFailure::Truncated;
  if (lookup.transport == DnsTransport::Tcp) return try_next(found, now);
  lookup.transport = DnsTransport::Tcp;
  lookup.query = DnsQueryId{++last_query_};
  lookup.id = static_cast<std::uint16_t>(rng_.next_u32());
  lookup.deadline = now + settings_.longest_wait;
  outputs_.push(DnsQuery{*lookup.query, server_of(lookup), lookup.transport,
                         write_query(lookup.id, lookup.asked), settings_.longest_wait});
}

// From alias to alias within the answer, then to the addresses; or on to the next question.
void Resolver::follow(Lookups::iterator found, const DnsResponse& response, Instant now) {
  Lookup& lookup = found->second;
  const DnsName asked = lookup.asked.name;
  for (;;) {
    const auto alias = std::ranges::find_if(response.answers, [&](const DnsRecord& record) {
      return record.type == DnsType::Cname && record.owner == lookup.asked.name;
    });
    if (alias == response.answers.end()) break;
    if (++lookup.aliases > most_aliases) return fail(found, LookupFailure::AliasLoop, 0, now);
    lookup.ttl = std::min(lookup.ttl, alias->ttl);
    lookup.asked.name = std::get<DnsName>(alias->value);
  }
  std::vector<IpAddress> addresses;
  for (const DnsRecord& record : response.answers) {
    if (record.owner != lookup.asked.name || record.type != lookup.asked.type) continue;
    const auto& address = std::get<IpAddress>(record.value);
    if (!is_plausible(address, record.type) || addresses.size() == most_addresses) continue;
    lookup.ttl = std::min(lookup.ttl, record.ttl);
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  if (!addresses.empty()) return finish(found, std::move(addresses), now);
  const std::uint32_t negative = std::min(
      {response.negative_ttl.value_or(default_negative_ttl), longest_negative_ttl, lookup.ttl});
  if (response.rcode == DnsRcode::NxDomain) {
    return fail(found, LookupFailure::NoSuchName, negative, now);
  }
  if (lookup.asked.name == asked) return fail(found, LookupFailure::NoAddress, negative, now);
  lookup.tries = 0;
  ask(lookup, now);
}

void Resolver::finish(Lookups::iterator found, std::vector<IpAddress> addresses, Instant now) {
  const DnsQuestion question = found->first;
  const Instant valid_until = now + seconds{found->second.ttl};
  lookups_.erase(found);
  remember(question, Cached{addresses, LookupFailure::NoAddress, valid_until}, now);
  outputs_.push(Found{question, std::move(addresses), valid_until});
  pause_search(question, std::max(valid_until, now + settings_.shortest_pause), now);
}

void Resolver::fail(Lookups::iterator found, LookupFailure reason, std::uint32_t ttl, Instant now) {
  const DnsQuestion question = found->first;
  const DnsRcode rcode = found->second.rcode;
  lookups_.erase(found);
  if (ttl > 0) remember(question, Cached{{}, reason, now + seconds{ttl}}, now);
  outputs_.push(Failed{question, reason, rcode});
  pause_search(question, now + settings_.longest_pause, now);
}

// --- cache and search -------------------------------------------------------------------------

void Resolver::remember(const DnsQuestion& question, Cached answer, Instant now) {
  if (answer.valid_until <= now) {
    cache_.erase(question);
    return;
  }
  std::erase_if(cache_, [now](const auto& entry) { return entry.second.valid_until <= now; });
  if (cache_.size() >= most_cached && !cache_.contains(question)) {
    cache_.erase(std::ranges::min_element(
        cache_, {}, [](const auto& entry) { return entry.second.valid_until; }));
  }
  cache_.insert_or_assign(question, std::move(answer));
}

void Resolver::search_on(Instant now) {
  std::erase_if(searches_, [now](const auto& entry) { return entry.second.until <= now; });
  std::vector<DnsQuestion> due;
  for (auto& [question, search] : searches_) {
    if (search.next > now || lookups_.contains(question)) continue;
    search.next = now + search.pause;
    due.push_back(question);
  }
  for (const DnsQuestion& question : due) start(question, now);
}

void Resolver::pause_search(const DnsQuestion& question, Instant latest, Instant now) {
  const auto found = searches_.find(question);
  if (found == searches_.end()) return;
  Search& search = found->second;
  search.next = std::min(now + search.pause, latest);
  search.pause = std::min(search.pause * 2, settings_.longest_pause);
}

Resolver::Lookups::iterator Resolver::find(DnsQueryId query) {
  return std::find_if(lookups_.begin(), lookups_.end(),
                      [query](const auto& entry) { return entry.second.query == query; });
}

}  // namespace godwit
