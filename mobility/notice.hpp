// What two mobility services say to each other, and its form in bytes. The control channel (IKE,
// or anything that is authenticated and ordered by request and answer) carries the type beside the
// body and understands neither (S24).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"

namespace godwit {

enum class NoticeType : std::uint8_t {
  AddressChange,
  MigrationCompleted,
  SessionTermination,
  PathEcho,
  PeerAddresses,
};
inline constexpr std::array notice_types{NoticeType::AddressChange, NoticeType::MigrationCompleted,
                                         NoticeType::SessionTermination, NoticeType::PathEcho,
                                         NoticeType::PeerAddresses};

// One notice that we sent to one peer; never used twice.
struct NoticeId {
  PeerId peer;
  std::uint32_t number;  // of an AddressChange: its counter
  friend auto operator<=>(const NoticeId&, const NoticeId&) = default;
};

using Nonce = std::array<std::uint8_t, 16>;

// May something on the way have given the packet another source address? Refused: the announcement
// counts only if it came from the very address it names (RFC 4555 section 3.9 has the same choice).
enum class Translation : std::uint8_t { Allowed, Refused };

// The ACM: what stood at any of `from` stands at `to` (S6). The first of `from` is the address the
// mobile host's connections stand at, the others are those of earlier moves that were not
// completed: the correspondent may have followed them, or not. `to` may be one of them: back home.
struct AddressChange {
  static constexpr std::size_t most_former_addresses = 4;
  static constexpr std::size_t most_associations = 16;
  // Padded to this: the answer to an address that nobody has proven is never the larger of the two,
  // so it cannot serve to amplify (RFC 9000 section 8.1 has the reason).
  static constexpr std::size_t least_length = 57;

  std::uint32_t counter;  // of the sender, towards this peer; the newest wins
  std::vector<IpAddress> from;
  IpAddress to;
  OldPath old_path;
  std::vector<Spi> associations;  // the sender's inbound SPIs
  Nonce nonce;
  Translation translation = Translation::Allowed;
  friend bool operator==(const AddressChange&, const AddressChange&) = default;
};

enum class MoveOutcome : std::uint8_t {
  Moved,       // everything of the sender stands at `to`
  Superseded,  // a newer announcement has been followed already
  Refused,     // `to` cannot be, or the announcement did not come from there
};

// The acknowledgement (S8).
struct MigrationCompleted {
  std::uint32_t counter;  // of the AddressChange
  MoveOutcome outcome;
  Nonce nonce;    // of the AddressChange
  Endpoint seen;  // where the announcement came from, outermost; port 0 in a tunnel
  Nonce echo;     // to be sent back by who is reached at `to`; all zero: there is nothing to prove
  friend bool operator==(const MigrationCompleted&, const MigrationCompleted&) = default;
};

enum class TerminationReason : std::uint8_t { HoldTimeOver = 1 };

// What stood at `address` ends on both sides (S14).
struct SessionTermination {
  IpAddress address;
  std::vector<Spi> associations;
  TerminationReason reason;
  friend bool operator==(const SessionTermination&, const SessionTermination&) = default;
};

// The mobile host is reached where it says: it returns what only that place was told (B5). A
// request of its own, behind the first data, so that the proof costs no round trip.
struct PathEcho {
  Nonce echo;
  friend bool operator==(const PathEcho&, const PathEcho&) = default;
};

// Where else the sender can be reached; replaces what it said before. For the day on which both
// ends move and neither hears of it (S17). Hints: keys decide.
struct PeerAddresses {
  static constexpr std::size_t most_addresses = 8;
  std::vector<IpAddress> addresses;
  friend bool operator==(const PeerAddresses&, const PeerAddresses&) = default;
};

using Notice =
    std::variant<AddressChange, MigrationCompleted, SessionTermination, PathEcho, PeerAddresses>;

NoticeType type_of(const Notice& notice);
std::string_view to_string(NoticeType type);  // "ADDRESS_CHANGE", ...

ByteString write_notice(const Notice& notice);
// Errors: Truncated, Malformed. Reserved fields are ignored, so that later versions can use them.
Result<Notice> parse_notice(NoticeType type, Bytes body);

}  // namespace godwit
