// The addresses of this host, and which of them connections may use. An address that the host
// leaves is not forgotten: it is held as DEPRECATED, for the connections that still stand on it,
// until the last of them has moved away or its time is over (S4, S14, S15).
//
//                 handle_tentative          handle_address_added
//                       |                           |
//                   TENTATIVE --- added ------> PREFERRED <-----------------+
//                                                   |                       | handle_preferred, or
//                       another address is preferred, or this one is lost   | it comes back before
//                                                   v                       | there is a successor
//                                              DEPRECATED ------------------+
//                                                   |
//                          release(), or its hold time is over
//                                                   v
//                         gone; while the host still has it: LEFT --- handle_preferred -->
//                         PREFERRED
//
// Which address is to be used is never guessed: handle_preferred() says it, because only the
// host's routing (or a DHCP client, or a person) knows. PREFERRED has the sense of RFC 4862: free
// for use; a host may have several such addresses, and one *chosen* among them per family.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/machine.hpp"

namespace godwit {

enum class AddressState : std::uint8_t { Tentative, Preferred, Deprecated, Left };

std::string_view to_string(AddressState state);  // "TENTATIVE", "PREFERRED", ...

// The address may be used: for new connections, for listening. The stack gives it a netif.
struct AddressPreferred {
  IpAddress address;
};
// ADDRESS DEPRECATED (S4, S5). No successor: the host has nowhere to go yet. Said again when a
// successor is there, when it is another one, or when the old path dies after all.
struct AddressDeprecated {
  IpAddress address;
  std::optional<IpAddress> successor;
  OldPath old_path;
  Instant held_until;
};
enum class AddressEnd : std::uint8_t { Released, HoldTimeOver };
// Nothing may use the address any more; its netif goes.
struct AddressRemoved {
  IpAddress address;
  AddressEnd end;
};

// How long an address is held that was lost or left behind. Until its validity ends, if that is
// known (S14); never longer than `hold_time`, never shorter than `timed_wait` after it was lost
// (OLD_ADDRESS_TIMED_WAIT, S15).
struct HoldTimes {
  Duration hold_time = std::chrono::hours{12};
  Duration timed_wait = std::chrono::seconds{30};
};

class AddressManager {
 public:
  using Output = std::variant<AddressPreferred, AddressDeprecated, AddressRemoved>;

  explicit AddressManager(HoldTimes times = {}) : times_{times} {}
  AddressManager(const AddressManager&) = delete;
  AddressManager& operator=(const AddressManager&) = delete;

  // The host is about to have this address; duplicate address detection still runs.
  void handle_tentative(const IpPrefix& address, Instant now);
  // The host has this address; or its validity (none: for ever) is another one. An address that
  // was lost and has no successor yet is back in use; one that is being left stays DEPRECATED.
  void handle_address_added(const IpPrefix& address, std::optional<Instant> valid_until,
                            Instant now);
  // The host has it no more. PREFERRED: break before make, held for those who stand on it.
  void handle_address_lost(const IpAddress& address, Instant now);
  // Traffic leaves from this address. The one that was chosen before in its family, and every
  // address that is held for a successor, gives way to it. Unknown addresses are ignored.
  void handle_preferred(const IpAddress& address, Instant now);
  // Nobody stands on this DEPRECATED address any more (S11).
  void release(const IpAddress& address);
  void handle_timeout(Instant now);

  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const;

  // The address for a new connection to `destination`; only PREFERRED ones (S4). On the same
  // subnet if there is one, else the chosen one, else the oldest.
  std::optional<IpAddress> source_for(const IpAddress& destination) const;
  // The chosen address of the family, if it can be used.
  std::optional<IpAddress> source_for(IpFamily family) const;
  // May a new connection or listener use it?
  bool is_preferred(const IpAddress& address) const;
  // Is it ours, in any state but LEFT?
  bool is_held(const IpAddress& address) const;

  struct Entry {
    IpPrefix prefix;  // the address, with the subnet's length
    AddressState state;
    bool assigned;                       // the host has it
    std::optional<Instant> valid_until;  // none: for ever
    std::optional<IpAddress> successor;  // DEPRECATED only
    std::optional<Instant> held_until;   // DEPRECATED only
  };
  const std::vector<Entry>& list() const { return entries_; }  // the oldest first

 private:
  Entry* find(const IpAddress& address);
  const Entry* find(const IpAddress& address) const;
  std::optional<IpAddress>& chosen(IpFamily family) {
    return family == IpFamily::V4 ? chosen_v4_ : chosen_v6_;
  }
  const std::optional<IpAddress>& chosen(IpFamily family) const {
    return family == IpFamily::V4 ? chosen_v4_ : chosen_v6_;
  }
  void prefer(Entry& entry);
  void deprecate(Entry& entry, std::optional<IpAddress> successor, Instant now);
  void say_deprecated(const Entry& entry);
  void erase(const Entry& entry);
  void end(const IpAddress& address, AddressEnd how);
  Instant hold_end(const Entry& entry, Instant now) const;

  HoldTimes times_;
  std::vector<Entry> entries_;
  std::optional<IpAddress> chosen_v4_;
  std::optional<IpAddress> chosen_v6_;
  OutputQueue<Output> outputs_;
};

static_assert(Machine<AddressManager>);

}  // namespace godwit
