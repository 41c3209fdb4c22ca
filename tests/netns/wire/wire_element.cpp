// A wire between two Ethernet interfaces, in user space: for kernels without netem, and for tests
// that must change the wire while traffic is on it. Each direction has its own rate, a drop-tail
// queue counted in bytes, seeded random loss, one by one or in bursts, a black hole and a constant
// delay; frames overtake each other only where that is asked for. Frames come from a ring shared
// with the kernel and leave in batches.
//
//   wire_element IF0 IF1 [--delay MS] [--rate BITS] [--queue BYTES] [--loss P] [--burst FRAMES]
//                [--seed N] [--pcap FILE] [--snap BYTES]
//
// Numbers may end in k, M or G. --delay is one way and applies to both directions; --rate 0 is
// no limit; --queue 0 is no bound. Direction 0 is what enters at IF0.
//
// Lines on standard input change the wire at once; each is answered by one line of JSON:
//
//   delay MS | rate BITS | queue BYTES | loss P [P1] | burst FRAMES | reorder P MS
//   blackhole on|off | pcap FILE|off | counters | quit
//
// loss takes one probability for both directions or one for each, burst how many frames are lost
// in a row on average, reorder which part of the frames comes how much later than its turn. End of
// input ends the program: a wire never outlives the harness that laid it. Senders must have
// segmentation and checksum offload off; frames that break this are counted as oversize and
// unsummed.
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/netns/wire/direction.hpp"

namespace {

using namespace godwit::wire;
using namespace std::chrono_literals;

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
    } else if (verb == "burst" && value) {
      settings_.burst = *value;
    } else if (verb == "reorder" && value && words.size() > 2 && number(words[2])) {
      settings_.reordered = *value;
      settings_.late = milliseconds(*number(words[2]));
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
      const std::array<std::pair<const char*, std::uint64_t>, 11> rows{
          {{"received", c.received},
           {"received_bytes", c.received_bytes},
           {"sent", c.sent},
           {"lost", c.lost},
           {"reordered", c.reordered},
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
    } else if (option == "--burst") {
      settings.burst = *value;
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
