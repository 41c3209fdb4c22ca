// A TCP's behaviour as a script of time, segment in and segment out, in the words that packetdrill
// made common: the stack is on one end of the wire, the script is the other end, and the clock is
// the script's. scripts/README.md has the language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "stack/core/time.hpp"
#include "stack/tcp/congestion_controller.hpp"

namespace godwit::test {

struct TcpOptions {
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;
  bool sack_permitted = false;
  struct Timestamps {
    std::uint32_t value;
    std::uint32_t echo;
    friend bool operator==(const Timestamps&, const Timestamps&) = default;
  };
  std::optional<Timestamps> timestamps;
  struct Block {
    std::uint32_t begin;
    std::uint32_t end;
    friend bool operator==(const Block&, const Block&) = default;
  };
  std::vector<Block> blocks;
  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};

// Numbers count from the initial sequence number of their side.
struct TcpSegment {
  std::uint8_t flags = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;  // of the data; SYN and FIN are not counted
  std::optional<std::uint32_t> ack;
  std::optional<std::uint32_t> window;  // as it stands in the header
  std::optional<std::uint8_t> codepoint;
  std::optional<TcpOptions> options;

  std::uint32_t length() const { return end - begin; }
};
std::string to_string(const TcpSegment& segment);

struct Arrives {
  TcpSegment segment;
};
// `count` segments that carry the data one after the other; none: as many as it takes.
struct Leaves {
  TcpSegment segment;
  std::optional<std::size_t> count;
};
// Nothing at all, from the last event to this one.
struct Silence {};
// Whatever leaves until then is of no interest.
struct Anything {};
struct Call {
  enum class Kind : std::uint8_t { Listen, Accept, Connect, Write, Read, Shutdown, Close, Abort };
  Kind kind;
  std::uint32_t octets = 0;
};
struct State {
  std::string name;
};

struct TcpEvent {
  std::size_t line;
  Duration after;              // the event before
  std::optional<Duration> to;  // of a range; `after` is its beginning
  std::variant<Arrives, Leaves, Silence, Anything, Call, State> what;
};

struct TcpScript {
  Congestion congestion = Congestion::Cubic;
  bool ecn = false;
  bool timestamps = false;
  std::size_t mtu = 1500;
  std::vector<TcpEvent> events;
};

struct TcpScriptError {
  std::size_t line;
  std::string what;
};

std::variant<TcpScript, TcpScriptError> parse_tcp_script(std::string_view text);
// What was not as the script has it, with its line; none: everything was.
std::optional<TcpScriptError> play(const TcpScript& script);

}  // namespace godwit::test
