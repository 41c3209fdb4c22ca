// status_text() of journal.hpp: the same facts as the JSON, in columns for a terminal.
#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "apps/node/journal.hpp"

namespace godwit {
namespace {

using Row = std::vector<std::string>;

// Left-aligned columns, each as wide as its widest cell, under a title.
std::string table(const std::string& title, const std::vector<Row>& rows) {
  if (rows.size() < 2) return {};  // a heading alone
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text = "\n\n" + title;
  for (const Row& row : rows) {
    std::string line = "\n  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1);
  }
  return text;
}

std::string milliseconds_text(const std::optional<Duration>& duration) {
  if (!duration) return "-";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f ms", to_milliseconds(*duration));
  return text.data();
}

// "3 d 4 h", "2 min 5 s": two units are enough for a person.
std::string span_text(Duration span) {
  struct Unit {
    const char* name;
    std::int64_t seconds;
  };
  constexpr std::array units{Unit{"d", 86400}, Unit{"h", 3600}, Unit{"min", 60}, Unit{"s", 1}};
  std::int64_t left = std::max<std::int64_t>(0, span.count() / 1'000'000);
  std::string text;
  int parts = 0;
  for (const Unit& unit : units) {
    const std::int64_t count = left / unit.seconds;
    left %= unit.seconds;
    if (count == 0 && parts == 0) continue;
    if (++parts > 2) break;
    text += (text.empty() ? "" : " ") + std::to_string(count) + ' ' + unit.name;
  }
  return text.empty() ? "0 s" : text;
}

std::string size_text(std::uint64_t octets) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
  auto size = static_cast<double>(octets);
  std::size_t unit = 0;
  while (size >= 1000 && unit + 1 < units.size()) {
    size /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
  return text.data();
}

template <class T>
std::string or_dash(const std::optional<T>& value) {
  return value ? to_string(*value) : "-";
}

std::string addresses_text(const NodeStatus& status) {
  std::vector<Row> rows{{"address", "state", "held for"}};
  for (const AddressStatus& address : status.addresses) {
    rows.push_back({to_string(address.address), address.state,
                    address.held_for ? span_text(*address.held_for) : ""});
  }
  return table("Addresses", rows);
}

std::string peers_text(const NodeStatus& status) {
  std::vector<Row> rows{
      {"peer", "state", "moves", "local", "remote", "RTT", "SPI in", "SPI out", "in", "out"}};
  for (const PeerStatus& peer : status.peers) {
    rows.push_back(
        {peer.name, peer.state,
         std::to_string(peer.moves) + (peer.can_move ? "" : " (cannot move)"), or_dash(peer.local),
         or_dash(peer.remote) + (peer.udp_port ? " udp " + std::to_string(*peer.udp_port) : ""),
         milliseconds_text(peer.rtt), or_dash(peer.inbound), or_dash(peer.outbound),
         size_text(peer.bytes_in), size_text(peer.bytes_out)});
  }
  return table("Peers", rows);
}

std::string connections_text(const NodeStatus& status) {
  std::vector<Row> rows{{"connection", "peer", "state", "in", "out", "moves", "longest stall"}};
  for (const ConnectionStatusRow& row : status.connections) {
    rows.push_back({to_string(row.flow), row.peer.empty() ? "-" : row.peer,
                    row.state + (row.deprecated ? ", DEPRECATED" : ""), size_text(row.bytes_in),
                    size_text(row.bytes_out), std::to_string(row.moves),
                    row.moves > 0 ? milliseconds_text(row.longest_stall) : "-"});
  }
  return table("Connections", rows);
}

std::string moves_text(const NodeStatus& status) {
  std::vector<Row> rows{{"peer", "who", "from", "to", "state", "deprecated", "announced",
                         "acknowledged", "rewritten", "byte in", "byte out", "proven", "RTT"}};
  for (const MoveStatus& move : status.moves) {
    rows.push_back({move.peer, move.side == Side::Local ? "this host" : "the peer",
                    to_string(move.from), to_string(move.to), move.state,
                    milliseconds_text(move.deprecated), milliseconds_text(move.announced),
                    milliseconds_text(move.acknowledged), milliseconds_text(move.rewritten),
                    milliseconds_text(move.first_byte_in), milliseconds_text(move.first_byte_out),
                    milliseconds_text(move.proven), milliseconds_text(move.rtt)});
  }
  return table("Moves (times since the new address was seen)", rows);
}

}  // namespace

std::string status_text(const NodeStatus& status) {
  std::string text = status.name + ", up " + span_text(status.uptime) + "; " +
                     std::to_string(status.packets_received) + " packets in, " +
                     std::to_string(status.packets_sent) + " out";
  text += addresses_text(status) + peers_text(status) + connections_text(status);
  std::vector<Row> tunnels{{"tunnel entries stand only while a move is under way"}};
  for (const TunnelStatus& tunnel : status.tunnels) tunnels.push_back({tunnel.text});
  text += table("Tunnels", tunnels) + moves_text(status);
  std::vector<Row> drops{{"reason", "packets"}};
  for (const auto& [reason, count] : status.drops) drops.push_back({reason, std::to_string(count)});
  return text + table("Dropped", drops);
}

}  // namespace godwit
