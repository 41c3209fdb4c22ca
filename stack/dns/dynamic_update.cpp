#include "stack/dns/dynamic_update.hpp"

#include <algorithm>

namespace godwit {
namespace {

// How long the edge listens for the answer to one try.
constexpr Duration answer_patience = std::chrono::seconds{5};
// Tries whose answers are still known; more than one update sends.
constexpr std::size_t most_sent = 16;
// RFC 1035 section 4.2.1: beyond that, TCP (RFC 2136 section 6.2).
constexpr std::size_t largest_datagram = 512;

UpdateFailure failure_of(DnsRcode rcode, TsigError error) {
  switch (error) {
    case TsigError::BadKey: return UpdateFailure::BadKey;
    case TsigError::BadSig:
    case TsigError::BadTrunc: return UpdateFailure::BadSignature;
    case TsigError::BadTime: return UpdateFailure::BadTime;
    case TsigError::None: break;
  }
  switch (rcode) {
    case DnsRcode::NotAuth:
    case DnsRcode::NotZone:
    case DnsRcode::NxDomain: return UpdateFailure::NotOurZone;
    case DnsRcode::Refused: return UpdateFailure::Refused;
    case DnsRcode::FormErr:
    case DnsRcode::NotImp: return UpdateFailure::NotUnderstood;
    case DnsRcode::NoError: return UpdateFailure::NotGenuine;
    default: return UpdateFailure::ServerFailure;
  }
}

}  // namespace

std::string_view to_string(UpdateFailure failure) {
  switch (failure) {
    case UpdateFailure::Unreachable: return "the server does not answer";
    case UpdateFailure::NotOurZone: return "the server does not hold this zone";
    case UpdateFailure::Refused: return "the server refuses the update";
    case UpdateFailure::BadKey: return "the server does not know the key";
    case UpdateFailure::BadSignature: return "the server finds the signature wrong";
    case UpdateFailure::BadTime: return "the server's clock and ours differ";
    case UpdateFailure::ServerFailure: return "the server failed";
    case UpdateFailure::NotUnderstood: return "the server does not understand updates";
    case UpdateFailure::NotGenuine: return "the answer is not signed with our key";
    case UpdateFailure::NoReverseZone: return "the address lies in none of the reverse zones";
  }
  return "";
}

std::string_view advice(UpdateFailure failure) {
  switch (failure) {
    case UpdateFailure::Unreachable:
      return "check dns.update.server, and that port 53 is open on the way";
    case UpdateFailure::NotOurZone:
      return "dns.update.server must be the zone's primary; check the names of the zones";
    case UpdateFailure::Refused:
      return "allow this key to update the zone at the server (allow-update, update-policy or acl)";
    case UpdateFailure::BadKey:
      return "dns.update.key.name must name a key that the server has and lets update the zone";
    case UpdateFailure::BadSignature:
      return "secret and algorithm of dns.update.key must be those of the server";
    case UpdateFailure::BadTime: return "set the clock of this host or of the server";
    case UpdateFailure::ServerFailure:
      return "the server's log says why (often a zone file it may not write)";
    case UpdateFailure::NotUnderstood:
      return "dns.update.server must be a server that takes dynamic updates";
    case UpdateFailure::NotGenuine:
      return "key and secret must be those of the server; or somebody else answers in its place";
    case UpdateFailure::NoReverseZone:
      return "add its zone to dns.update.reverse_zones, or ask whoever owns the network";
  }
  return "";
}

UnixTime WallClock::now(Instant instant) const {
  const auto since = std::chrono::floor<std::chrono::seconds>(instant - at);
  return UnixTime{time.seconds + static_cast<std::uint64_t>(since.count())};
}

DynamicUpdate::DynamicUpdate(UpdateSettings settings, Rng& rng, WallClock clock)
    : settings_{std::move(settings)}, rng_{rng}, clock_{clock} {
  jobs_.emplace_back(settings_.zone, Kind::Forward);
  for (const DnsName& zone : settings_.reverse_zones) jobs_.emplace_back(zone, Kind::Reverse);
}

// --- inputs -----------------------------------------------------------------------------------

void DynamicUpdate::handle_addresses(const std::vector<IpAddress>& addresses, Instant now) {
  Addresses present;
  for (const IpAddress& address : addresses) {
    const bool is_public =
        address.is_unicast() && !address.is_loopback() && !address.is_link_local();
    if (is_public) present.insert(address);
  }
  if (present.empty()) return;
  report_orphans(present);
  for (Job& job : jobs_) {
    if (job.kind == Kind::Forward) {
      want(job, present, now);
      continue;
    }
    Addresses inside;
    for (const IpAddress& address : present) {
      const DnsName* zone = reverse_zone_of(address);
      if (zone && *zone == job.zone) inside.insert(address);
    }
    want(job, std::move(inside), now);
  }
}

void DynamicUpdate::handle_response(DnsQueryId query, const Endpoint& from, Bytes message,
                                    Instant now) {
  const auto response = parse_response(message);
  for (Job& job : jobs_) {
    const auto sent = std::ranges::find(job.sent, query, &Sent::query);
    if (sent == job.sent.end()) continue;
    if (!response || from != settings_.server || response->id != sent->id ||
        response->opcode != DnsOpcode::Update) {
      break;
    }
    judge(job, Sent{*sent}, *response, message, now);
    return;
  }
  ++ignored_;
}

void DynamicUpdate::handle_timeout(Instant now) {
  for (Job& job : jobs_) {
    if (job.deadline > now) continue;
    if (!job.under_way) {
      if (!job.is_settled()) start(job, now);
    } else if (job.claim) {
      fail(job, Verdict{*job.claim}, now);
    } else if (job.tries >= settings_.tries) {
      fail(job, Verdict{UpdateFailure::Unreachable, DnsRcode::NoError}, now);
    } else {
      send(job, now);
    }
  }
}

std::optional<Deadline> DynamicUpdate::next_deadline() const {
  std::optional<Deadline> next;
  for (const Job& job : jobs_) {
    if (job.under_way) {
      next = earliest(next, Deadline{job.deadline, "DNS update answer"});
    } else if (!job.is_settled()) {
      next = earliest(next, Deadline{job.deadline, "DNS update"});
    }
  }
  return next;
}

bool DynamicUpdate::is_settled() const { return std::ranges::all_of(jobs_, &Job::is_settled); }

// --- what is to be written --------------------------------------------------------------------

// The deepest of the configured zones: a delegated one is held by somebody else than its parent.
const DnsName* DynamicUpdate::reverse_zone_of(const IpAddress& address) const {
  const DnsName name = DnsName::reverse_of(address);
  const DnsName* deepest = nullptr;
  for (const DnsName& zone : settings_.reverse_zones) {
    if (!name.is_within(zone)) continue;
    if (!deepest || zone.text().size() > deepest->text().size()) deepest = &zone;
  }
  return deepest;
}

void DynamicUpdate::report_orphans(const Addresses& addresses) {
  constexpr std::size_t most_remembered = 64;
  if (settings_.reverse_zones.empty()) return;
  if (orphans_.size() > most_remembered) orphans_.clear();
  for (const IpAddress& address : addresses) {
    if (reverse_zone_of(address) || !orphans_.insert(address).second) continue;
    outputs_.push(Failed{DnsName::reverse_of(address), UpdateFailure::NoReverseZone,
                         DnsRcode::NoError, std::nullopt, std::nullopt});
  }
}

void DynamicUpdate::want(Job& job, Addresses addresses, Instant now) {
  if (addresses == job.wanted) return;
  job.wanted = std::move(addresses);
  ++job.generation;
  job.under_way = false;  // what is under way tells of addresses that are gone
  job.back_off.reset();
  job.deadline = job.started ? std::max(now, *job.started + settings_.shortest_pause) : now;
  if (job.deadline <= now && !job.is_settled()) start(job, now);
}

// RFC 2136 section 2.5. The name is this host's own, so its address records are replaced whole:
// what an earlier life of this process has left goes too. Of the PTR records of an address that
// was left only ours goes: a stranger may have the address by then.
std::vector<DnsChange> DynamicUpdate::changes_of(const Job& job) const {
  std::vector<DnsChange> changes;
  const std::uint32_t ttl = settings_.ttl;
  if (job.kind == Kind::Forward) {
    changes.emplace_back(DeleteRrset{settings_.name, DnsType::A});
    changes.emplace_back(DeleteRrset{settings_.name, DnsType::Aaaa});
    for (const IpAddress& address : job.wanted) {
      changes.emplace_back(AddRecord{{settings_.name, type_of(address.family()), ttl, address}});
    }
    return changes;
  }
  for (const IpAddress& address : job.written) {
    if (job.wanted.contains(address)) continue;
    changes.emplace_back(
        DeleteRecord{{DnsName::reverse_of(address), DnsType::Ptr, 0, settings_.name}});
  }
  for (const IpAddress& address : job.wanted) {
    const DnsName owner = DnsName::reverse_of(address);
    changes.emplace_back(DeleteRrset{owner, DnsType::Ptr});
    changes.emplace_back(AddRecord{{owner, DnsType::Ptr, ttl, settings_.name}});
  }
  return changes;
}

// --- one update -------------------------------------------------------------------------------

void DynamicUpdate::start(Job& job, Instant now) {
  job.under_way = true;
  job.started = now;
  job.tries = 0;
  job.claim.reset();
  job.confirmed.reset();
  send(job, now);
}

void DynamicUpdate::send(Job& job, Instant now) {
  const Duration wait = std::min(settings_.longest_wait, settings_.first_wait * (1 << job.tries));
  ++job.tries;
  job.deadline = now + wait;
  const auto id = static_cast<std::uint16_t>(rng_.next_u32());
  SignedMessage message{write_update(id, job.zone, changes_of(job)), {}};
  if (settings_.key) message = sign_request(message.bytes, *settings_.key, clock_.now(now));
  job.written.insert(job.wanted.begin(), job.wanted.end());
  if (job.sent.size() == most_sent) job.sent.erase(job.sent.begin());
  job.sent.push_back(Sent{DnsQueryId{++last_query_}, id, std::move(message.mac), job.generation});
  const DnsTransport transport =
      message.bytes.size() > largest_datagram ? DnsTransport::Tcp : DnsTransport::Udp;
  outputs_.push(DnsQuery{job.sent.back().query, settings_.server, transport,
                         std::move(message.bytes), answer_patience});
}

// An answer without proof ends nothing: the genuine one may still be on its way. It is what the
// failure is called if none comes.
void DynamicUpdate::judge(Job& job, const Sent& sent, const DnsResponse& response, Bytes message,
                          Instant now) {
  TsigVerdict tsig{TsigVerdict::Proof::Genuine};
  const UnixTime time = clock_.now(now);
  if (settings_.key) {
    const auto verified = verify_response(message, *settings_.key, sent.mac, time);
    if (!verified) {
      ++ignored_;
      return;
    }
    tsig = *verified;
  }
  Verdict verdict{failure_of(response.rcode, tsig.error), response.rcode};
  if (tsig.proof != TsigVerdict::Proof::Genuine) {
    if (sent.generation == job.generation && job.under_way) job.claim = verdict;
    return;
  }
  std::erase_if(job.sent, [&](const Sent& other) { return other.query == sent.query; });
  if (sent.generation != job.generation) return handle_late_answer(job, now);
  if (job.is_settled()) return;
  // Also after it was given up: done is done.
  if (response.rcode == DnsRcode::NoError && tsig.error == TsigError::None) return succeed(job);
  if (!job.under_way) return;
  if (tsig.server_time) {
    verdict.server_ahead = static_cast<std::int64_t>(tsig.server_time->seconds) -
                           static_cast<std::int64_t>(time.seconds);
  }
  fail(job, verdict, now);
}

// A server that answers an older update after the newest was done may have done the older one
// last. The newest is written once more.
void DynamicUpdate::handle_late_answer(Job& job, Instant now) {
  if (job.under_way || !job.is_settled()) return;
  job.confirmed.reset();
  job.deadline = std::max(now, *job.started + settings_.shortest_pause);
}

void DynamicUpdate::succeed(Job& job) {
  job.under_way = false;
  job.written = job.wanted;
  job.confirmed = job.wanted;
  job.back_off.reset();
  job.reported.reset();
  outputs_.push(Published{job.zone, {job.wanted.begin(), job.wanted.end()}});
}

void DynamicUpdate::fail(Job& job, const Verdict& verdict, Instant now) {
  const Duration back_off = job.back_off.value_or(settings_.first_back_off);
  job.under_way = false;
  job.claim.reset();
  job.deadline = now + back_off;
  job.back_off = std::min(back_off * 2, settings_.longest_back_off);
  if (job.reported == verdict.reason) return;
  job.reported = verdict.reason;
  outputs_.push(Failed{job.zone, verdict.reason, verdict.rcode, verdict.server_ahead, back_off});
}

}  // namespace godwit
