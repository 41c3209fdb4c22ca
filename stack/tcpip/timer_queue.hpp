// Which connection is to be looked at next, of any number. A deadline that moves away, as that of a
// retransmission does with each acknowledgement, costs nothing: the entry is found to be early when
// it comes up, and put where it belongs. Private to stack/tcpip.
#pragma once

#include <optional>
#include <set>
#include <utility>

#include "stack/core/time.hpp"

namespace godwit {

struct ConnectionRecord;

class TimerQueue {
 public:
  // None: the connection waits for nothing.
  void set(ConnectionRecord& record, std::optional<Instant> due);
  void remove(ConnectionRecord& record);
  // The connection with the earliest deadline, its `due`; null: nobody waits.
  const ConnectionRecord* first();
  // A connection whose deadline is not after `now`; its deadline is none from here on.
  ConnectionRecord* expired(Instant now);

 private:
  void put(ConnectionRecord& record, Instant at);
  void settle();  // until the first entry is where its connection wants to be

  std::set<std::pair<Instant, ConnectionRecord*>> entries_;
};

}  // namespace godwit
