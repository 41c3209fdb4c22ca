#include "mobility/timeline.hpp"

namespace godwit {

std::string_view to_string(MoveState state) {
  switch (state) {
    case MoveState::UnderWay: return "under way";
    case MoveState::Completed: return "completed";
    case MoveState::Superseded: return "superseded";
    case MoveState::Refused: return "refused";
    case MoveState::Lost: return "lost";
  }
  return "?";
}

std::optional<double> MoveRecord::in_round_trips(Duration span) const {
  if (!rtt || *rtt <= Duration::zero()) return std::nullopt;
  return static_cast<double>(span.count()) / static_cast<double>(rtt->count());
}

MoveRecord& Timeline::begin(MoveRecord record) {
  if (records_.size() == most_records) records_.pop_front();
  return records_.emplace_back(std::move(record));
}

MoveRecord* Timeline::newest(PeerId peer, Side side) {
  for (auto at = records_.rbegin(); at != records_.rend(); ++at) {
    if (at->peer == peer && at->side == side) return &*at;
  }
  return nullptr;
}

const MoveRecord* Timeline::handle_first_byte(PeerId peer, Direction direction, Instant now) {
  const auto found =
      std::find_if(records_.rbegin(), records_.rend(), [&](const MoveRecord& record) {
        return record.peer == peer && record.state != MoveState::Superseded;
      });
  if (found == records_.rend() || found->state != MoveState::Completed) return nullptr;
  auto& stage = direction == Direction::In ? found->first_byte_in : found->first_byte_out;
  if (stage) return nullptr;
  stage = now;
  return &*found;
}

}  // namespace godwit
