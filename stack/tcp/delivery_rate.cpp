#include "stack/tcp/delivery_rate.hpp"

#include <algorithm>

#include "stack/core/sequence.hpp"

namespace godwit {

DeliveryRate::Stamp DeliveryRate::sent(Instant now, std::uint32_t in_flight, std::uint32_t octets) {
  if (in_flight == octets) first_sent_at_ = delivered_at_ = now;  // after a pause
  return {delivered_, lost_, delivered_at_, first_sent_at_, in_flight, application_limited()};
}

void DeliveryRate::delivered(const Stamp& stamp, Instant sent_at, std::uint32_t end,
                             std::uint32_t octets, Instant now) {
  delivered_ += octets;
  delivered_at_ = now;
  if (newest_) {
    const bool newer = sent_at != newest_->sent_at ? newest_->sent_at < sent_at
                                                   : sequence_before(newest_->end, end);
    if (!newer) return;
  }
  newest_ = Newest{stamp, sent_at, end, sent_at - stamp.first_sent_at, now - stamp.delivered_at};
  first_sent_at_ = sent_at;
}

DeliveryRate::Sample DeliveryRate::take(Duration least_round_trip) {
  Sample sample;
  if (limited_until_ != 0 && delivered_ > limited_until_) limited_until_ = 0;
  sample.delivered_ever = delivered_;
  if (!newest_) return sample;
  const Newest newest = *newest_;
  newest_.reset();
  sample.known = true;
  sample.delivered = delivered_ - newest.stamp.delivered;
  sample.delivered_before = newest.stamp.delivered;
  sample.lost = lost_ - newest.stamp.lost;
  sample.in_flight = newest.stamp.in_flight;
  sample.application_limited = newest.stamp.application_limited;
  // Data cannot arrive faster than it was sent: acknowledgements that were held up and come
  // together say nothing else.
  const Duration interval = std::max(newest.send_elapsed, newest.ack_elapsed);
  if (interval >= least_round_trip && interval > Duration{0}) {
    sample.rate =
        static_cast<double>(sample.delivered) * 1e6 / static_cast<double>(interval.count());
  }
  return sample;
}

void DeliveryRate::limited(std::uint32_t in_flight) {
  limited_until_ = std::max<std::uint64_t>(delivered_ + in_flight, 1);
}

void DeliveryRate::forget_path(Instant now) {
  first_sent_at_ = delivered_at_ = now;
  limited_until_ = 0;
  newest_.reset();
}

}  // namespace godwit
