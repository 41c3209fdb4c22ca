// A conversation over UDP by the library, without any daemon: from each end a packet of 160 bytes
// every 20 ms to the other, as a telephone sends. What is heard is told as it comes, one line
// each: seconds since boot, the packet's number.
//
//   voice answer SECONDS --config FILE            speaks to whoever spoke first
//   voice call ADDRESS SECONDS --config FILE
//
// Each end hears on a bound socket and speaks through a connected one of its own, so that a move
// must change the source of one connected socket and the destination of another (S20).
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/node/config_file.hpp"
#include "apps/node/identity.hpp"
#include "apps/node/runner.hpp"

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

namespace {

using namespace godwit;
using namespace std::chrono_literals;

constexpr std::uint16_t port = 4000;
constexpr std::size_t packet_size = 160;
constexpr auto pace = 20ms;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "voice: %s\n", what.c_str());
  std::_Exit(1);
}

struct Options {
  std::optional<IpAddress> to;  // none: answers
  std::chrono::duration<double> length{0};
  std::string config;
};

using Voice = std::array<std::uint8_t, packet_size>;

// The number stands in the first four octets, the highest first.
Voice spoken(std::uint32_t number) {
  Voice voice{};
  for (std::size_t i = 0; i < 4; ++i) {
    voice[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  return voice;
}

std::uint32_t number_of(const Voice& voice) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | voice[i];
  return number;
}

class Conversation {
 public:
  explicit Conversation(const Options& options) : options_{options} {
    auto config = load_config(options.config);
    if (!config) die(config.problem());
    auto identity = load_identity(config->identity_file);
    if (!identity) die(identity.problem());
    runner_ = std::make_unique<Runner>(io_, std::move(*config), std::move(*identity));
    if (const auto started = runner_->start(); !started) die(started.problem());
  }

  void run() {
    auto ear = runner_->node().bind_udp(port);
    if (!ear) die("listen: " + std::string{ear.error().what});
    ear_ = std::move(*ear);
    ear_->set_handler([this] { hear(*ear_); });
    std::puts("ready");
    std::fflush(stdout);
    if (options_.to) speak_to(*options_.to);
    end_.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(options_.length));
    end_.async_wait([this](const asio::error_code&) { hang_up(); });
    io_.run();
  }

 private:
  void speak_to(const IpAddress& address) {
    auto mouth = runner_->node().connect_udp({address, port});
    if (!mouth) die("connect: " + std::string{mouth.error().what});
    mouth_ = std::move(*mouth);
    mouth_->set_handler([this] { hear(*mouth_); });  // an answer by the same flow
    tick_.expires_after(0ms);
    speak();
  }

  void hear(UdpSocket& socket) {
    Voice voice{};
    while (const auto received = socket.receive_from(voice)) {
      if (received->size != packet_size) die("heard a packet of another size");
      const std::chrono::duration<double> at = runner_->now().time_since_epoch();
      std::printf("%.6f %u\n", at.count(), number_of(voice));
      if (!mouth_) speak_to(received->from.address);
    }
    std::fflush(stdout);
  }

  void speak() {
    // A packet that cannot leave (no network) is lost, as in any telephone; its number is missed.
    static_cast<void>(mouth_->send(spoken(number_++)));
    tick_.expires_at(tick_.expiry() + pace);  // from the last one due: delays do not add up
    tick_.async_wait([this](const asio::error_code& error) {
      if (!error) speak();
    });
  }

  void hang_up() {
    std::printf("said %u\n", number_);
    std::fflush(stdout);
    tick_.cancel();
    mouth_.reset();
    ear_.reset();
    runner_->stop();
    io_.stop();
  }

  Options options_;
  asio::io_context io_{1};
  asio::steady_timer tick_{io_};
  asio::steady_timer end_{io_};
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<UdpSocket> ear_;
  std::unique_ptr<UdpSocket> mouth_;
  std::uint32_t number_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words{argv + 1, argv + argc};
  const bool answers = words.size() == 4 && words[0] == "answer";
  const bool calls = words.size() == 5 && words[0] == "call";
  if ((!answers && !calls) || words[words.size() - 2] != "--config") {
    die("usage: voice answer SECONDS --config FILE | voice call ADDRESS SECONDS --config FILE");
  }
  Options options;
  if (calls) {
    const auto to = IpAddress::parse(words[1]);
    if (!to) die(words[1] + " is no address");
    options.to = *to;
  }
  options.length =
      std::chrono::duration<double>{std::strtod(words[words.size() - 3].c_str(), nullptr)};
  options.config = words.back();
  Conversation{options}.run();
  return 0;
}
