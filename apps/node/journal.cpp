#include "apps/node/journal.hpp"

#include <cctype>
#include <cmath>

#include <nlohmann/json.hpp>

#include "stack/core/endpoint.hpp"

namespace godwit {
namespace {

using Fields = nlohmann::ordered_json;

std::string dump(const Fields& fields) {
  return fields.dump(-1, ' ', true, Fields::error_handler_t::replace);
}

// Microseconds are kept, what a double adds behind them is not.
double milliseconds(Duration duration) { return to_milliseconds(duration); }
double milliseconds(Instant instant) { return to_milliseconds(instant.time_since_epoch()); }

template <class T>
Fields text_or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  return to_string(*value);
}

Fields milliseconds_or_null(const std::optional<Duration>& duration) {
  if (!duration) return nullptr;
  return milliseconds(*duration);
}

std::string side_text(Side side) { return side == Side::Local ? "local" : "remote"; }

// Each kind of event once: its name and its fields in reading order.
class EventFields {
 public:
  EventFields(Fields& out, const PeerNames& name_of) : out_{out}, name_of_{name_of} {}

  void operator()(const AddressAppeared& event) {
    name("address_appeared")["address"] = to_string(event.address);
  }
  void operator()(const AddressDeprecatedEvent& event) {
    name("address_deprecated")["from"] = to_string(event.address);
    out_["to"] = text_or_null(event.successor);
  }
  void operator()(const AddressGone& event) {
    name("address_gone")["address"] = to_string(event.address);
  }
  void operator()(const PeerConnecting& event) {
    peer("peer_connecting", event.peer);
    path(event.path);
  }
  void operator()(const PeerConnected& event) {
    peer("peer_connected", event.peer);
    path(event.path);
    out_["spi_in"] = to_string(event.inbound);
    out_["spi_out"] = to_string(event.outbound);
  }
  void operator()(const PeerFailed& event) {
    peer("peer_failed", event.peer);
    out_["reason"] = event.reason;
  }
  void operator()(const MoveAnnounced& event) {
    peer("move_announced", event.peer);
    out_["from"] = to_string(event.from);
    out_["to"] = to_string(event.to);
    out_["attempt"] = event.attempt;
  }
  void operator()(const PeerMigrated& event) {
    peer("peer_migrated", event.peer);
    out_["side"] = side_text(event.change.side);
    out_["from"] = to_string(event.change.from);
    out_["to"] = to_string(event.change.to);
    out_["connections"] = event.connections;
    if (event.since_detected) out_["since_detected_ms"] = milliseconds(*event.since_detected);
  }
  void operator()(const FirstByteAfterMove& event) {
    peer("first_byte_after_move", event.peer);
    out_["since_detected_ms"] = milliseconds(event.since_detected);
  }
  void operator()(const PathProvenEvent& event) {
    peer("path_proven", event.peer);
    out_["address"] = to_string(event.address);
  }
  void operator()(const PathDownEvent& event) { peer("path_down", event.peer); }
  void operator()(const PeerObserved& event) {
    peer("peer_observed", event.peer);
    out_["at"] = to_string(event.path.remote);
    out_["encapsulation"] = std::string{to_string(event.path.encapsulation)};
  }
  void operator()(const NoticeRefusedEvent& event) {
    peer("notice_refused", event.peer);
    out_["notice"] = event.notice;
    out_["reason"] = event.reason;
  }
  void operator()(const StrangerRefusedEvent& event) {
    name("stranger_refused")["name"] = event.name;
    out_["remote"] = to_string(event.address);
    out_["reason"] = event.reason;
  }
  void operator()(const PeerLostEvent& event) {
    peer("peer_lost", event.peer);
    out_["reason"] = event.reason;
  }
  void operator()(const ProblemReported& event) {
    name("problem")["what"] = event.what;
    out_["reason"] = event.reason;
  }
  void operator()(const PeerFoundByName& event) {
    peer("peer_found_by_name", event.peer);
    out_["address"] = to_string(event.address);
  }
  void operator()(const PeerNotFoundByName& event) {
    peer("peer_not_found_by_name", event.peer);
    out_["reason"] = event.reason;
  }
  void operator()(const NamePublished& event) {
    name("name_published")["zone"] = event.zone;
    out_["address"] = to_string(event.address);
  }
  void operator()(const ConnectionOpened& event) {
    flow("connection_opened", event.peer, event.flow);
  }
  void operator()(const ConnectionClosedEvent& event) {
    flow("connection_closed", event.peer, event.flow);
  }

 private:
  Fields& name(const char* event) {
    out_["event"] = event;
    return out_;
  }
  void peer(const char* event, PeerId peer) { name(event)["peer"] = name_of_(peer); }
  void path(const Path& path) {
    out_["local"] = to_string(path.local.address);
    out_["remote"] = to_string(path.remote.address);
  }
  void flow(const char* event, PeerId id, const FiveTuple& flow) {
    peer(event, id);
    out_["protocol"] = to_string(flow.protocol);
    out_["local"] = to_string(flow.local);
    out_["remote"] = to_string(flow.remote);
  }

