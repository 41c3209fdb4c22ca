#include "tests/mobility/model_digest.hpp"

#include <algorithm>

#include "tests/mobility/mobility_words.hpp"

namespace godwit::model {
namespace {

// Hints take turns; there are at most three of them.
constexpr std::size_t all_turns = 6;

// Silent timers to fire: the first may only make what the second repeats.
constexpr int probes = 4;

// Numbers of which only the order counts.
class Ranks {
 public:
  void add(std::uint32_t number) { numbers_.push_back(number); }
  void close() {
    std::sort(numbers_.begin(), numbers_.end());
    numbers_.erase(std::unique(numbers_.begin(), numbers_.end()), numbers_.end());
  }
  char of(std::uint32_t number) const {
    const auto at = std::lower_bound(numbers_.begin(), numbers_.end(), number);
    return static_cast<char>(at - numbers_.begin());
  }

 private:
  std::vector<std::uint32_t> numbers_;
};

class Writer {
 public:
  Writer(const std::array<ModelHost*, 2>& hosts, const std::vector<Message>& flight,
         const std::array<std::uint8_t, 5>& left)
      : hosts_{hosts}, flight_{flight} {
    for (const std::uint8_t number : left) constant_.push_back(static_cast<char>(number));
    for (const std::size_t i : {0, 1}) probe(i);
  }

  // The first reading finds the numbers, the second puts their ranks in their places.
  std::string text() {
    write();
    for (Ranks& ranks : counters_) ranks.close();
    for (Ranks& ranks : messages_) ranks.close();
    is_collecting_ = false;
    write();
    name_nonces();
    return std::move(out_);
  }

 private:
  struct Silence {
    bool is_deadline;
    std::vector<MobilityService::Output> outputs;
  };

  void probe(std::size_t host) {
    ModelHost& it = *hosts_[host];
    // Taken before the service is disturbed.
    state_of(it, before_[host]);
    numbers_[host] = {it.peer()->sent_again_with, it.peer()->echo};
    for (int i = 0; i < probes; ++i) {
      Silence silence{it.can_time_out(), {}};
      if (silence.is_deadline) it.service().handle_timeout(it.service().next_deadline()->at);
      while (auto output = it.service().poll()) silence.outputs.push_back(std::move(*output));
      silences_[host].push_back(std::move(silence));
    }
  }

  static void state_of(const ModelHost& it, std::string& out) {
    const MobilePeer& peer = *it.peer();
    out += static_cast<char>('0' + static_cast<int>(peer.initiator.state()));
    for (const IpAddress& address : peer.initiator.addresses()) out += letter(address);
    out += '>';
    out += peer.initiator.target() ? letter(*peer.initiator.target()) : '-';
    out += letter(peer.remote());
    out += peer.initiator.is_in_doubt() ? 'd' : '-';
    out += peer.initiator.is_silent() ? 's' : '-';
    out += peer.down ? 'z' : '-';
    out += it.is_down() ? 'z' : '-';
    out += it.unproven() ? letter(*it.unproven()) : '-';
    out += letter(peer.proof.proven());
    const Nonce wanted = peer.proof.wanted();
    out.append(wanted.begin(), wanted.end());
    out += peer.candidate ? letter(*peer.candidate) : '-';
    for (const IpAddress& hint : peer.hints) out += letter(hint);
    out += static_cast<char>(peer.hints.empty() ? 0 : peer.next_candidate % all_turns);
    out += letter(it.local());
    out += letter(it.remote());
    out += letter(it.row().local);
    out += letter(it.row().remote);
    for (const auto& entry : it.addresses().list()) {
      out += letter(entry.prefix.address);
      out += static_cast<char>('0' + static_cast<int>(entry.state));
      out += entry.assigned ? 'a' : '-';
      out += entry.successor ? letter(*entry.successor) : '-';
    }
    out += it.chosen() ? letter(*it.chosen()) : '-';
    std::vector<std::string> tunnels;
    for (const TunnelEntry& tunnel : it.routes().tunnels()) {
      tunnels.push_back(
          {tunnel.key == Side::Local ? 'L' : 'R', letter(tunnel.inner), letter(tunnel.outer)});
    }
    std::sort(tunnels.begin(), tunnels.end());
    for (const std::string& tunnel : tunnels) out += tunnel;
    out += it.wants_hint() ? '?' : '.';
  }

  void write() {
    out_ = constant_;
    for (const std::size_t i : {0, 1}) write_host(i);
    std::vector<std::string> messages;
    for (const Message& message : flight_) {
      const std::size_t mark = out_.size();
      write_message(message);
      messages.push_back(out_.substr(mark));
      out_.resize(mark);
    }
    std::sort(messages.begin(), messages.end());
    for (const std::string& message : messages) out_ += message;
  }

  void write_host(std::size_t host) {
    const ModelHost& it = *hosts_[host];
    out_ += '|';
    out_ += before_[host];
    counter(1 - host, it.followed());
    for (const auto& number : numbers_[host]) {
      if (number) counter(host, *number);
      out_ += number ? '#' : '-';
    }
    for (const auto& exchange : it.exchanges()) write_exchange(host, exchange);
    out_ += ';';
    for (const auto& exchange : it.waiting()) write_exchange(host, exchange);
    out_ += ';';
    for (const auto& [number, notice] : it.answers()) {
      if (!can_be_asked(1 - host, number)) continue;
      message_number(1 - host, number);
      write_notice_of(host, notice);
    }
    for (const Silence& silence : silences_[host]) {
      out_ += silence.is_deadline ? '!' : '_';
      for (const auto& output : silence.outputs) write_output(host, output);
    }
  }

