#include "tests/sim/random_script.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <sstream>

namespace godwit::sim {
namespace {

struct RandomHost {
  std::string name;
  bool correspondent;
  std::string home;  // a correspondent's, in the others' configuration
  std::string address;
  unsigned next = 10;
};

class Drawer {
 public:
  explicit Drawer(std::uint64_t seed) : random_{seed}, seed_{seed} {}

  std::string draw() {
    out_ << "# a random run, drawn from seed " << seed_ << '\n';
    draw_networks();
    draw_hosts();
    at(0.1);
    draw_streams();
    // Half of the runs are left in peace until sessions stand; the others move while they are set
    // up.
    at(one_in(2) ? 4 : 0.15);
    for (const auto& [who, action] : faults_) line(who, action);
    const std::uint64_t steps = 3 + pick(10);
    for (std::uint64_t i = 0; i < steps; ++i) draw_step();
    draw_end();
    return out_.str();
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  bool one_in(std::uint64_t times) { return pick(times) == 0; }
  void at(double seconds) { time_ = std::max(time_, seconds); }
  void wait(std::uint64_t milliseconds) { time_ += static_cast<double>(milliseconds) / 1000; }

  void line(const std::string& who, const std::string& action) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", time_);
    out_ << text << "  " << who << "  " << action << '\n';
  }
  // What goes wrong on a line, from the moment on at which sessions stand.
  void fault(const std::string& who, const std::string& action) {
    faults_.emplace_back(who, action);
  }
  void setup(const std::string& who, const std::string& action) {
    out_ << "setup  " << who << "  " << action << '\n';
  }

  void draw_networks() {
    setup("net", "seed " + std::to_string(seed_));
    setup("net", "delay " + std::to_string(1 + pick(40)) + " ms");
    setup("net", "rate " + std::to_string(5 + pick(46)) + " Mbit/s");
    for (const char* name : {"one", "two", "three"}) {
      const std::string prefix = std::string{"10."} + std::to_string(++networks_) + ".0.0/16";
      setup(name, "access " + prefix);
      // Both directions drawn apart: paths are asymmetric.
      for (const char* direction : {".up", ".down"}) draw_line(std::string{name} + direction);
    }
  }

  void draw_line(const std::string& line_name) {
    setup(line_name, "delay " + std::to_string(1 + pick(60)) + " ms");
    setup(line_name, "rate " + std::to_string(2 + pick(48)) + " Mbit/s");
    if (one_in(2)) fault(line_name, "loss " + std::to_string(pick(4)) + " %");
    if (one_in(4)) fault(line_name, "jitter " + std::to_string(1 + pick(8)) + " ms");
    if (one_in(4)) fault(line_name, "duplication " + std::to_string(1 + pick(3)) + " %");
    if (one_in(4)) fault(line_name, "corruption " + std::to_string(1 + pick(2)) + " %");
    if (one_in(4)) {
      fault(line_name, "reordering " + std::to_string(1 + pick(5)) + " % by " +
                           std::to_string(1 + pick(20)) + " ms");
    }
    if (one_in(8)) fault(line_name, "bursts begin 1 % end " + std::to_string(10 + pick(40)) + " %");
    if (one_in(8)) setup(line_name, "queue " + std::to_string(16 + pick(200)) + " KiB");
  }

  std::string address_in(unsigned network, RandomHost& host) {
    const auto number = static_cast<unsigned>(&host - hosts_.data());
    return "10." + std::to_string(network) + "." + std::to_string(number) + "." +
           std::to_string(host.next++);
  }
  std::string new_address(RandomHost& host) {
    return address_in(1 + static_cast<unsigned>(pick(networks_)), host);
  }

