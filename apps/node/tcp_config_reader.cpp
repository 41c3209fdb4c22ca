#include "apps/node/tcp_config_reader.hpp"

#include <array>
#include <charconv>

namespace godwit {
namespace {

constexpr std::string_view memory_allowed =
    "a number with a unit (MiB, GiB), from \"16MiB\" to \"64GiB\"";

std::optional<std::size_t> parse_size(std::string_view text) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit == "MiB") return std::size_t{count} << 20;
  if (unit == "GiB") return std::size_t{count} << 30;
  return std::nullopt;
}

}  // namespace

void read_tcp_config(JsonProblems& problems, const Json& value, const std::string& path,
                     TcpConfig& config) {
  JsonObject tcp{problems, value, path};
  tcp.choice<Congestion>(
      "congestion",
      {{"cubic", Congestion::Cubic}, {"bbr", Congestion::Bbr}, {"reno", Congestion::Reno}},
      config.congestion);
  tcp.choice<bool>("ecn", {{"on", true}, {"off", false}}, config.ecn);
  if (const Json* memory = tcp.find("memory")) {
    const auto size = memory->is_string() ? parse_size(memory->get_ref<const std::string&>())
                                          : std::optional<std::size_t>{};
    if (size && *size >= TcpConfig::least_memory && *size <= TcpConfig::most_memory) {
      config.memory = *size;
    } else {
      problems.add(tcp.path_of("memory"), *memory, memory_allowed);
    }
  }
  tcp.finish();
}

}  // namespace godwit
