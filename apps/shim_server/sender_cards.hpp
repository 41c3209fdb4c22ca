// The cards that lie beside datagrams for programs: descriptors whose contents say whom a datagram
// is from, and which nobody can change. Those used last are kept; any number may be on their way.
#pragma once

#include <list>
#include <unordered_map>

#include "apps/node/file.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit::shim {

class SenderCards {
 public:
  static constexpr std::size_t most_kept = 256;

  // None: the kernel has no descriptor left.
  const FileDescriptor& card_of(const Endpoint& sender);

 private:
  struct Entry {
    Endpoint sender;
    FileDescriptor card;
  };
  std::list<Entry> order_;  // the one that was used longest ago first
  std::unordered_map<Endpoint, std::list<Entry>::iterator> places_;
  FileDescriptor none_;
};

}  // namespace godwit::shim
