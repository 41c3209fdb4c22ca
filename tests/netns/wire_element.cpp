// A wire between two Ethernet interfaces, in user space: for kernels without netem, and for tests
// that must change the wire while traffic is on it. Each direction has its own rate, a drop-tail
// queue counted in bytes, seeded random loss, a black hole and a constant delay; frames never
// overtake each other. Frames come from a ring shared with the kernel and leave in batches.
//
//   wire_element IF0 IF1 [--delay MS] [--rate BITS] [--queue BYTES] [--loss P] [--seed N]
//                [--pcap FILE] [--snap BYTES]
//
// Numbers may end in k, M or G. --delay is one way and applies to both directions; --rate 0 is
// no limit; --queue 0 is no bound. Direction 0 is what enters at IF0.
//
// Lines on standard input change the wire at once; each is answered by one line of JSON:
//
//   delay MS | rate BITS | queue BYTES | loss P [P1] | blackhole on|off | pcap FILE|off
//   counters | quit
//
// loss takes one probability for both directions or one for each. End of input ends the program:
// a wire never outlives the harness that laid it. Senders must have segmentation and checksum
// offload off; frames that break this are counted as oversize and unsummed.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

// Frames that are due this soon leave now: fewer wake-ups for an error nobody can see.
constexpr Nanoseconds early = 30us;
constexpr std::size_t batch_size = 64;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "wire_element: %s\n", what.c_str());
  std::_Exit(1);
}

[[noreturn]] void die_of_errno(const std::string& what) {
  die(what + ": " + std::generic_category().message(errno));
}

std::optional<double> number(std::string_view text) {
  const std::string owned{text};
  char* end = nullptr;
  errno = 0;
  const double value = std::strtod(owned.c_str(), &end);
  if (end == owned.c_str() || errno != 0 || !(value >= 0)) return std::nullopt;
  const std::string_view unit{end};
  if (unit.empty()) return value;
  if (unit == "k") return value * 1e3;
  if (unit == "M") return value * 1e6;
  if (unit == "G") return value * 1e9;
  return std::nullopt;
}

Nanoseconds milliseconds(double value) {
  return Nanoseconds{static_cast<std::int64_t>(value * 1e6)};
}

// What one wants of the wire; may change at any time.
struct Settings {
  Nanoseconds delay{0};
  double bits_per_second = 0;
  std::uint64_t queue_bytes = 0;
  std::array<double, 2> loss{};
  bool blackhole = false;
};

struct Counters {
  std::uint64_t received = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;  // by chance
  std::uint64_t queue_full = 0;
  std::uint64_t swallowed = 0;    // by the black hole
  std::uint64_t oversize = 0;     // larger than Ethernet's: some offload was left on
  std::uint64_t unsummed = 0;     // the sender expected hardware to make the checksum
  std::uint64_t unsendable = 0;   // the far interface refused it, it is down
  std::uint64_t flight_full = 0;  // more under way than there is room for
};

// The classic format with nanoseconds, link type Ethernet.
class PcapFile {
 public:
  PcapFile(const std::string& path, std::uint32_t snap) : snap_{snap} {
    file_ = std::fopen(path.c_str(), "wb");
    if (file_ == nullptr) return;
    std::setvbuf(file_, nullptr, _IOFBF, 1 << 20);
    const std::array<std::uint32_t, 6> header{0xa1b23c4d, 2 | 4u << 16, 0, 0, snap_, 1};
    std::fwrite(header.data(), sizeof header, 1, file_);
  }
  ~PcapFile() {
    if (file_ != nullptr) std::fclose(file_);
  }
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  bool open() const { return file_ != nullptr; }
  void write(const std::uint8_t* frame, std::uint32_t length) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
    const std::uint32_t kept = std::min(length, snap_);
    const std::array<std::uint32_t, 4> header{
        static_cast<std::uint32_t>(seconds.count()),
        static_cast<std::uint32_t>(Nanoseconds{now - seconds}.count()), kept, length};
    std::fwrite(header.data(), sizeof header, 1, file_);
    std::fwrite(frame, kept, 1, file_);
  }
  void flush() { std::fflush(file_); }

 private:
  std::FILE* file_ = nullptr;
  std::uint32_t snap_;
};

