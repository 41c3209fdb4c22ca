// The side that stays, towards one peer: judges an announcement and says what follows from it
// (S7 to S9). The newest counter wins; one that was followed already is acknowledged again, an
// older one is answered and ignored. An announcement that cannot be true changes nothing.
#pragma once

#include <optional>
#include <vector>

#include "mobility/notice.hpp"

namespace godwit {

class MigrationResponder {
 public:
  explicit MigrationResponder(const IpAddress& address) : address_{address} {}

  struct Verdict {
    MoveOutcome outcome;
    bool news;                    // the first time: there is something to rewrite
    std::vector<IpAddress> from;  // every address the peer may stand at here; the last one is
                                  // where we held it, and may be the new one itself
    IpAddress to;                 // where it stands from now on, as it is seen from here
  };
  // `is_ours`: it came from one of our own addresses.
  // `translation`: may a NAT be on the way?
  Verdict handle_change(const AddressChange& notice, const Path& came_by, bool is_ours,
                        Translation translation);

  // A new control channel: the peer's counters may have started again.
  void handle_new_channel(const IpAddress& remote) {
    address_ = remote;
    followed_.reset();
  }

  const IpAddress& address() const { return address_; }  // where we hold the peer

 private:
  IpAddress address_;
  std::optional<std::uint32_t> followed_;
};

}  // namespace godwit
