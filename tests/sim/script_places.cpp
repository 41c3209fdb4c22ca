#include "tests/sim/script_places.hpp"

#include <array>
#include <charconv>
#include <limits>

#include "stack/dns/dns_name.hpp"

namespace godwit::sim {
namespace {

using Words = std::span<const std::string>;
using Read = std::variant<PlaceRead, PlaceMissed>;

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view text;
  double factor;
};
constexpr std::array durations{Unit{"us", 1}, Unit{"ms", 1e3}, Unit{"s", 1e6}, Unit{"min", 60e6},
                               Unit{"h", 3600e6}};
constexpr std::array sizes{Unit{"B", 1}, Unit{"KiB", 1024}, Unit{"MiB", 1024.0 * 1024}};
constexpr std::array rates{Unit{"kbit/s", 1e3}, Unit{"Mbit/s", 1e6}, Unit{"Gbit/s", 1e9}};
constexpr std::array percents{Unit{"%", 0.01}};

// "20 ms": a number, and one of the units.
std::optional<double> measured(Words words, std::span<const Unit> units) {
  if (words.size() < 2) return std::nullopt;
  const auto number = number_of<double>(words[0]);
  if (!number || *number < 0) return std::nullopt;
  for (const Unit& unit : units) {
    if (words[1] == unit.text) return *number * unit.factor;
  }
  return std::nullopt;
}

template <class Value>
Read parsed(Words words, const char* wanted) {
  if (!words.empty()) {
    if (const auto value = Value::parse(words[0])) return PlaceRead{*value, 1};
  }
  return PlaceMissed{wanted};
}

Read read_times(Words words) {
  constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
  static const PlaceMissed missed{
      "never, once, 3 times, at least 3 times, at most 3 times, or at least once"};
  if (words.empty()) return missed;
  if (words[0] == "never") return PlaceRead{Times{0, 0}, 1};
  std::size_t used = 0;
  const bool least = words.size() > 2 && words[0] == "at" && words[1] == "least";
  const bool most = words.size() > 2 && words[0] == "at" && words[1] == "most";
  if (least || most) used = 2;
  std::optional<std::uint64_t> count;
  if (words[used] == "once") {
    count = 1;
    used += 1;
  } else if (words.size() > used + 1 && words[used + 1] == "times") {
    count = number_of<std::uint64_t>(words[used]);
    used += 2;
  }
  if (!count) return missed;
  return PlaceRead{Times{most ? 0 : *count, least ? no_limit : *count}, used};
}

Read read_service(Words words, const KnownNames& names) {
  if (!words.empty()) {
    const std::string& word = words[0];
    const std::size_t colon = word.find(':');
    const std::string host = word.substr(0, colon);
    const auto port = colon == std::string::npos
                          ? std::nullopt
                          : number_of<std::uint16_t>(std::string_view{word}.substr(colon + 1));
    const auto actor = names.actors.find(host);
    const bool known = actor != names.actors.end() && actor->second == ActorKind::Host;
    if (known && port && *port > 0) return PlaceRead{Service{host, *port}, 1};
  }
  return PlaceMissed{"a host and a port such as ch:80"};
}

Read read_actor(Words words, const KnownNames& names, ActorKind kind) {
  if (!words.empty()) {
    const auto actor = names.actors.find(words[0]);
    if (actor != names.actors.end() && actor->second == kind) return PlaceRead{words[0], 1};
  }
  std::string known;
  for (const auto& [name, of] : names.actors) {
    if (of == kind) known += (known.empty() ? "" : ", ") + name;
  }
  return PlaceMissed{"a name of kind " + std::string{to_string(kind)} + ": " + known};
}

Read read_stream(Words words, const KnownNames& names, std::string_view place) {
  const bool fresh = place == "new stream";
  if (!words.empty() && names.streams.contains(words[0]) != fresh) {
    return PlaceRead{words[0], 1};
  }
  return PlaceMissed{fresh ? "a name that no stream has yet" : "the name of a stream opened above"};
}

Read read_domain(Words words) {
  if (words.empty() || !DnsName::parse(words[0])) return PlaceMissed{"a name such as mh.example"};
  return PlaceRead{words[0], 1};
}

Read read_text(Words words) {
  if (words.empty()) return PlaceMissed{"some words"};
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return PlaceRead{text, words.size()};
}

Read read_measure(std::string_view place, Words words) {
  if (place == "duration") {
    if (const auto value = measured(words, durations)) {
      return PlaceRead{Duration{static_cast<Duration::rep>(*value)}, 2};
    }
    return PlaceMissed{"a duration such as 20 ms (us, ms, s, min, h)"};
  }
  if (place == "size") {
    if (const auto value = measured(words, sizes)) {
      return PlaceRead{static_cast<std::uint64_t>(*value), 2};
    }
    return PlaceMissed{"a size such as 4 MiB (B, KiB, MiB)"};
  }
  if (place == "rate") {
    if (const auto value = measured(words, rates)) {
      return PlaceRead{static_cast<std::uint64_t>(*value), 2};
    }
    return PlaceMissed{"a rate such as 50 Mbit/s (kbit/s, Mbit/s, Gbit/s)"};
  }
  const auto value = measured(words, percents);
  if (value && *value <= 1) return PlaceRead{*value, 2};
  return PlaceMissed{"a share such as 1 % (0 to 100)"};
}

}  // namespace

std::variant<PlaceRead, PlaceMissed> read_place(std::string_view place, Words words,
                                                const KnownNames& names) {
  if (place == "address") return parsed<IpAddress>(words, "an address such as 192.0.2.7");
  if (place == "prefix") return parsed<IpPrefix>(words, "a prefix such as 192.0.2.0/24");
  if (place == "endpoint") return parsed<Endpoint>(words, "an endpoint such as 192.0.2.7:4000");
  if (place == "service") return read_service(words, names);
  if (place == "host") return read_actor(words, names, ActorKind::Host);
  if (place == "access") return read_actor(words, names, ActorKind::Access);
  if (place == "server") return read_actor(words, names, ActorKind::NameServer);
  if (place == "domain") return read_domain(words);
  if (place == "stream" || place == "new stream") return read_stream(words, names, place);
  if (place == "times") return read_times(words);
  if (place == "text") return read_text(words);
  if (place == "count" || place == "port") {
    const auto value = words.empty() ? std::nullopt : number_of<std::uint64_t>(words[0]);
    if (value && (place == "count" || (*value > 0 && *value < 65536))) return PlaceRead{*value, 1};
    return PlaceMissed{place == "port" ? "a port, 1 to 65535" : "a whole number"};
  }
  if (place == "word") {
    if (words.empty()) return PlaceMissed{"a word"};
    return PlaceRead{words[0], 1};
  }
  return read_measure(place, words);
}

}  // namespace godwit::sim
