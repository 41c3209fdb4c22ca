// Where a destination is that a program of this host names: for every way in the same answer.
#pragma once

#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>

#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"

namespace godwit {

class Node;

// Names that are asked of servers of their own.
class ZoneLookup {
 public:
  virtual ~ZoneLookup() = default;
  // Then nobody else is to be asked, whatever comes of it.
  virtual bool is_asked_for(const std::string& name) const = 0;
  // Empty: there is none, or nobody answered.
  virtual asio::awaitable<std::vector<IpAddress>> look_up(std::string name) = 0;
};

// A peer is where its session is, whatever DNS says; without one and without a configured address,
// where the name servers of the configuration say. Every other name is its zone's, or else the
// host's resolver's.
class NameLookup {
 public:
  // `node` outlives it.
  NameLookup(asio::any_io_executor executor, Node& node);
  // `zones` outlives the lookup's work.
  void ask_zones(ZoneLookup& zones) { zones_ = &zones; }
  // Empty: nowhere. `name` is lower case, without a dot at its end.
  asio::awaitable<std::vector<IpAddress>> find(std::string name);

 private:
  asio::awaitable<std::vector<IpAddress>> await_found(PeerId peer);

  asio::any_io_executor executor_;
  Node& node_;
  ZoneLookup* zones_ = nullptr;
  asio::ip::tcp::resolver resolver_;
};

}  // namespace godwit
