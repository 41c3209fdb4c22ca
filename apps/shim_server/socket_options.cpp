#include "apps/shim_server/socket_options.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace godwit::shim {
namespace {

constexpr std::uint8_t ecn_bits = 0x03;           // RFC 3168: the stack's, not the program's
constexpr std::size_t most_congestion_name = 16;  // with the octet that ends it: TCP_CA_NAME_MAX
constexpr int most_buffer = 212992;               // net.core.wmem_max, as Linux has it by default
constexpr int highest_int = std::numeric_limits<int>::max();

enum class Kind : std::uint8_t {
  Switch,  // 0 or 1
  Number,  // least to most, else EINVAL
  Buffer,  // Linux answers twice what was asked for
  Class,   // DSCP and ECN, in one octet if the caller likes
};
enum class Sockets : std::uint8_t { All, Streams, Datagrams, V6, V6Streams };

template <class T>
ByteString bytes_of(const T& value) {
  ByteString out(sizeof value);
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

std::optional<int> int_in(Bytes value) {
  if (value.size() < sizeof(int)) return std::nullopt;
  int number = 0;
  std::memcpy(&number, value.data(), sizeof number);
  return number;
}

}  // namespace

struct SocketOptions::Rule {
  Key key;
  Kind kind;
  Sockets sockets;
  int initial;
  int least;
  int most;
};

// Keep-alive: peers are watched by Godwit in any case, so its times are noted and not needed. The
// user timeout (RFC 5482) as well: how long a peer is held is configured for each peer.
const SocketOptions::Rule* SocketOptions::rule_for(Key key) const {
  static constexpr Rule rules[] = {
      {{SOL_SOCKET, SO_REUSEADDR}, Kind::Switch, Sockets::All, 0, 0, 1},
      {{SOL_SOCKET, SO_REUSEPORT}, Kind::Switch, Sockets::All, 0, 0, 1},
      {{SOL_SOCKET, SO_KEEPALIVE}, Kind::Switch, Sockets::All, 0, 0, 1},
      {{SOL_SOCKET, SO_OOBINLINE}, Kind::Switch, Sockets::All, 0, 0, 1},
      {{SOL_SOCKET, SO_SNDBUF}, Kind::Buffer, Sockets::Streams, 16384, 4608, most_buffer},
      {{SOL_SOCKET, SO_RCVBUF}, Kind::Buffer, Sockets::Streams, 131072, 2304, most_buffer},
      {{SOL_SOCKET, SO_SNDBUF}, Kind::Buffer, Sockets::Datagrams, most_buffer, 4608, most_buffer},
      {{SOL_SOCKET, SO_RCVBUF}, Kind::Buffer, Sockets::Datagrams, most_buffer, 2304, most_buffer},
      {{IPPROTO_TCP, TCP_NODELAY}, Kind::Switch, Sockets::Streams, 0, 0, 1},
      {{IPPROTO_TCP, TCP_KEEPIDLE}, Kind::Number, Sockets::Streams, 7200, 1, 32767},
      {{IPPROTO_TCP, TCP_KEEPINTVL}, Kind::Number, Sockets::Streams, 75, 1, 32767},
      {{IPPROTO_TCP, TCP_KEEPCNT}, Kind::Number, Sockets::Streams, 9, 1, 127},
      {{IPPROTO_TCP, TCP_USER_TIMEOUT}, Kind::Number, Sockets::Streams, 0, 0, highest_int},
      {{IPPROTO_IP, IP_TOS}, Kind::Class, Sockets::Streams, 0, 0, 255},
      {{IPPROTO_IPV6, IPV6_TCLASS}, Kind::Class, Sockets::V6Streams, 0, -1, 255},
      {{IPPROTO_IPV6, IPV6_V6ONLY}, Kind::Switch, Sockets::V6, 0, 0, 1},
  };
  const auto* found = std::find_if(std::begin(rules), std::end(rules),
                                   [&](const Rule& rule) { return rule.key == key && has(rule); });
  return found != std::end(rules) ? found : nullptr;
}

bool SocketOptions::has(const Rule& rule) const {
  const bool stream = transport_ == Transport::Stream;
  switch (rule.sockets) {
    case Sockets::All: return true;
    case Sockets::Streams: return stream;
    case Sockets::Datagrams: return !stream;
    case Sockets::V6: return family_ == IpFamily::V6;
    case Sockets::V6Streams: return stream && family_ == IpFamily::V6;
  }
  return false;
}

int SocketOptions::value_of(const Rule& rule) const {
  const auto found = values_.find(rule.key);
  return found != values_.end() ? found->second : rule.initial;
}

int SocketOptions::set(std::uint32_t level, std::uint32_t name, Bytes value) {
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (value.size() < sizeof linger_) return EINVAL;
    std::memcpy(&linger_, value.data(), sizeof linger_);
    return 0;
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION && transport_ == Transport::Stream) {
    const std::string_view asked{reinterpret_cast<const char*>(value.data()), value.size()};
    const auto kind = parse_congestion(asked.substr(0, asked.find('\0')));
    if (!kind) return ENOENT;
    congestion_ = kind;
    return 0;
  }
  const Rule* rule = rule_for({level, name});
  if (rule == nullptr) return ENOPROTOOPT;
  auto number = int_in(value);
  if (!number && rule->kind == Kind::Class && !value.empty()) number = value[0];
  if (!number) return EINVAL;
  switch (rule->kind) {
    case Kind::Switch: *number = *number != 0 ? 1 : 0; break;
    case Kind::Buffer: {
      // Linux takes a negative size for a very large one.
      const int asked = *number < 0 ? highest_int : *number;
      *number = std::max(rule->least, 2 * std::min(asked, rule->most));
      break;
    }
    case Kind::Class:
      if (level == IPPROTO_IP) *number &= 0xff;
      if (*number < rule->least || *number > rule->most) return EINVAL;
      *number = std::max(*number, 0);
      if (transport_ == Transport::Stream) *number &= ~ecn_bits;
      break;
    case Kind::Number:
      if (*number < rule->least || *number > rule->most) return EINVAL;
      break;
  }
  values_[rule->key] = *number;
  return 0;
}

