// Which flow belongs to which peer and SA: one row for each protected connection (the seed's
// FIG. 4). A move rewrites the rows of one peer in one step; for a while after it, or before it,
// packets that are still under way under the other address of the pair are admitted as if they
// had come under the address of the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"

namespace godwit {

struct Filter {
  FiveTuple flow;
  PeerId peer;
  Spi inbound;
  friend bool operator==(const Filter&, const Filter&) = default;
};

class FilterTable {
 public:
  FilterTable() = default;
  FilterTable(const FilterTable&) = delete;
  FilterTable& operator=(const FilterTable&) = delete;

  // False: the flow has a row, which stays.
  bool add(const Filter& filter);
  bool remove(const FiveTuple& flow);
  std::size_t remove_all(PeerId peer);

  const Filter* match_outbound(const FiveTuple& flow) const;

  // CHANGE FILTERS (S9, S11): the rows of this peer, and of nobody else, that use `from` use
  // `to`. Returns how many were rewritten. A row that would land on a flow which has a row
  // already is taken out instead: nobody takes over another's connection by moving. Grace that
  // led to `from` leads to `to`.
  std::size_t rewrite(PeerId peer, const AddressRewrite& change);
  // The rows that the last rewrite took out, as they were before; each is told once.
  std::vector<Filter> take_displaced();

  // All rows of the peer name this SA: after a rekey, or a new session (S12 keeps it otherwise).
  std::size_t rebind(PeerId peer, Spi inbound);

  // Grace: until then, a packet of this peer under `alias.from` counts as one under `alias.to`.
  // Replaces the contrary alias of the peer, if there is one.
  void accept_also(PeerId peer, const AddressRewrite& alias, Instant until);

  // A packet that `peer`'s SA has authenticated: the flow under which its row stands, or nothing,
  // and then the packet must be dropped or be the first of a connection that policy allows.
  // Any SA of the peer will do: after a rekey two of them overlap. Under grace the result may
  // differ from `observed` in its addresses, even in their family.
  std::optional<FiveTuple> admit(PeerId peer, const FiveTuple& observed, Instant now) const;

  // The same for a flow that has no row, such as a datagram to an unconnected socket: under the
  // addresses that grace makes of it.
  FiveTuple aliased(PeerId peer, FiveTuple observed, Instant now) const;

  // Does some peer's grace still let this address of ours stand for another?
  bool is_graced(const IpAddress& local, Instant now) const;

  std::optional<Deadline> next_deadline() const;  // the end of the next grace
  void expire(Instant now);

  std::vector<Filter> rows_of(PeerId peer) const;  // the oldest first
  std::size_t count_of(PeerId peer) const;
  std::size_t size() const { return rows_.size(); }

 private:
  struct Row {
    Filter filter;
    Row* older;
    Row* newer;
  };
  struct Alias {
    AddressRewrite rewrite;
    Instant until;
  };
  // What there is for one peer; erased when it is nothing.
  struct PeerRows {
    Row* oldest = nullptr;
    Row* newest = nullptr;
    std::size_t count = 0;
    std::vector<Alias> aliases;
  };
  using Rows = std::unordered_map<FiveTuple, Row>;

  // More addresses than a pair of hosts leaves behind within one grace; the oldest goes first.
  static constexpr std::size_t most_aliases = 8;

  bool belongs(const FiveTuple& flow, PeerId peer) const;
  void link(PeerRows& peer, Row& row);
  void unlink(PeerRows& peer, Row& row);
  void retarget(PeerRows& peer, const AddressRewrite& change);
  template <class Condition>
  void drop_aliases(PeerRows& peer, Condition condition);
  void forget_if_empty(PeerId peer);

  Rows rows_;
  std::unordered_map<PeerId, PeerRows> peers_;
  std::vector<Filter> displaced_;
  std::size_t aliases_ = 0;
  // No grace ends before; it may be that none ends then, either, for some are replaced.
  Instant next_end_{};
};

}  // namespace godwit