  void draw_hosts() {
    const std::uint64_t correspondents = 1 + pick(3);
    const std::uint64_t mobiles = 1 + pick(2);
    for (std::uint64_t i = 0; i < correspondents + mobiles; ++i) {
      const bool correspondent = i < correspondents;
      hosts_.push_back(
          {(correspondent ? "ch" : "mh") + std::to_string(i + 1), correspondent, "", "", 10});
    }
    for (RandomHost& host : hosts_) {
      const auto number = static_cast<std::size_t>(&host - hosts_.data());
      host.address = host.correspondent && one_in(2) ? "203.0.113." + std::to_string(5 + number)
                                                     : new_address(host);
      host.home = host.address;
      setup(host.name, (host.correspondent ? "correspondent at " : "host at ") + host.address);
    }
  }

  void draw_streams() {
    for (const RandomHost& client : hosts_) {
      for (const RandomHost& server : hosts_) {
        if (client.correspondent || !server.correspondent || one_in(3)) continue;
        const std::string name = client.name + "-" + server.name;
        line(client.name, "opens " + name + " to " + server.name + ":80");
        streams_.push_back({name, client.name, server.name});
        draw_sending(streams_.back());
        wait(pick(200));
      }
    }
  }

  struct Stream {
    std::string name;
    std::string client;
    std::string server;
  };
  void draw_sending(const Stream& stream) {
    const std::string& who = one_in(2) ? stream.client : stream.server;
    line(who, "sends " + std::to_string(1 + pick(400)) + " KiB on " + stream.name);
  }

  void draw_step() {
    // Sometimes the next thing comes before the last one is over.
    wait(one_in(2) ? pick(60) : pick(1500));
    RandomHost& host = hosts_[pick(hosts_.size())];
    const std::uint64_t kind = pick(12);
    if (kind < 6) return draw_move(host);
    if (kind < 8 && !streams_.empty()) return draw_sending(streams_[pick(streams_.size())]);
    if (kind == 8) {
      return line(host.name, "suspends for " + std::to_string(100 + pick(5000)) + " ms");
    }
    if (kind == 9) {
      const char* names[] = {"one", "two.up", "three.down"};
      return line(names[pick(3)], "dead for " + std::to_string(50 + pick(3000)) + " ms");
    }
    if (kind == 10) {
      return line("two", "delay " + std::to_string(1 + pick(100)) + " ms");
    }
    line("one", "loss " + std::to_string(pick(6)) + " %");
  }

  void draw_move(RandomHost& host) {
    const std::string there = new_address(host);
    switch (pick(4)) {
      case 0:  // break before make
        line(host.name, "loses everything");
        wait(pick(1500));
        line(host.name, "gains " + there);
        break;
      case 1:  // make before break
        line(host.name, "gains " + there);
        wait(pick(400));
        line(host.name, "loses " + host.address);
        break;
      case 2:  // it goes, and comes back
        line(host.name, "loses everything");
        wait(pick(1500));
        line(host.name, "gains " + host.address);
        return;
      default: line(host.name, "swaps " + host.address + " for " + there);
    }
    host.address = there;
  }

  // The network heals, and correspondents go home: two who have both moved without a word are found
  // again at the addresses that are configured. Then everything must arrive, and every move must
  // have come to its end.
  void draw_end() {
    wait(3000);
    out_ << random_script_end << '\n';
    for (const RandomHost& host : hosts_) {
      line(host.name, "gains " + (host.correspondent ? host.home : host.address));
    }
    for (const char* name : {"one", "two", "three"}) {
      line(name, "loss 0 %");
      line(name, "corruption 0 %");
      line(name, "bursts begin 0 % end 100 %");
    }
    line("net", "everything is complete within 300 s");
    time_ += 400;
    line("net", "everything is settled");
    for (const RandomHost& host : hosts_) line(host.name, "has no tunnel entry");
  }

  std::mt19937_64 random_;
  std::uint64_t seed_;
  std::ostringstream out_;
  double time_ = 0;
  unsigned networks_ = 0;
  std::vector<std::pair<std::string, std::string>> faults_;
  std::vector<RandomHost> hosts_;
  std::vector<Stream> streams_;
};

}  // namespace

std::string random_script(std::uint64_t seed) { return Drawer{seed}.draw(); }

}  // namespace godwit::sim
