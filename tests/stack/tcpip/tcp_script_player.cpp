#include "tests/stack/tcpip/tcp_script.hpp"

#include <deque>
#include <memory>
#include <utility>

#include "stack/tcpip/lwip_stack.hpp"
#include "stack/tcpip/tcp_socket.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "tests/support/forged_packets.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit::test {
namespace {

using namespace std::chrono_literals;

constexpr Duration tolerance = 500us;
constexpr std::uint16_t listening_port = 8080;
constexpr std::uint16_t remote_port = 40000;
constexpr std::uint32_t remote_initial = 0xfffffff0u;  // it wraps early
constexpr std::uint32_t first_timestamp = 1000;        // as scripts have our clock
constexpr std::uint8_t push = 0x08;

struct Problem {
  std::string what;
};

std::string seconds(Duration time) {
  return std::to_string(static_cast<double>(time.count()) / 1e6) + " s";
}

// What stands at this place of a side's stream.
std::uint8_t octet_at(std::uint32_t place) {
  return static_cast<std::uint8_t>((place * 0x9E3779B1u) >> 24);
}

class Player {
 public:
  explicit Player(const TcpScript& script) : stack_{rng_, config_of(script)} {
    if (!stack_.add_address(local_.address, script.mtu)) throw Problem{"no such MTU"};
    stack_.advance(now_);
  }
  void play(const TcpEvent& event) {
    begin_ = last_ + event.after;
    end_ = last_ + event.to.value_or(event.after);
    last_ = begin_;
    std::visit([this](const auto& what) { carry_out(what); }, event.what);
  }
  void finish() {
    turn();
    expect_nothing_left();
  }

 private:
  struct Sent {
    Instant at;
    TcpSegment segment;
  };

  static LwipConfig config_of(const TcpScript& script) {
    LwipConfig config;
    config.isn_hash = [](const FiveTuple&) { return 7u; };
    config.congestion = script.congestion;
    config.ecn = script.ecn;
    if (script.timestamps) config.offers_timestamps = [](const FiveTuple&) { return true; };
    return config;
  }

  // --- time ------------------------------------------------------------------------------------
  void turn() {
    stack_.advance(now_);
    stack_.run_notifications();
    for (const Packet& packet : stack_.output()) sent_.push_back({now_, read(packet.bytes())});
    stack_.output().clear();
  }
  // On to the next deadline, `until` at most. False: there it is.
  bool step(Instant until) {
    turn();
    const auto deadline = stack_.next_deadline();
    if (!deadline || deadline->at > until) {
      now_ = until;
      turn();
      return false;
    }
    now_ = std::max(now_, deadline->at);
    turn();
    return true;
  }
  void run_until(Instant until) {
    while (step(until)) {}
  }
  void expect_nothing_left() const {
    if (sent_.empty()) return;
    throw Problem{"left unasked, " + seconds(sent_.front().at - begin_) +
                  " from here: " + to_string(sent_.front().segment)};
  }

  // --- events ------------------------------------------------------------------------------------
  void carry_out(const Silence&) {
    run_until(begin_);
    expect_nothing_left();
  }
  void carry_out(const Anything&) {
    run_until(begin_);
    sent_.clear();
  }
  void carry_out(const Arrives& arrives) {
    carry_out(Silence{});
    stack_.input(written(arrives.segment), now_);
    turn();
  }
  void carry_out(const Leaves& leaves) {
    const TcpSegment& wanted = leaves.segment;
    std::size_t count = 0;
    for (std::uint32_t at = wanted.begin; count == 0 || at < wanted.end;) {
      while (sent_.empty() && step(end_ + tolerance)) {}
      if (sent_.empty()) {
        throw Problem{"did not leave: " + to_string(wanted) +
                      (count > 0 ? " from " + std::to_string(at) + " on" : "")};
      }
      const Sent sent = std::move(sent_.front());
      sent_.pop_front();
      ++count;
      compare(wanted, at, sent);
      at = sent.segment.end;
      if (begin_ != end_) last_ = sent.at;
      now_ = std::max(now_, sent.at);
    }
    if (leaves.count && *leaves.count != count) {
      throw Problem{"left in " + std::to_string(count) + " segments"};
    }
  }
  void compare(const TcpSegment& wanted, std::uint32_t at, const Sent& sent) const {
    const TcpSegment& segment = sent.segment;
    const auto refuse = [&](const std::string& why) {
      throw Problem{why + ": " + to_string(segment)};
    };
    const bool is_last = segment.end == wanted.end;
    const std::uint8_t ignored = is_last && (wanted.flags & push) != 0 ? 0 : push;
    if (((segment.flags ^ wanted.flags) & ~ignored & 0xff) != 0) refuse("other flags left");
    if (segment.begin != at || segment.end > wanted.end) refuse("other data left");
    if (wanted.length() > 0 && segment.length() == 0) refuse("no data left");
    if (wanted.ack && segment.ack != wanted.ack) refuse("another acknowledgement left");
    if (wanted.window && segment.window != wanted.window) refuse("another window left");
    if (wanted.codepoint && segment.codepoint != wanted.codepoint) refuse("another codepoint left");
    if (wanted.options && segment.options != wanted.options) refuse("other options left");
    if (sent.at + tolerance < begin_) refuse(seconds(begin_ - sent.at) + " too early");
    if (sent.at > end_ + tolerance) refuse(seconds(sent.at - end_) + " too late");
  }
  void carry_out(const Call& call) {
    carry_out(Silence{});
    switch (call.kind) {
      case Call::Kind::Listen: return listen();
      case Call::Kind::Accept: return accept();
      case Call::Kind::Connect: return connect();
      case Call::Kind::Write: return write(call.octets);
      case Call::Kind::Read: return read_all(call.octets);
      case Call::Kind::Shutdown: return socket().shutdown_write();
      case Call::Kind::Close: return socket_.reset();
      case Call::Kind::Abort: return socket().abort();
    }
  }
  void carry_out(const State& state) {
    carry_out(Silence{});
    static constexpr std::string_view names[] = {"connecting",   "open",   "peer-closed",
                                                 "write-closed", "closed", "failed"};
    const auto is = names[static_cast<std::size_t>(socket().state())];
    if (is != state.name) throw Problem{"the state is " + std::string{is}};
  }

