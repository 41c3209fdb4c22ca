#include "mobility/migration_responder.hpp"

#include <algorithm>

namespace godwit {
namespace {

// Where a peer could live that is reached over any network. Link-local means another host on
// every link, so it cannot be carried from one to the next.
bool can_be_moved_to(const IpAddress& address) {
  return address.is_unicast() && !address.is_loopback() && !address.is_link_local();
}

constexpr std::uint16_t encapsulation_port = 4500;  // RFC 3948

const IpAddress& outermost_source(const Path& path) {
  return path.outer ? path.outer->remote : path.remote.address;
}

}  // namespace

MigrationResponder::Verdict MigrationResponder::handle_change(const AddressChange& notice,
                                                              const Path& came_by, bool is_ours,
                                                              Translation translation) {
  if (followed_ && notice.counter < *followed_) {
    return {MoveOutcome::Superseded, false, {}, address_};
  }
  const IpAddress& source = outermost_source(came_by);
  // Through a NAT the peer is where it is seen, whatever it is called behind it. Nothing but UDP
  // encapsulation passes a NAT (RFC 7296 section 2.23), so what came in a tunnel or to another port
  // must have come from the address it names.
  const bool translated = source != notice.to;
  const bool may_be_translated = translation == Translation::Allowed &&
                                 notice.translation == Translation::Allowed && !came_by.outer &&
                                 came_by.local.port == encapsulation_port;
  const bool possible = can_be_moved_to(source) && !is_ours &&
                        source.family() == address_.family() && (!translated || may_be_translated);
  if (!possible) return {MoveOutcome::Refused, false, {}, address_};

  const IpAddress to = source;
  Verdict verdict{MoveOutcome::Moved, followed_ != notice.counter || address_ != to, {}, to};
  for (const IpAddress& from : notice.from) {
    if (translated) break;  // what it is called behind a NAT means nothing here
    const bool listed =
        std::find(verdict.from.begin(), verdict.from.end(), from) != verdict.from.end();
    if (from != to && from != address_ && !listed) verdict.from.push_back(from);
  }
  verdict.from.push_back(address_);
  followed_ = notice.counter;
  address_ = to;
  return verdict;
}

}  // namespace godwit