// One interface: a receive ring shared with the kernel (packet(7), TPACKET_V2) and the socket
// that what came from the other side is sent by. A slot must go back before the next poll, which
// reports "readable" for as long as the newest slot is held.
class Port {
 public:
  explicit Port(const std::string& interface) {
    socket_ = ::socket(AF_PACKET, SOCK_RAW, 0);
    if (socket_ < 0) die_of_errno("cannot open a packet socket (CAP_NET_RAW is needed)");
    const unsigned index = ::if_nametoindex(interface.c_str());
    if (index == 0) die_of_errno("interface " + interface);
    set(SOL_PACKET, PACKET_VERSION, static_cast<int>(TPACKET_V2));
    set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    set(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    set(SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20);
    const packet_mreq promiscuous{static_cast<int>(index), PACKET_MR_PROMISC, 0, {}};
    set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous);
    constexpr unsigned block_size = 1 << 17;
    tpacket_req ring{};
    ring.tp_block_size = block_size;
    ring.tp_frame_size = slot_size;
    ring.tp_frame_nr = slot_count;
    ring.tp_block_nr = slot_count / (block_size / slot_size);
    set(SOL_PACKET, PACKET_RX_RING, ring);
    void* mapped = ::mmap(nullptr, std::size_t{slot_count} * slot_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, socket_, 0);
    if (mapped == MAP_FAILED) die_of_errno("cannot map the ring of " + interface);
    slots_ = static_cast<std::uint8_t*>(mapped);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(index);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die_of_errno("bind to " + interface);
    }
  }
  ~Port() { ::close(socket_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  int socket() const { return socket_; }
  // The oldest frame not yet released; null if there is none.
  const tpacket2_hdr* arrived() const {
    const tpacket2_hdr& oldest = slot(next_);
    const bool filled =
        (__atomic_load_n(&oldest.tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
    return filled ? &oldest : nullptr;
  }
  void release() {
    __atomic_store_n(&slot(next_).tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ++next_;
  }
  std::uint64_t ring_drops() const {  // since the last question
    tpacket_stats statistics{};
    socklen_t length = sizeof statistics;
    ::getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &statistics, &length);
    return statistics.tp_drops;
  }
  void forget_error() const {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length);
  }

 private:
  static constexpr unsigned slot_count = 8192;
  static constexpr unsigned slot_size = 2048;

  tpacket2_hdr& slot(std::uint64_t number) const {
    return *reinterpret_cast<tpacket2_hdr*>(slots_ + (number % slot_count) * slot_size);
  }
  template <class Value>
  void set(int level, int option, const Value& value) {
    if (::setsockopt(socket_, level, option, &value, sizeof value) != 0) {
      die_of_errno("socket option " + std::to_string(option));
    }
  }

  int socket_ = -1;
  std::uint8_t* slots_ = nullptr;
  std::uint64_t next_ = 0;
};

// What enters at `in` and leaves at `out`, first in, first out. Frames numbered head_ to tail_ are
// under way.
class Direction {
 public:
  Direction(Port& in, Port& out, std::uint64_t seed, unsigned number)
      : in_{in}, out_{out}, number_{number}, rng_{seed * 2 + number}, flight_(flight_limit) {}

  // Takes what has arrived, up to one turn's worth, so that the other direction gets its share.
  void take(const Settings& settings, Instant now) {
    for (std::size_t taken = 0; taken < 4 * batch_size; ++taken) {
      const tpacket2_hdr* slot = in_.arrived();
      if (slot == nullptr) return;
      if (const std::optional<Instant> due = admit(*slot, settings, now)) {
        Frame& frame = flight_[tail_++ % flight_limit];
        frame.due = *due;
        frame.length = slot->tp_len;
        std::memcpy(frame.octets.data(), reinterpret_cast<const std::uint8_t*>(slot) + slot->tp_mac,
                    slot->tp_len);
      }
      in_.release();
    }
  }

  // Sends what is due; says when the next frame will be.
  std::optional<Instant> send(Instant now, PcapFile* pcap) {
    for (;;) {
      std::array<mmsghdr, batch_size> messages{};
      std::array<iovec, batch_size> parts;
      unsigned count = 0;
      for (; head_ + count != tail_ && count < batch_size; ++count) {
        Frame& frame = flight_[(head_ + count) % flight_limit];
        if (frame.due > now + early) break;
        parts[count] = {frame.octets.data(), frame.length};
        messages[count].msg_hdr.msg_iov = &parts[count];
        messages[count].msg_hdr.msg_iovlen = 1;
        if (pcap != nullptr) pcap->write(frame.octets.data(), frame.length);
      }
      if (count == 0) break;
      hand_over(messages.data(), count);
      head_ += count;
    }
    if (head_ == tail_) return std::nullopt;
    return flight_[head_ % flight_limit].due;
  }

  const Counters& counters() {
    counters_.flight_full += in_.ring_drops();
    return counters_;
  }

 private:
  struct Frame {
    Instant due;
    std::uint32_t length;
    std::array<std::uint8_t, ETH_FRAME_LEN> octets;
  };
  static constexpr std::size_t flight_limit = 65536;

  std::optional<Instant> admit(const tpacket2_hdr& slot, const Settings& settings, Instant now) {
    ++counters_.received;
    counters_.received_bytes += slot.tp_len;
    if ((slot.tp_status & TP_STATUS_CSUMNOTREADY) != 0) ++counters_.unsummed;
    if (slot.tp_len != slot.tp_snaplen || slot.tp_len > ETH_FRAME_LEN) {
      ++counters_.oversize;
      return std::nullopt;
    }
    if (settings.blackhole) {
      ++counters_.swallowed;
      return std::nullopt;
    }
    // One draw for each frame, so that one seed gives one pattern whatever the timing.
    const double chance = settings.loss[number_];
    if (chance > 0 && std::generate_canonical<double, 53>(rng_) < chance) {
      ++counters_.lost;
      return std::nullopt;
    }
    if (tail_ - head_ == flight_limit) {
      ++counters_.flight_full;
      return std::nullopt;
    }
    return settings.bits_per_second > 0 ? queue(slot.tp_len, settings, now) : now + settings.delay;
  }

  std::optional<Instant> queue(std::uint32_t length, const Settings& settings, Instant now) {
    link_free_ = std::max(link_free_, now);
    const double waiting =
        std::chrono::duration<double>(link_free_ - now).count() * settings.bits_per_second / 8;
    if (settings.queue_bytes > 0 && waiting + length > static_cast<double>(settings.queue_bytes)) {
      ++counters_.queue_full;
      return std::nullopt;
    }
    link_free_ +=
        Nanoseconds{static_cast<std::int64_t>(length * 8.0 * 1e9 / settings.bits_per_second)};
    return link_free_ + settings.delay;
  }

  void hand_over(mmsghdr* messages, unsigned count) {
    for (unsigned done = 0; done < count;) {
      const int sent = ::sendmmsg(out_.socket(), messages + done, count - done, 0);
      if (sent > 0) {
        counters_.sent += static_cast<unsigned>(sent);
        done += static_cast<unsigned>(sent);
      } else if (errno != EINTR) {
        ++counters_.unsendable;  // the frame is gone, as on a wire that was pulled
        ++done;
      }
    }
  }

  Port& in_;
  Port& out_;
  unsigned number_;
  std::mt19937_64 rng_;
  std::vector<Frame> flight_;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  Instant link_free_{};
  Counters counters_;
};

class WireElement {
 public:
  WireElement(const std::string& left, const std::string& right, const Settings& settings,
              std::uint64_t seed, std::uint32_t snap)
      : settings_{settings},
        snap_{snap},
        ports_{Port{left}, Port{right}},
        directions_{Direction{ports_[0], ports_[1], seed, 0},
                    Direction{ports_[1], ports_[0], seed, 1}} {}

  bool record(const std::string& path) {
    pcap_.reset();
    if (path == "off") return true;
    auto file = std::make_unique<PcapFile>(path, snap_);
    if (!file->open()) return false;
    pcap_ = std::move(file);
    return true;
  }

  void run() {
    std::puts("{\"ready\": true}");
    std::fflush(stdout);
    while (!finished_) {
      const Instant now = Clock::now();
      std::optional<Instant> next;
      for (Direction& direction : directions_) {
        direction.take(settings_, now);
        const std::optional<Instant> due = direction.send(now, pcap_.get());
        if (due && (!next || *due < *next)) next = due;
      }
      wait(next);
    }
  }

 private:
  void wait(std::optional<Instant> until) {
    std::array<pollfd, 3> watched{{{ports_[0].socket(), POLLIN, 0},
                                   {ports_[1].socket(), POLLIN, 0},
                                   {STDIN_FILENO, POLLIN, 0}}};
    timespec timeout{};
    if (until) {
      const auto left = std::max<Nanoseconds>(*until - Clock::now() - early / 2, 0ns);
      timeout.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count();
      timeout.tv_nsec = (left % 1s).count();
    }
    if (::ppoll(watched.data(), watched.size(), until ? &timeout : nullptr, nullptr) <= 0) return;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      if ((watched[i].revents & POLLERR) != 0) ports_[i].forget_error();
    }
    if (watched[2].revents != 0) read_commands();
  }

  void read_commands() {
    std::array<char, 4096> buffer;
    const ssize_t length = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (length <= 0) {
      finished_ = true;
      return;
    }
    input_.append(buffer.data(), static_cast<std::size_t>(length));
    for (std::size_t end; (end = input_.find('\n')) != std::string::npos;
         input_.erase(0, end + 1)) {
      obey(words_of(std::string_view{input_}.substr(0, end)));
      std::fflush(stdout);
    }
  }

  static std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      if (end > at) words.emplace_back(line.substr(at, end - at));
      at = end + 1;
    }
    return words;
  }

  void obey(const std::vector<std::string>& words) {
    if (words.empty()) return;
    const std::string& verb = words[0];
    const std::string argument = words.size() > 1 ? words[1] : "";
    const std::optional<double> value = number(argument);
    bool understood = true;
    if (verb == "counters" || verb == "quit") {
      finished_ = verb == "quit";
      if (pcap_) pcap_->flush();
      print_counters();
      return;
    }
    if (verb == "blackhole" && (argument == "on" || argument == "off")) {
      settings_.blackhole = argument == "on";
    } else if (verb == "pcap" && !argument.empty()) {
      understood = record(argument);
    } else if (verb == "delay" && value) {
      settings_.delay = milliseconds(*value);
    } else if (verb == "rate" && value) {
      settings_.bits_per_second = *value;
    } else if (verb == "queue" && value) {
      settings_.queue_bytes = static_cast<std::uint64_t>(*value);
    } else if (verb == "loss" && value) {
      settings_.loss = {*value, words.size() > 2 ? number(words[2]).value_or(*value) : *value};
    } else {
      understood = false;
    }
    std::puts(understood ? "{\"ok\": true}" : "{\"ok\": false}");
  }

  void print_counters() {
    std::printf("[");
    for (std::size_t i = 0; i < directions_.size(); ++i) {
      const Counters& c = directions_[i].counters();
      const std::array<std::pair<const char*, std::uint64_t>, 10> rows{
          {{"received", c.received},
           {"received_bytes", c.received_bytes},
           {"sent", c.sent},
           {"lost", c.lost},
           {"queue_full", c.queue_full},
           {"swallowed", c.swallowed},
           {"oversize", c.oversize},
           {"unsummed", c.unsummed},
           {"unsendable", c.unsendable},
           {"flight_full", c.flight_full}}};
      std::printf("%s{", i == 0 ? "" : ", ");
      for (std::size_t k = 0; k < rows.size(); ++k) {
        std::printf("%s\"%s\": %llu", k == 0 ? "" : ", ", rows[k].first,
                    static_cast<unsigned long long>(rows[k].second));
      }
      std::printf("}");
    }
    std::puts("]");
  }

  Settings settings_;
  std::uint32_t snap_;
  std::array<Port, 2> ports_;
  std::array<Direction, 2> directions_;
  std::unique_ptr<PcapFile> pcap_;
  std::string input_;
  bool finished_ = false;
};