  // --- calls -------------------------------------------------------------------------------------
  TcpSocket& socket() {
    if (!socket_) throw Problem{"there is no socket yet, or no more"};
    return *socket_;
  }
  void listen() {
    auto made = TcpAcceptor::listen(stack_, std::nullopt, listening_port);
    if (!made) throw Problem{std::string{made.error().what}};
    acceptor_ = std::move(*made);
    local_.port = listening_port;
  }
  void accept() {
    if (!acceptor_) throw Problem{"nobody listens"};
    socket_ = acceptor_->accept();
    if (!socket_) throw Problem{"there is nobody to accept"};
  }
  void connect() {
    auto made = TcpSocket::connect(stack_, local_.address, remote_);
    if (!made) throw Problem{std::string{made.error().what}};
    socket_ = std::move(*made);
    local_.port = socket_->local().port;
  }
  void write(std::uint32_t octets) {
    ByteString data(octets);
    for (std::uint32_t i = 0; i < octets; ++i) data[i] = octet_at(written_ + i + 1);
    const std::size_t taken = socket().write(data);
    written_ += static_cast<std::uint32_t>(taken);
    if (taken != octets) throw Problem{"takes " + std::to_string(taken) + " octets"};
  }
  void read_all(std::uint32_t octets) {
    ByteString data(socket().readable());
    data.resize(socket().read(data));
    if (data.size() != octets) {
      throw Problem{"has " + std::to_string(data.size()) + " octets to read"};
    }
    for (std::uint32_t i = 0; i < octets; ++i) {
      if (data[i] != octet_at(read_ + i + 1)) throw Problem{"read something that was not sent"};
    }
    read_ += octets;
  }