std::variant<ByteString, int> SocketOptions::get(std::uint32_t level, std::uint32_t name) const {
  const bool stream = transport_ == Transport::Stream;
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_LINGER: return bytes_of(linger_);
      case SO_DOMAIN: return bytes_of(family_ == IpFamily::V4 ? AF_INET : AF_INET6);
      case SO_PROTOCOL: return bytes_of<int>(stream ? IPPROTO_TCP : IPPROTO_UDP);
      default: break;
    }
  }
  if (stream && level == IPPROTO_TCP && name == TCP_CONGESTION) {
    const std::string_view name_of_it = to_string(congestion_.value_or(usual_));
    ByteString out(name_of_it.begin(), name_of_it.end());
    out.resize(most_congestion_name);
    return out;
  }
  const Rule* rule = rule_for({level, name});
  if (rule == nullptr) return ENOPROTOOPT;
  return bytes_of(value_of(*rule));
}

bool SocketOptions::only_v6() const {
  const Rule* rule = rule_for({IPPROTO_IPV6, IPV6_V6ONLY});
  return rule != nullptr && value_of(*rule) != 0;
}

ChannelOptions SocketOptions::for_channel() const {
  const Key class_key =
      family_ == IpFamily::V4 ? Key{IPPROTO_IP, IP_TOS} : Key{IPPROTO_IPV6, IPV6_TCLASS};
  return {.no_delay = value_of(*rule_for({IPPROTO_TCP, TCP_NODELAY})) != 0,
          .traffic_class = static_cast<std::uint8_t>(value_of(*rule_for(class_key))),
          .congestion = congestion_};
}

}  // namespace godwit::shim
