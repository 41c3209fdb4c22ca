// An application at one end of a TCP connection: writes a known stream of bytes, and checks that
// what it reads is exactly the known stream of the other end, in order, nothing twice.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "stack/core/time.hpp"
#include "stack/tcpip/tcp_socket.hpp"

namespace godwit::sim {

// The n-th byte of stream `seed`; never the same for two streams for long.
inline std::uint8_t stream_byte(std::uint64_t seed, std::uint64_t n) {
  std::uint64_t x = (n / 8 + 1) * 0x9e3779b97f4a7c15 ^ seed * 0xbf58476d1ce4e5b9;
  x ^= x >> 31;
  x *= 0x94d049bb133111eb;
  return static_cast<std::uint8_t>(x >> (8 * (n % 8)));
}

class ByteStream {
 public:
  // Sends `to_send` bytes of stream `own`, then FIN; expects `to_receive` bytes of stream `other`.
  ByteStream(std::unique_ptr<TcpSocket> socket, std::uint64_t own, std::uint64_t to_send,
             std::uint64_t other, std::uint64_t to_receive)
      : socket_{std::move(socket)},
        own_{own},
        to_send_{to_send},
        other_{other},
        to_receive_{to_receive} {
    socket_->set_handler([this] { work(); });
    work();
  }

  bool done() const { return sent_ == to_send_ && received_ == to_receive_ && !corrupt_; }
  bool corrupt() const { return corrupt_; }
  std::optional<Error> error() const { return socket_->error(); }
  std::uint64_t received() const { return received_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t to_send() const { return to_send_; }
  std::uint64_t to_receive() const { return to_receive_; }
  TcpSocket& socket() { return *socket_; }

 private:
  void work() {
    std::vector<std::uint8_t> buffer(16384);
    while (socket_->readable() > 0) {
      const std::size_t count = socket_->read(buffer);
      for (std::size_t i = 0; i < count; ++i) {
        if (buffer[i] != stream_byte(other_, received_ + i)) corrupt_ = true;
      }
      received_ += count;
      if (received_ > to_receive_) corrupt_ = true;
    }
    while (sent_ < to_send_ && socket_->writable() > 0) {
      const std::size_t count = static_cast<std::size_t>(
          std::min<std::uint64_t>({buffer.size(), socket_->writable(), to_send_ - sent_}));
      for (std::size_t i = 0; i < count; ++i) buffer[i] = stream_byte(own_, sent_ + i);
      const std::size_t taken = socket_->write(Bytes{buffer}.first(count));
      if (taken == 0) break;
      sent_ += taken;
      if (sent_ == to_send_) socket_->shutdown_write();
    }
  }

  std::unique_ptr<TcpSocket> socket_;
  std::uint64_t own_;
  std::uint64_t to_send_;
  std::uint64_t other_;
  std::uint64_t to_receive_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  bool corrupt_ = false;
};

}  // namespace godwit::sim