  Fields& out_;
  const PeerNames& name_of_;
};

Fields fields_of(const Event& event, const PeerNames& name_of) {
  Fields fields = Fields::object();
  std::visit(EventFields{fields, name_of}, event.detail);
  fields["at_ms"] = milliseconds(event.at);
  return fields;
}

bool is_one_word(const std::string& text) {
  return !text.empty() && text.find_first_of(" \"=") == std::string::npos &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char letter) { return std::isprint(letter) != 0; });
}

Fields fields_of(const PeerStatus& peer) {
  Fields fields{{"peer", peer.name},
                {"state", peer.state},
                {"can_move", peer.can_move},
                {"local", text_or_null(peer.local)},
                {"remote", text_or_null(peer.remote)},
                {"spi_in", text_or_null(peer.inbound)},
                {"spi_out", text_or_null(peer.outbound)},
                {"rtt_ms", milliseconds_or_null(peer.rtt)},
                {"packets_in", peer.packets_in},
                {"packets_out", peer.packets_out},
                {"bytes_in", peer.bytes_in},
                {"bytes_out", peer.bytes_out},
                {"moves", peer.moves},
                {"path_proven", peer.path_proven},
                {"path_down", peer.path_down}};
  if (peer.udp_port) fields["udp_port"] = *peer.udp_port;
  return fields;
}

Fields fields_of(const ConnectionStatusRow& row) {
  return {{"peer", row.peer},
          {"protocol", to_string(row.flow.protocol)},
          {"local", to_string(row.flow.local)},
          {"remote", to_string(row.flow.remote)},
          {"state", row.state},
          {"deprecated", row.deprecated},
          {"bytes_in", row.bytes_in},
          {"bytes_out", row.bytes_out},
          {"moves", row.moves},
          {"longest_stall_ms", milliseconds(row.longest_stall)}};
}

Fields fields_of(const MoveStatus& move) {
  return {{"peer", move.peer},
          {"side", side_text(move.side)},
          {"from", to_string(move.from)},
          {"to", to_string(move.to)},
          {"state", move.state},
          {"at_ms", milliseconds(move.detected)},
          {"deprecated_ms", milliseconds_or_null(move.deprecated)},
          {"announced_ms", milliseconds_or_null(move.announced)},
          {"acknowledged_ms", milliseconds_or_null(move.acknowledged)},
          {"rewritten_ms", milliseconds_or_null(move.rewritten)},
          {"first_byte_in_ms", milliseconds_or_null(move.first_byte_in)},
          {"first_byte_out_ms", milliseconds_or_null(move.first_byte_out)},
          {"first_byte_ms", milliseconds_or_null(move.first_byte)},
          {"proven_ms", milliseconds_or_null(move.proven)},
          {"rtt_ms", milliseconds_or_null(move.rtt)},
          {"attempts", move.attempts}};
}

}  // namespace

std::string event_json(const Event& event, const PeerNames& name_of) {
  return dump(fields_of(event, name_of));
}

std::string event_line(const Event& event, const PeerNames& name_of) {
  const Fields fields = fields_of(event, name_of);
  std::string line;
  for (const auto& [key, value] : fields.items()) {
    if (key == "event") {
      line = value.get<std::string>();
    } else if (value.is_string() && is_one_word(value.get_ref<const std::string&>())) {
      line += ' ' + key + '=' + value.get<std::string>();
    } else {
      line += ' ' + key + '=' + dump(value);
    }
  }
  return line;
}

std::string status_json(const NodeStatus& status) {
  Fields fields{{"name", status.name}, {"uptime_ms", milliseconds(status.uptime)}};
  for (const char* list : {"addresses", "peers", "connections", "tunnels", "moves"}) {
    fields[list] = Fields::array();
  }
  for (const AddressStatus& address : status.addresses) {
    fields["addresses"].push_back({{"address", to_string(address.address)},
                                   {"state", address.state},
                                   {"held_for_ms", milliseconds_or_null(address.held_for)}});
  }
  for (const PeerStatus& peer : status.peers) fields["peers"].push_back(fields_of(peer));
  for (const auto& row : status.connections) fields["connections"].push_back(fields_of(row));
  for (const TunnelStatus& tunnel : status.tunnels) fields["tunnels"].push_back(tunnel.text);
  for (const MoveStatus& move : status.moves) fields["moves"].push_back(fields_of(move));
  fields["drops"] = Fields::object();
  for (const auto& [reason, count] : status.drops) fields["drops"][reason] = count;
  fields["packets_received"] = status.packets_received;
  fields["packets_sent"] = status.packets_sent;
  return dump(fields);
}

}  // namespace godwit
