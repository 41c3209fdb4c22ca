#include "tests/sim/conversation.hpp"

#include <algorithm>
#include <array>

#include "stack/wire/big_endian.hpp"
#include "tests/sim/byte_stream.hpp"

namespace godwit::sim {

// --- TCP --------------------------------------------------------------------------------------

void StreamEnd::attach(std::unique_ptr<TcpSocket> socket) {
  socket_ = std::move(socket);
  socket_->set_handler([this] { work(); });
  work();
}

void StreamEnd::send(std::uint64_t bytes) {
  to_send_ += bytes;
  if (socket_) work();
  host_.flush();
}

void StreamEnd::close() {
  close_wanted_ = true;
  if (socket_) work();
  host_.flush();
}

void StreamEnd::reset() {
  reset_ = true;
  if (socket_) socket_->abort();
  host_.flush();
}

void StreamEnd::work() {
  if (reset_) return;
  read();
  write();
  if (close_wanted_ && !closed_ && sent_ == to_send_ &&
      socket_->state() != TcpSocket::State::Connecting) {
    closed_ = true;
    socket_->shutdown_write();
  }
}

void StreamEnd::read() {
  std::array<std::uint8_t, 16384> buffer{};
  while (socket_->readable() > 0) {
    const std::size_t count = socket_->read(buffer);
    for (std::size_t i = 0; i < count; ++i) {
      if (buffer[i] != stream_byte(other_, received_ + i)) corrupt_ = true;
    }
    received_ += count;
    const Instant now = host_.network_time();
    longest_gap_ =
        std::max(longest_gap_, now - std::max(last_arrival_.value_or(now), watched_from_));
    last_arrival_ = now;
  }
}

void StreamEnd::write() {
  std::array<std::uint8_t, 16384> buffer{};
  while (sent_ < to_send_ && socket_->writable() > 0) {
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>({buffer.size(), socket_->writable(), to_send_ - sent_}));
    for (std::size_t i = 0; i < count; ++i) buffer[i] = stream_byte(own_, sent_ + i);
    const std::size_t taken = socket_->write(Bytes{buffer}.first(count));
    if (taken == 0) break;
    sent_ += taken;
  }
}

void StreamEnd::watch_from_here() {
  watched_from_ = host_.network_time();
  longest_gap_ = {};
}

Duration StreamEnd::longest_gap(bool more_is_expected) const {
  if (!more_is_expected) return longest_gap_;
  const Instant now = host_.network_time();
  const Instant since = std::max(last_arrival_.value_or(watched_from_), watched_from_);
  return std::max(longest_gap_, now - since);
}

// --- UDP --------------------------------------------------------------------------------------

ByteString UdpConversation::payload_of(std::uint64_t direction, std::uint64_t count) const {
  ByteString payload(datagram_size);
  store_u32(payload, 0, static_cast<std::uint32_t>(number_));
  store_u32(payload, 4, static_cast<std::uint32_t>(count));
  for (std::size_t i = 8; i < payload.size(); ++i) {
    payload[i] = stream_byte(number_ * 2 + direction, count * datagram_size + i);
  }
  return payload;
}

bool UdpConversation::send_from(SimHost& host, UdpSocket* server_socket) {
  const bool up = &host == &client_;
  Direction& direction = up ? up_ : down_;
  if (!up && (!answer_to_ || server_socket == nullptr)) return false;
  const ByteString payload = payload_of(up ? 0 : 1, direction.sent);
  const Status sent = up ? socket_->send(payload) : server_socket->send_to(payload, *answer_to_);
  host.flush();
  if (!sent) return false;
  ++direction.sent;
  return true;
}

void UdpConversation::read_client() {
  std::array<std::uint8_t, 2048> buffer{};
  while (const auto got = socket_->receive_from(buffer)) {
    arrived(down_, 1, Bytes{buffer}.first(std::min(got->size, buffer.size())),
            client_.network_time());
  }
}

bool UdpConversation::handle_at_server(Bytes payload, const Endpoint& from) {
  if (payload.size() < 8 || load_u32(payload, 0) != number_) return false;
  answer_to_ = from;
  arrived(up_, 0, payload, server_.network_time());
  return true;
}

void UdpConversation::arrived(Direction& direction, std::uint64_t which, Bytes payload,
                              Instant now) const {
  if (payload.size() != datagram_size) {
    direction.corrupt = true;
    return;
  }
  const std::uint64_t count = load_u32(payload, 4);
  if (!std::ranges::equal(payload, payload_of(which, count))) direction.corrupt = true;
  if (!direction.received.insert(count).second) ++direction.twice;
  if (direction.last_arrival) {
    direction.longest_gap = std::max(direction.longest_gap, now - *direction.last_arrival);
  }
  direction.last_arrival = now;
}

}  // namespace godwit::sim