  // --- segments ----------------------------------------------------------------------------------
  Packet written(const TcpSegment& segment) const {
    ByteString options;
    if (segment.options) options = written(*segment.options);
    ByteString tcp(TcpHeader::length, 0);
    tcp.insert(tcp.end(), options.begin(), options.end());
    for (std::uint32_t i = segment.begin; i < segment.end; ++i) tcp.push_back(octet_at(i));
    store_u16(tcp, TcpHeader::source_port_at, remote_.port);
    store_u16(tcp, TcpHeader::destination_port_at, local_.port);
    store_u32(tcp, TcpHeader::sequence_at, remote_initial + segment.begin);
    if (segment.ack) store_u32(tcp, TcpHeader::acknowledgement_at, initial() + *segment.ack);
    tcp[TcpHeader::data_offset_at] =
        static_cast<std::uint8_t>((TcpHeader::length + options.size()) / 4 << 4);
    tcp[TcpHeader::flags_at] = segment.flags;
    store_u16(tcp, TcpHeader::window_at, static_cast<std::uint16_t>(segment.window.value_or(0)));
    const auto sum = pseudo_header_sum(remote_.address, local_.address, IpProtocol::Tcp,
                                       static_cast<std::uint32_t>(tcp.size()));
    store_u16(tcp, TcpHeader::checksum_at, internet_checksum(tcp, sum));
    return datagram_of(remote_.address, local_.address, IpProtocol::Tcp, tcp,
                       segment.codepoint.value_or(0));
  }
  ByteString written(const TcpOptions& options) const {
    ByteString out;
    const auto add = [&](std::initializer_list<std::uint8_t> octets) {
      out.insert(out.end(), octets);
    };
    const auto add_u32 = [&](std::uint32_t value) {
      for (int shift = 24; shift >= 0; shift -= 8) out.push_back(value >> shift & 0xff);
    };
    if (options.mss) add({2, 4, std::uint8_t(*options.mss >> 8), std::uint8_t(*options.mss)});
    if (options.sack_permitted) add({1, 1, 4, 2});
    if (options.window_scale) add({1, 3, 3, *options.window_scale});
    if (options.timestamps) {
      add({1, 1, 8, 10});
      add_u32(options.timestamps->value);
      const std::uint32_t echo = options.timestamps->echo;
      add_u32(echo == 0 ? 0 : echo - first_timestamp + timestamp_base_.value_or(0));
    }
    if (!options.blocks.empty()) {
      add({1, 1, 5, std::uint8_t(2 + 8 * options.blocks.size())});
      for (const auto& block : options.blocks) {
        add_u32(initial() + block.begin);
        add_u32(initial() + block.end);
      }
    }
    return out;
  }
  TcpSegment read(Bytes packet) {
    const auto datagram = IpDatagram::parse(packet);
    if (!datagram || datagram->protocol != IpProtocol::Tcp) throw Problem{"left: no TCP"};
    if (!transport_checksum_ok(packet, *datagram)) throw Problem{"left: a wrong checksum"};
    const Bytes tcp = packet.subspan(datagram->header_length, datagram->payload_length());
    const std::size_t header = static_cast<std::size_t>(tcp[TcpHeader::data_offset_at] >> 4) * 4;
    TcpSegment segment;
    segment.codepoint = packet[Ipv4Header::tos_at] & 3;
    segment.flags = tcp[TcpHeader::flags_at];
    const std::uint32_t sequence = load_u32(tcp, TcpHeader::sequence_at);
    if (!initial_ || (segment.flags & TcpHeader::syn) != 0) initial_ = sequence;
    segment.begin = sequence - *initial_;
    segment.end = segment.begin + static_cast<std::uint32_t>(tcp.size() - header);
    if ((segment.flags & TcpHeader::ack) != 0) {
      segment.ack = load_u32(tcp, TcpHeader::acknowledgement_at) - remote_initial;
    }
    segment.window = load_u16(tcp, TcpHeader::window_at);
    segment.options = read_options(tcp.subspan(TcpHeader::length, header - TcpHeader::length));
    for (std::uint32_t i = 0; i < segment.length(); ++i) {
      if (tcp[header + i] != octet_at(segment.begin + i)) {
        throw Problem{"left with octets that nobody wrote: " + to_string(segment)};
      }
    }
    return segment;
  }
  TcpOptions read_options(Bytes bytes) {
    TcpOptions options;
    for (std::size_t at = 0; at < bytes.size() && bytes[at] != 0;) {
      if (bytes[at] == 1) {
        ++at;
        continue;
      }
      const Bytes option = bytes.subspan(at, bytes[at + 1]);
      switch (option[0]) {
        case 2: options.mss = load_u16(option, 2); break;
        case 3: options.window_scale = option[2]; break;
        case 4: options.sack_permitted = true; break;
        case 5:
          for (std::size_t i = 2; i + 8 <= option.size(); i += 8) {
            options.blocks.push_back(
                {load_u32(option, i) - remote_initial, load_u32(option, i + 4) - remote_initial});
          }
          break;
        case 8: {
          const std::uint32_t value = load_u32(option, 2);
          if (!timestamp_base_) timestamp_base_ = value;
          options.timestamps = {value - *timestamp_base_ + first_timestamp, load_u32(option, 6)};
          break;
        }
        default: throw Problem{"left with option " + std::to_string(option[0])};
      }
      at += option.size();
    }
    return options;
  }
  std::uint32_t initial() const { return initial_.value_or(0); }

  SeededRng rng_{1};
  LwipStack stack_;
  Endpoint local_{*IpAddress::parse("192.0.2.7"), 0};
  Endpoint remote_{*IpAddress::parse("203.0.113.5"), remote_port};
  std::unique_ptr<TcpAcceptor> acceptor_;
  std::unique_ptr<TcpSocket> socket_;
  Instant now_{1h};
  Instant last_{1h};  // of the last event, by the script
  Instant begin_{1h}, end_{1h};
  std::deque<Sent> sent_;
  std::optional<std::uint32_t> initial_;
  std::optional<std::uint32_t> timestamp_base_;
  std::uint32_t written_ = 0;
  std::uint32_t read_ = 0;
};

}  // namespace

std::optional<TcpScriptError> play(const TcpScript& script) {
  std::size_t line = 0;
  try {
    Player player{script};
    for (const TcpEvent& event : script.events) {
      line = event.line;
      player.play(event);
    }
    player.finish();
  } catch (const Problem& problem) {
    return TcpScriptError{line, problem.what};
  }
  return std::nullopt;
}

}  // namespace godwit::test
