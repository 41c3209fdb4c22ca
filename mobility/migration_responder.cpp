#include "mobility/migration_responder.hpp"

#include <algorithm>

namespace godwit {
namespace {

// Where a peer could live that is reached over any network. Link-local means another host on
// every link, so it cannot be carried from one to the next.
bool can_be_moved_to(const IpAddress& address) {
  return address.is_unicast() && !address.is_loopback() && !address.is_link_local();
}

const IpAddress& outermost_source(const Path& path) {
  return path.outer ? path.outer->remote : path.remote.address;
}

}  // namespace

MigrationResponder::Verdict MigrationResponder::handle_change(const AddressChange& notice,
                                                              const Path& came_by, bool is_ours) {
  if (followed_ && notice.counter < *followed_) return {MoveOutcome::Superseded, false, {}};
  const bool possible = can_be_moved_to(notice.to) && !is_ours &&
                        notice.to.family() == address_.family() &&
                        outermost_source(came_by) == notice.to;
  if (!possible) return {MoveOutcome::Refused, false, {}};

  Verdict verdict{MoveOutcome::Moved, followed_ != notice.counter, {}};
  for (const IpAddress& from : notice.from) {
    const bool listed =
        std::find(verdict.from.begin(), verdict.from.end(), from) != verdict.from.end();
    if (from != notice.to && from != address_ && !listed) verdict.from.push_back(from);
  }
  verdict.from.push_back(address_);
  followed_ = notice.counter;
  address_ = notice.to;
  return verdict;
}

}  // namespace godwit