  // Nobody asks again for an answer that has arrived and whose request is not under way.
  bool can_be_asked(std::size_t asker, std::uint32_t number) const {
    const auto& open = hosts_[asker]->exchanges();
    return std::any_of(open.begin(), open.end(),
                       [&](const auto& exchange) { return exchange.number == number; }) ||
           std::any_of(flight_.begin(), flight_.end(), [&](const Message& message) {
             return message.sender == asker && message.kind == Message::Kind::Request &&
                    message.number == number;
           });
  }

  void write_exchange(std::size_t host, const ModelHost::Exchange& exchange) {
    message_number(host, exchange.number);
    if (exchange.owner) counter(host, exchange.owner->number);
    if (hosts_[host]->is_narrow()) out_ += static_cast<char>(hosts_[host]->age_of(exchange));
    out_ += exchange.owner ? 'o' : 'f';
    write_notice_of(host, exchange.notice);
  }

  void write_message(const Message& message) {
    const bool is_request = message.kind == Message::Kind::Request;
    out_ += is_request ? 'Q' : 'P';
    out_ += static_cast<char>('0' + message.sender);
    out_ += letter(message.source);
    out_ += letter(message.destination);
    out_ += message.outer ? letter(message.outer->local) : '-';
    out_ += message.outer ? letter(message.outer->remote) : '-';
    message_number(is_request ? message.sender : 1 - message.sender, message.number);
    write_notice_of(message.sender, message.notice);
  }

  void write_output(std::size_t host, const MobilityService::Output& output) {
    if (const auto* send = std::get_if<MobilityService::SendNotice>(&output)) {
      out_ += send->attempt == 1 ? 'N' : 'S';
      write_notice_of(host, send->notice);
    } else {
      out_ += std::visit(InWords{}, output);
    }
  }

  void write_notice_of(std::size_t sender, const std::optional<Notice>& notice) {
    if (!notice) {
      out_ += 'E';
    } else if (const auto* change = std::get_if<AddressChange>(&*notice)) {
      out_ += 'C';
      counter(sender, change->counter);
      for (const IpAddress& from : change->from) out_ += letter(from);
      out_ += letter(change->to);
      out_ += change->old_path == OldPath::Alive ? 'a' : 'g';
    } else if (const auto* done = std::get_if<MigrationCompleted>(&*notice)) {
      out_ += 'M';
      counter(1 - sender, done->counter);
      out_ += static_cast<char>('0' + static_cast<int>(done->outcome));
      out_ += letter(done->seen.address);
      out_.append(done->echo.begin(), done->echo.end());
    } else {
      const ByteString octets = write_notice(*notice);
      out_ += static_cast<char>('n' + static_cast<int>(type_of(*notice)));
      out_.append(octets.begin(), octets.end());
    }
  }

  void counter(std::size_t owner, std::uint32_t number) { rank(counters_[owner], number); }
  void message_number(std::size_t asker, std::uint32_t number) { rank(messages_[asker], number); }
  void rank(Ranks& ranks, std::uint32_t number) {
    if (is_collecting_) ranks.add(number);
    out_ += is_collecting_ ? ' ' : ranks.of(number);
  }

  static char letter(const IpAddress& address) {
    return static_cast<char>(address.octets().back());
  }

  // The first one becomes 1, the second 2, wherever they are met again.
  void name_nonces() {
    std::vector<std::string> names;
    const auto& mark = NumberedRng::mark;
    for (auto at = out_.begin();;) {
      at = std::search(at, out_.end(), mark.begin(), mark.end(),
                       [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
      if (out_.end() - at < 7) return;
      const std::string value{at + 4, at + 7};
      auto known = std::find(names.begin(), names.end(), value);
      if (known == names.end()) known = names.insert(names.end(), value);
      std::fill(at, at + 7, static_cast<char>(known - names.begin()));
      at += 7;
    }
  }

  const std::array<ModelHost*, 2>& hosts_;
  const std::vector<Message>& flight_;
  std::string constant_;
  std::array<std::string, 2> before_;
  std::array<std::array<std::optional<std::uint32_t>, 2>, 2> numbers_;
  std::array<std::vector<Silence>, 2> silences_;
  std::array<Ranks, 2> counters_, messages_;
  bool is_collecting_ = true;
  std::string out_;
};

// Two lanes of FNV-1a's kind with different multipliers, each stirred at the end.
Digest hash_of(const std::string& text) {
  std::uint64_t a = 0xcbf29ce484222325, b = 0x9e3779b97f4a7c15;
  for (const char letter : text) {
    const auto octet = static_cast<std::uint8_t>(letter);
    a = (a ^ octet) * 0x100000001b3;
    b = (b ^ octet) * 0xd6e8feb86659fd93;
    b ^= b >> 29;
  }
  const auto stir = [](std::uint64_t value) {
    value = (value ^ (value >> 33)) * 0xff51afd7ed558ccd;
    value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53;
    return value ^ (value >> 33);
  };
  return {stir(a), stir(b)};
}

}  // namespace

Digest digest_of(const std::array<ModelHost*, 2>& hosts, const std::vector<Message>& flight,
                 const std::array<std::uint8_t, 5>& left) {
  return hash_of(Writer{hosts, flight, left}.text());
}

}  // namespace godwit::model
