// What happened when: one record for each move of each peer, ours and theirs, the newest last and
// bounded in number. For people, status and benchmarks; nothing is decided from it (B8).
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string_view>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"

namespace godwit {

enum class MoveState : std::uint8_t {
  UnderWay,  // announced, or about to be
  Completed,
  Superseded,  // the next move came first
  Refused,     // the peer cannot follow to this address
  Lost,        // the connections ended
};

std::string_view to_string(MoveState state);

// The stages of a move, in the order in which they come when all goes well.
struct MoveRecord {
  PeerId peer;
  Side side;  // Local: we moved; Remote: the peer did
  IpAddress from;
  IpAddress to;
  OldPath old_path;
  MoveState state = MoveState::UnderWay;
  std::optional<Instant> lost_at{};         // the old address went, and there was no other yet
  Instant detected{};                       // the new address was there; Remote: the announcement
  std::optional<Instant> deprecated{};      // nothing new uses the old address any more
  std::optional<Instant> announced{};       // the first announcement left
  std::optional<Instant> acknowledged{};    // Local: its answer came; Remote: ours left
  std::optional<Instant> completed{};       // our side is rewritten
  std::optional<Instant> first_byte_in{};   // new data of the peer arrived again
  std::optional<Instant> first_byte_out{};  // new data of ours was acknowledged again
  std::optional<Instant> proven{};          // the new address has been shown to be the mover's (B5)
  std::optional<Duration> rtt{};            // as known before the move
  unsigned attempts = 0;                    // announcements sent

  std::optional<Instant> first_byte() const {
    if (!first_byte_in || !first_byte_out) return first_byte_in ? first_byte_in : first_byte_out;
    return std::min(*first_byte_in, *first_byte_out);
  }
  // Between two of the instants above, in round trips of the path that was left.
  std::optional<double> in_round_trips(Duration span) const;
};

class Timeline {
 public:
  static constexpr std::size_t most_records = 256;

  MoveRecord& begin(MoveRecord record);
  // The newest record of that peer and side, if it is still kept.
  MoveRecord* newest(PeerId peer, Side side);
  // New data got through: the newest completed move of the peer, if it waits for that.
  const MoveRecord* handle_first_byte(PeerId peer, Direction direction, Instant now);

  const std::deque<MoveRecord>& records() const { return records_; }

 private:
  std::deque<MoveRecord> records_;
};

}  // namespace godwit
