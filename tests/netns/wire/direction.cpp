#include "tests/netns/wire/direction.hpp"

#include <algorithm>
#include <cstring>

namespace godwit::wire {

bool Misfortune::strikes(double loss, double burst) {
  if (loss <= 0) return false;
  const double drawn = std::generate_canonical<double, 53>(rng_);
  if (burst <= 1) return drawn < loss;
  // Into the bad state so often that `loss` of all frames meet it, out of it after `burst`.
  const double into = loss / (burst * std::max(1e-9, 1 - loss));
  bad_ = bad_ ? drawn >= 1 / burst : drawn < into;
  return bad_;
}

void Direction::take(const Settings& settings, Instant now) {
  for (std::size_t taken = 0; taken < 4 * batch_size; ++taken) {
    const tpacket2_hdr* slot = in_.arrived();
    if (slot == nullptr) return;
    if (const std::optional<Instant> due = admit(*slot, settings, now)) {
      Frame* frame = nullptr;
      if (delays_.strikes(settings.reordered, 1)) {
        ++counters_.reordered;
        const Instant late = *due + settings.late;
        frame = late_.emplace(late, std::make_unique<Frame>())->second.get();
      } else {
        frame = &flight_[tail_++ % flight_limit];
      }
      frame->due = *due;
      frame->length = slot->tp_len;
      std::memcpy(frame->octets.data(), reinterpret_cast<const std::uint8_t*>(slot) + slot->tp_mac,
                  slot->tp_len);
    }
    in_.release();
  }
}

std::optional<Instant> Direction::send(Instant now, PcapFile* pcap) {
  for (;;) {
    std::array<mmsghdr, batch_size> messages{};
    std::array<iovec, batch_size> parts;
    unsigned count = 0;
    for (; head_ + count != tail_ && count < batch_size; ++count) {
      Frame& frame = flight_[(head_ + count) % flight_limit];
      if (frame.due > now + early) break;
      parts[count] = {frame.octets.data(), frame.length};
      messages[count].msg_hdr.msg_iov = &parts[count];
      messages[count].msg_hdr.msg_iovlen = 1;
      if (pcap != nullptr) pcap->write(frame.octets.data(), frame.length);
    }
    if (count == 0) break;
    hand_over(messages.data(), count);
    head_ += count;
  }
  send_late(now, pcap);
  std::optional<Instant> next;
  if (head_ != tail_) next = flight_[head_ % flight_limit].due;
  if (!late_.empty()) next = std::min(next.value_or(Instant::max()), late_.begin()->first);
  return next;
}

void Direction::send_late(Instant now, PcapFile* pcap) {
  while (!late_.empty() && late_.begin()->first <= now + early) {
    const auto frame = late_.extract(late_.begin());
    Frame& held = *frame.mapped();
    iovec part{held.octets.data(), held.length};
    mmsghdr message{};
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
    if (pcap != nullptr) pcap->write(held.octets.data(), held.length);
    hand_over(&message, 1);
  }
}

std::optional<Instant> Direction::admit(const tpacket2_hdr& slot, const Settings& settings,
                                        Instant now) {
  ++counters_.received;
  counters_.received_bytes += slot.tp_len;
  if ((slot.tp_status & TP_STATUS_CSUMNOTREADY) != 0) ++counters_.unsummed;
  if (slot.tp_len != slot.tp_snaplen || slot.tp_len > ETH_FRAME_LEN) {
    ++counters_.oversize;
    return std::nullopt;
  }
  if (settings.blackhole) {
    ++counters_.swallowed;
    return std::nullopt;
  }
  if (losses_.strikes(settings.loss[number_], settings.burst)) {
    ++counters_.lost;
    return std::nullopt;
  }
  if (tail_ - head_ == flight_limit) {
    ++counters_.flight_full;
    return std::nullopt;
  }
  return settings.bits_per_second > 0 ? queue(slot.tp_len, settings, now) : now + settings.delay;
}

std::optional<Instant> Direction::queue(std::uint32_t length, const Settings& settings,
                                        Instant now) {
  link_free_ = std::max(link_free_, now);
  const double waiting =
      std::chrono::duration<double>(link_free_ - now).count() * settings.bits_per_second / 8;
  if (settings.queue_bytes > 0 && waiting + length > static_cast<double>(settings.queue_bytes)) {
    ++counters_.queue_full;
    return std::nullopt;
  }
  link_free_ +=
      Nanoseconds{static_cast<std::int64_t>(length * 8.0 * 1e9 / settings.bits_per_second)};
  return link_free_ + settings.delay;
}

void Direction::hand_over(mmsghdr* messages, unsigned count) {
  for (unsigned done = 0; done < count;) {
    const int sent = ::sendmmsg(out_.socket(), messages + done, count - done, 0);
    if (sent > 0) {
      counters_.sent += static_cast<unsigned>(sent);
      done += static_cast<unsigned>(sent);
    } else if (errno != EINTR) {
      ++counters_.unsendable;  // the frame is gone, as on a wire that was pulled
      ++done;
    }
  }
}

}  // namespace godwit::wire