struct CommandLine {
  std::vector<std::string> interfaces;
  Settings settings;
  std::uint64_t seed = 1;
  std::uint32_t snap = 65535;
  std::string pcap;

  void set(const std::string& option, const std::string& text) {
    if (option == "--pcap") {
      pcap = text;
      return;
    }
    const std::optional<double> value = number(text);
    if (!value) die(option + " wants a number, not '" + text + "'");
    if (option == "--delay") {
      settings.delay = milliseconds(*value);
    } else if (option == "--rate") {
      settings.bits_per_second = *value;
    } else if (option == "--queue") {
      settings.queue_bytes = static_cast<std::uint64_t>(*value);
    } else if (option == "--loss") {
      settings.loss = {*value, *value};
    } else if (option == "--seed") {
      seed = static_cast<std::uint64_t>(*value);
    } else if (option == "--snap") {
      snap = static_cast<std::uint32_t>(*value);
    } else {
      die("no such option: " + option);
    }
  }
};

CommandLine read_command_line(const std::vector<std::string>& words) {
  CommandLine line;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].rfind("--", 0) != 0) {
      line.interfaces.push_back(words[i]);
    } else if (i + 1 == words.size()) {
      die(words[i] + " wants a value");
    } else {
      line.set(words[i], words[i + 1]);
      ++i;
    }
  }
  if (line.interfaces.size() != 2) {
    die("usage: wire_element IF0 IF1 [options]; see the source's head");
  }
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  const CommandLine line = read_command_line({argv + 1, argv + argc});
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_TIMERSLACK, 1000);
  // Best effort: keeps the delay exact while everything around computes.
  const sched_param priority{.sched_priority = 1};
  ::sched_setscheduler(0, SCHED_FIFO, &priority);

  WireElement element{line.interfaces[0], line.interfaces[1], line.settings, line.seed, line.snap};
  if (!line.pcap.empty() && !element.record(line.pcap)) die_of_errno(line.pcap);
  element.run();
  return 0;
}
