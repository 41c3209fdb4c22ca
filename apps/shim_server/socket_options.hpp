// The options of one socket: which there are, what may be set and what is answered. What the stack
// cannot do is refused, so that no program believes it has what it has not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include <sys/socket.h>

#include "apps/node/channel.hpp"
#include "apps/shim/shim_message.hpp"
#include "stack/core/bytes.hpp"

namespace godwit::shim {

class SocketOptions {
 public:
  // `usual`: the congestion control of who chooses none.
  SocketOptions(IpFamily family, Transport transport, Congestion usual = Congestion::Cubic)
      : family_{family}, transport_{transport}, usual_{usual} {}

  // 0 or an errno, as setsockopt() has it.
  int set(std::uint32_t level, std::uint32_t name, Bytes value);
  // The value, or an errno.
  std::variant<ByteString, int> get(std::uint32_t level, std::uint32_t name) const;

  ChannelOptions for_channel() const;
  bool only_v6() const;
  // Closing throws away what was not sent and resets.
  bool closes_with_reset() const { return linger_.l_onoff != 0 && linger_.l_linger == 0; }

 private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;
  struct Rule;
  // Null: this kind of socket has no such option.
  const Rule* rule_for(Key key) const;
  bool has(const Rule& rule) const;
  int value_of(const Rule& rule) const;

  IpFamily family_;
  Transport transport_;
  Congestion usual_;
  std::optional<Congestion> congestion_;
  std::map<Key, int> values_;  // those that were set
  linger linger_{};
};

}  // namespace godwit::shim
