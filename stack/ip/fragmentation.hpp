// Fragments of tunnelled datagrams. Outside a move nothing Godwit sends is ever fragmented; while
// a tunnel entry stands, a full-size ESP packet with an outer header no longer fits the path, and
// is cut in two rather than lost (S22). IPv4 (RFC 791) and IPv6 (RFC 8200 section 4.5).
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "stack/core/endpoint.hpp"
#include "stack/core/packet.hpp"
#include "stack/core/time.hpp"

namespace godwit {

// Cuts a whole datagram (no extension headers, no options: what wrap() makes) so that every piece
// fits `mtu`; one that fits comes back as it is. `identification` tells its pieces from others'.
std::vector<Packet> fragment(Packet datagram, std::size_t mtu, std::uint32_t identification);

// Puts datagrams together again. Bounded in number, size and time, whatever arrives; pieces that
// overlap void their datagram (RFC 5722), and the oldest unfinished one makes room for a new one.
class Reassembler {
 public:
  static constexpr std::size_t most_datagrams = 64;
  static constexpr std::size_t most_pieces = 8;
  static constexpr Duration patience = std::chrono::seconds{2};

  // Takes one fragment; yields the whole datagram when it was the last that was missing.
  // Errors: Malformed (no fragment, an overlap, an impossible offset). An empty optional: wait.
  Result<std::optional<Packet>> handle_fragment(Packet piece, Instant now);
  std::optional<Deadline> next_deadline() const;
  void handle_timeout(Instant now);
  std::size_t pending() const { return pending_.size(); }

 private:
  struct Key {
    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol;
    std::uint32_t identification;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Piece {
    std::size_t offset;
    Packet packet;  // its IP headers still in front
    std::size_t header_length;
    std::size_t size() const { return packet.size() - header_length; }
  };
  struct Pending {
    Key key;
    Instant until;
    std::vector<Piece> pieces;  // by offset, disjoint
    std::optional<std::size_t> total;
  };
  static std::optional<Packet> assembled(const Pending& pending);

  std::list<Pending> pending_;  // oldest first
};

}  // namespace godwit
