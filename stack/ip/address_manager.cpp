#include "stack/ip/address_manager.hpp"

#include <algorithm>

namespace godwit {
namespace {

// A link-local address speaks with its own kind only.
bool fits(const IpAddress& source, const IpAddress& destination) {
  return source.family() == destination.family() &&
         source.is_link_local() == destination.is_link_local();
}

}  // namespace

std::string_view to_string(AddressState state) {
  switch (state) {
    case AddressState::Tentative: return "TENTATIVE";
    case AddressState::Preferred: return "PREFERRED";
    case AddressState::Deprecated: return "DEPRECATED";
    case AddressState::Left: return "LEFT";
  }
  return "?";
}

void AddressManager::handle_tentative(const IpPrefix& address, Instant) {
  if (find(address.address)) return;
  entries_.push_back({address, AddressState::Tentative, true, {}, {}, {}});
}

void AddressManager::handle_address_added(const IpPrefix& address,
                                          std::optional<Instant> valid_until, Instant) {
  Entry* entry = find(address.address);
  if (!entry) {
    entries_.push_back({address, AddressState::Tentative, false, {}, {}, {}});
    entry = &entries_.back();
  }
  entry->prefix = address;
  entry->assigned = true;
  entry->valid_until = valid_until;
  const bool comes_back = entry->state == AddressState::Deprecated && !entry->successor;
  if (entry->state == AddressState::Tentative || comes_back) prefer(*entry);
}

void AddressManager::handle_address_lost(const IpAddress& address, Instant now) {
  Entry* entry = find(address);
  if (!entry || !entry->assigned) return;
  entry->assigned = false;
  switch (entry->state) {
    case AddressState::Tentative:
    case AddressState::Left: erase(*entry); return;
    case AddressState::Preferred: {
      // An address beside the chosen one is succeeded by it; the chosen one waits for the next.
      const auto& next = chosen(address.family());
      const bool succeeded = next && *next != address && is_preferred(*next);
      deprecate(*entry, succeeded ? next : std::nullopt, now);
      break;
    }
    case AddressState::Deprecated: say_deprecated(*entry); break;
  }
  for (Entry& other : entries_) {
    if (other.state != AddressState::Deprecated || other.successor != address) continue;
    other.successor.reset();
    say_deprecated(other);
  }
}

void AddressManager::handle_preferred(const IpAddress& address, Instant now) {
  Entry* entry = find(address);
  if (!entry || !entry->assigned || entry->state == AddressState::Tentative) return;
  if (entry->state != AddressState::Preferred) prefer(*entry);
  const auto before = std::exchange(chosen(address.family()), address);
  for (Entry& other : entries_) {
    const IpAddress& candidate = other.prefix.address;
    if (candidate == address || candidate.family() != address.family()) continue;
    if (other.state == AddressState::Preferred && before == candidate) {
      deprecate(other, address, now);
    } else if (other.state == AddressState::Deprecated && other.successor != address) {
      other.successor = address;
      say_deprecated(other);
    }
  }
}

void AddressManager::release(const IpAddress& address) {
  const Entry* entry = find(address);
  if (entry && entry->state == AddressState::Deprecated) end(address, AddressEnd::Released);
}

void AddressManager::handle_timeout(Instant now) {
  std::vector<IpAddress> over;
  for (const Entry& entry : entries_) {
    if (entry.held_until && *entry.held_until <= now) over.push_back(entry.prefix.address);
  }
  for (const IpAddress& address : over) end(address, AddressEnd::HoldTimeOver);
}

std::optional<Deadline> AddressManager::next_deadline() const {
  std::optional<Deadline> next;
  for (const Entry& entry : entries_) {
    if (entry.held_until) next = earliest(next, Deadline{*entry.held_until, "address hold time"});
  }
  return next;
}

std::optional<IpAddress> AddressManager::source_for(const IpAddress& destination) const {
  const auto& favourite = chosen(destination.family());
  const Entry* best = nullptr;
  int best_rank = -1;
  for (const Entry& entry : entries_) {
    const IpAddress& address = entry.prefix.address;
    if (entry.state != AddressState::Preferred || !fits(address, destination)) continue;
    // The subnet's length counts first, and the choice decides between equals.
    const int rank = 2 * (entry.prefix.contains(destination) ? entry.prefix.length : 0) +
                     (favourite == address ? 1 : 0);
    if (rank <= best_rank) continue;
    best = &entry;
    best_rank = rank;
  }
  if (!best) return std::nullopt;
  return best->prefix.address;
}

std::optional<IpAddress> AddressManager::source_for(IpFamily family) const {
  const auto& favourite = chosen(family);
  return favourite && is_preferred(*favourite) ? favourite : std::nullopt;
}

bool AddressManager::is_preferred(const IpAddress& address) const {
  const Entry* entry = find(address);
  return entry && entry->state == AddressState::Preferred;
}

bool AddressManager::is_held(const IpAddress& address) const {
  const Entry* entry = find(address);
  return entry && entry->state != AddressState::Left;
}

AddressManager::Entry* AddressManager::find(const IpAddress& address) {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.prefix.address == address; });
  return at == entries_.end() ? nullptr : &*at;
}

const AddressManager::Entry* AddressManager::find(const IpAddress& address) const {
  return const_cast<AddressManager*>(this)->find(address);
}

void AddressManager::prefer(Entry& entry) {
  entry.state = AddressState::Preferred;
  entry.successor.reset();
  entry.held_until.reset();
  outputs_.push(AddressPreferred{entry.prefix.address});
}

void AddressManager::deprecate(Entry& entry, std::optional<IpAddress> successor, Instant now) {
  entry.state = AddressState::Deprecated;
  entry.successor = successor;
  entry.held_until = hold_end(entry, now);
  say_deprecated(entry);
}

void AddressManager::say_deprecated(const Entry& entry) {
  outputs_.push(AddressDeprecated{entry.prefix.address, entry.successor,
                                  entry.assigned ? OldPath::Alive : OldPath::Gone,
                                  *entry.held_until});
}

void AddressManager::end(const IpAddress& address, AddressEnd how) {
  Entry* entry = find(address);
  if (chosen(address.family()) == address) chosen(address.family()).reset();
  if (entry->assigned) {
    entry->state = AddressState::Left;
    entry->successor.reset();
    entry->held_until.reset();
  } else {
    erase(*entry);
  }
  outputs_.push(AddressRemoved{address, how});
}

void AddressManager::erase(const Entry& entry) {
  entries_.erase(entries_.begin() + (&entry - entries_.data()));
}

Instant AddressManager::hold_end(const Entry& entry, Instant now) const {
  const Instant latest = now + times_.hold_time;
  if (!entry.valid_until) return latest;
  return std::clamp(*entry.valid_until, std::min(now + times_.timed_wait, latest), latest);
}

}  // namespace godwit
