// The section "tcp" of the configuration.
#pragma once

#include <cstddef>

#include "stack/tcp/congestion_controller.hpp"

namespace godwit {

struct TcpConfig {
  static constexpr std::size_t least_memory = std::size_t{16} << 20;
  static constexpr std::size_t most_memory = std::size_t{64} << 30;

  Congestion congestion = Congestion::Cubic;
  bool ecn = true;                              // RFC 3168
  std::size_t memory = std::size_t{256} << 20;  // octets, for windows beyond what all have
};

}  // namespace godwit
