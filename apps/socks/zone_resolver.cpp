#include "apps/socks/zone_resolver.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/sessions.hpp"
#include "stack/core/byte_writer.hpp"
#include "stack/dns/resolver.hpp"

namespace godwit {
namespace {

using namespace asio::experimental::awaitable_operators;
using Clock = std::chrono::steady_clock;

constexpr std::size_t largest_message = 65535;
constexpr std::size_t length_octets = 2;  // RFC 1035 section 4.2.2

// The resolver asks for differences only.
Instant now() {
  return Instant{std::chrono::duration_cast<Duration>(Clock::now().time_since_epoch())};
}

SocksDestination destination_of(const Endpoint& server) { return {server.address, server.port}; }

// Reads until all is there. False: it ended before.
asio::awaitable<bool> read_all(ByteChannel& channel, MutableBytes into) {
  while (!into.empty()) {
    asio::error_code error;
    into = into.subspan(channel.read_some(into, error));
    if (error == asio::error::would_block) error = co_await channel.wait(ByteChannel::Wait::Read);
    if (error) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> write_all(ByteChannel& channel, Bytes bytes) {
  while (!bytes.empty()) {
    asio::error_code error;
    bytes = bytes.subspan(channel.write_some(bytes, error));
    if (error == asio::error::would_block) error = co_await channel.wait(ByteChannel::Wait::Write);
    if (error) co_return false;
  }
  co_return true;
}

}  // namespace

// Shared with the coroutines of its queries.
class ZoneResolver::Zone : public std::enable_shared_from_this<ZoneResolver::Zone> {
 public:
  Zone(const asio::any_io_executor& executor, SocksConnector& connector, Rng& rng,
       const ZoneConfig& config)
      : name{config.zone},
        executor_{executor},
        connector_{connector},
        resolver_{ResolverSettings{.servers = config.servers}, rng},
        timer_{executor},
        running_{executor} {}

  asio::awaitable<std::vector<IpAddress>> look_up(const DnsName& host);
  void end() {
    timer_.cancel();
    running_.cancel_all();
  }

  const DnsName name;

 private:
  // Somebody waits for the answers to some questions.
  struct Wait {
    explicit Wait(const asio::any_io_executor& executor)
        : woken{executor, Clock::time_point::max()} {}
    std::map<DnsQuestion, std::optional<std::vector<IpAddress>>> answers;
    asio::steady_timer woken;
  };

  void settle();
  void answer(const DnsQuestion& question, const std::vector<IpAddress>& addresses);
  void arm();
  static asio::awaitable<void> ask(std::shared_ptr<Zone> zone, DnsQuery query);
  asio::awaitable<void> ask_by_udp(const DnsQuery& query);
  asio::awaitable<void> ask_by_tcp(const DnsQuery& query);

  asio::any_io_executor executor_;
  SocksConnector& connector_;
  Resolver resolver_;
  asio::steady_timer timer_;
  std::vector<Wait*> waits_;
  Sessions running_;
};

asio::awaitable<std::vector<IpAddress>> ZoneResolver::Zone::look_up(const DnsName& host) {
  const auto alive = shared_from_this();
  Wait wait{executor_};
  waits_.push_back(&wait);
  for (const DnsType type : {DnsType::Aaaa, DnsType::A}) {
    const DnsQuestion question{host, type};
    wait.answers[question];
    resolver_.look_up(question, now());
  }
  settle();
  const auto is_open = [](const auto& entry) { return !entry.second; };
  const auto cancelled = [](const asio::cancellation_state& state) {
    return state.cancelled() != asio::cancellation_type::none;
  };
  while (std::ranges::any_of(wait.answers, is_open) &&
         !cancelled(co_await asio::this_coro::cancellation_state)) {
    asio::error_code woken;
    co_await wait.woken.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  std::erase(waits_, &wait);
  std::vector<IpAddress> addresses;
  for (const DnsType type : {DnsType::Aaaa, DnsType::A}) {
    const auto& found = wait.answers[{host, type}];
    if (found) addresses.insert(addresses.end(), found->begin(), found->end());
  }
  co_return addresses;
}

void ZoneResolver::Zone::settle() {
  while (auto output = resolver_.poll()) {
    if (auto* query = std::get_if<DnsQuery>(&*output)) {
      running_.start(ask(shared_from_this(), std::move(*query)));
    } else if (const auto* found = std::get_if<Resolver::Found>(&*output)) {
      answer(found->question, found->addresses);
    } else if (const auto* failed = std::get_if<Resolver::Failed>(&*output)) {
      answer(failed->question, {});
    }
  }
  arm();
}

void ZoneResolver::Zone::answer(const DnsQuestion& question,
                                const std::vector<IpAddress>& addresses) {
  for (Wait* wait : waits_) {
    const auto asked = wait->answers.find(question);
    if (asked == wait->answers.end() || asked->second) continue;
    asked->second = addresses;
    wait->woken.cancel();
  }
}

void ZoneResolver::Zone::arm() {
  const auto next = resolver_.next_deadline();
  if (!next) return;
  timer_.expires_at(Clock::time_point{next->at.time_since_epoch()});
  timer_.async_wait([zone = weak_from_this()](const asio::error_code& error) {
    const auto alive = zone.lock();
    if (error || !alive) return;
    alive->resolver_.handle_timeout(now());
    alive->settle();
  });
}

asio::awaitable<void> ZoneResolver::Zone::ask(std::shared_ptr<Zone> zone, DnsQuery query) {
  asio::steady_timer patience{zone->executor_, query.patience};
  asio::error_code woken;
  const auto over = [&] {
    return patience.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  };
  if (query.transport == DnsTransport::Udp) {
    co_await (zone->ask_by_udp(query) || over());
  } else {
    co_await (zone->ask_by_tcp(query) || over());
  }
}

asio::awaitable<void> ZoneResolver::Zone::ask_by_udp(const DnsQuery& query) {
  auto opened = co_await connector_.open_datagrams(destination_of(query.server), "");
  auto* flow = std::get_if<std::unique_ptr<DatagramFlow>>(&opened);
  if (flow == nullptr || (*flow)->send(query.bytes)) {
    resolver_.handle_unreachable(query.id, now());
    co_return settle();
  }
  ByteString buffer(largest_message);
  asio::error_code error;
  while (!error) {
    while (const auto size = (*flow)->receive_now(buffer)) {
      resolver_.handle_response(query.id, query.server, Bytes{buffer}.first(*size), now());
      settle();
    }
    error = co_await (*flow)->wait();
  }
}

asio::awaitable<void> ZoneResolver::Zone::ask_by_tcp(const DnsQuery& query) {
  auto result = co_await connector_.connect(destination_of(query.server), "");
  auto* connection = std::get_if<SocksConnection>(&result);
  ByteString message;
  ByteWriter out{message};
  out.write(static_cast<std::uint16_t>(query.bytes.size()));
  out.write(Bytes{query.bytes});
  std::array<std::uint8_t, length_octets> length{};
  ByteString answer;
  bool whole = connection != nullptr && co_await write_all(*connection->channel, message) &&
               co_await read_all(*connection->channel, length);
  if (whole) {
    answer.resize(std::size_t{length[0]} << 8 | length[1]);
    whole = co_await read_all(*connection->channel, answer);
  }
  if (whole) {
    resolver_.handle_response(query.id, query.server, answer, now());
  } else {
    resolver_.handle_unreachable(query.id, now());
  }
  settle();
}

// --- of all zones ------------------------------------------------------------------------------

ZoneResolver::ZoneResolver(asio::any_io_executor executor, SocksConnector& connector, Rng& rng,
                           const std::vector<ZoneConfig>& zones) {
  for (const ZoneConfig& zone : zones) {
    zones_.push_back(std::make_shared<Zone>(executor, connector, rng, zone));
  }
  // The inner ones first.
  std::ranges::sort(zones_, [](const auto& a, const auto& b) {
    return a->name.text().size() > b->name.text().size();
  });
}

ZoneResolver::~ZoneResolver() {
  for (const auto& zone : zones_) zone->end();
}

std::shared_ptr<ZoneResolver::Zone> ZoneResolver::zone_of(const std::string& name) const {
  const auto host = DnsName::parse(name);
  if (!host) return nullptr;
  const auto found =
      std::ranges::find_if(zones_, [&](const auto& zone) { return host->is_within(zone->name); });
  return found == zones_.end() ? nullptr : *found;
}

bool ZoneResolver::is_asked_for(const std::string& name) const { return zone_of(name) != nullptr; }

asio::awaitable<std::vector<IpAddress>> ZoneResolver::look_up(std::string name) {
  const auto zone = zone_of(name);
  if (!zone) co_return std::vector<IpAddress>{};
  co_return co_await zone->look_up(*DnsName::parse(name));
}

}  // namespace godwit
