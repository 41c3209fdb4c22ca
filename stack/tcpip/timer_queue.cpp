#include "stack/tcpip/timer_queue.hpp"

#include "stack/tcpip/connection_record.hpp"

namespace godwit {

void TimerQueue::put(ConnectionRecord& record, Instant at) {
  if (record.timer_entry) {
    auto node = entries_.extract({*record.timer_entry, &record});
    node.value().first = at;
    entries_.insert(std::move(node));
  } else {
    entries_.emplace(at, &record);
  }
  record.timer_entry = at;
}

void TimerQueue::remove(ConnectionRecord& record) {
  record.due.reset();
  if (!record.timer_entry) return;
  entries_.erase({*record.timer_entry, &record});
  record.timer_entry.reset();
}

void TimerQueue::set(ConnectionRecord& record, std::optional<Instant> due) {
  record.due = due;
  if (due && (!record.timer_entry || *due < *record.timer_entry)) put(record, *due);
}

void TimerQueue::settle() {
  while (!entries_.empty()) {
    ConnectionRecord& first = *entries_.begin()->second;
    if (first.due == first.timer_entry) return;
    if (first.due) {
      put(first, *first.due);
    } else {
      remove(first);
    }
  }
}

const ConnectionRecord* TimerQueue::first() {
  settle();
  return entries_.empty() ? nullptr : entries_.begin()->second;
}

ConnectionRecord* TimerQueue::expired(Instant now) {
  const ConnectionRecord* next = first();
  if (next == nullptr || *next->due > now) return nullptr;
  ConnectionRecord& record = *entries_.begin()->second;
  remove(record);
  return &record;
}

}  // namespace godwit
