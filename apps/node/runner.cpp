#include "apps/node/runner.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace godwit {
namespace {

using namespace std::chrono_literals;

// With nothing to do, the clocks are still read: for a sleep that no deadline fell into.
constexpr Duration longest_wait = 30s;

Problem problem_of(std::string_view doing, const Error& error) {
  return Problem{std::string{doing} + ": " + std::string{error.what}};
}

}  // namespace

Runner::Runner(asio::io_context& io, Config config, std::optional<Ed25519PrivateKey> identity)
    : io_{io}, config_{std::move(config)}, identity_{std::move(identity)} {}

Runner::~Runner() {
  stop();
  *alive_ = false;
}

Outcome<Done> Runner::start() {
  const TunLinkConfig& tun = config_.link;
  auto timer = BootTimer::open(io_.get_executor());
  if (!timer) return problem_of("keeping time", timer.error());
  timer_ = std::move(*timer);
  auto monitor = NetlinkMonitor::open(io_.get_executor(), tun.device);
  if (!monitor) return problem_of("watching the host's addresses", monitor.error());
  monitor_ = std::move(*monitor);

  auto link = TunLink::open(io_.get_executor(), TunSettings{tun.device, tun.mtu, tun.address});
  if (!link) return problem_of("opening TUN device " + tun.device, link.error());
  link_ = std::move(*link);

  if (!tun.address) {
    auto routing = HostRouting::install(tun.device, link_->interface(), *monitor_);
    if (!routing) return problem_of("handing ESP and IKE to " + tun.device, routing.error());
    routing_ = std::move(*routing);
  }

  const Instant now = clock_.now();
  node_ = std::make_unique<Node>(config_, identity_ ? &*identity_ : nullptr, rng_, now);
  node_->set_activity_handler([this] { schedule_flush(); });
  dns_ = std::make_unique<DnsClient>(io_.get_executor(),
                                     [this](const DnsQuery& query, std::optional<Bytes> message) {
                                       if (stopped_) return;
                                       const Instant came = begin_turn();
                                       tell_time(came);
                                       node_->handle_dns(query.id, query.server, message, came);
                                       flush(came);
                                     });
  tell_time(now);
  node_->handle_network(view_of_host(), now);
  flush(now);

  asio::co_spawn(io_, pump_link(), asio::detached);
  asio::co_spawn(io_, follow_host(), asio::detached);
  asio::co_spawn(io_, keep_deadlines(), asio::detached);
  return Done{};
}

void Runner::stop() {
  if (stopped_) return;
  stopped_ = true;
  if (timer_) timer_->close();
  if (node_ && link_) {
    const Instant now = clock_.now();
    node_->say_goodbye(now);
    link_->transmit(node_->outgoing());
  }
  dns_.reset();
  if (monitor_) monitor_->close();
  if (link_) link_->close();
  routing_.reset();
}

const LinkCounters& Runner::link_counters() const { return link_->counters(); }

NodeStatus Runner::status() const {
  NodeStatus status = node_->status(clock_.now());
  const LinkCounters& link = link_->counters();
  for (const auto& [reason, count] : {std::pair{"link_queue_full", link.dropped_queue_full},
                                      std::pair{"link_refused", link.dropped_refused},
                                      std::pair{"link_oversize", link.dropped_oversize}}) {
    if (count > 0) status.drops[reason] = count;
  }
  return status;
}

std::vector<std::string> Runner::warnings() const {
  return routing_ ? routing_->warnings() : std::vector<std::string>{};
}

asio::awaitable<void> Runner::pump_link() {
  const auto alive = alive_;
  PacketBatch batch;
  while (*alive && !stopped_) {
    const Status status = co_await link_->receive(batch);
    if (!*alive || stopped_) co_return;
    if (!status) {
      end_with("link", status.error());
      co_return;
    }
    const Instant now = begin_turn();  // one reading per turn: time stands still inside
    for (Packet& packet : batch) node_->handle_packet(std::move(packet), now);
    batch.clear();
    flush(now);
  }
}

asio::awaitable<void> Runner::follow_host() {
  const auto alive = alive_;
  std::vector<HostChange> changes;
  while (*alive && !stopped_) {
    const Status status = co_await monitor_->receive(changes);
    if (!*alive || stopped_) co_return;
    if (!status) {
      end_with("host addresses", status.error());
      co_return;
    }
    const Instant now = begin_turn();
    follow(changes, now);
    changes.clear();
    tell_time(now);
    node_->handle_network(view_of_host(), now);
    flush(now);
  }
}

asio::awaitable<void> Runner::keep_deadlines() {
  const auto alive = alive_;
  while (*alive && !stopped_) {
    arm(clock_.now());
    const Status status = co_await timer_->wait();
    if (!*alive || stopped_ || !status) co_return;
    const Instant now = begin_turn();
    tell_time(now);
    const auto next = node_->next_deadline();
    if (next && next->at <= now) node_->handle_timeout(now);
    flush(now);
  }
}

void Runner::arm(Instant now) {
  armed_ = now + longest_wait;
  if (const auto next = node_->next_deadline()) armed_ = std::min(armed_, next->at);
  timer_->set(armed_);
}

Instant Runner::begin_turn() {
  const Instant now = clock_.now();
  if (sleep_.handle_reading(clock_.asleep())) {
    tell_time(now);
    node_->handle_resume(now);
  }
  return now;
}

void Runner::follow(const std::vector<HostChange>& changes, Instant now) {
  if (routing_) {
    if (const Status followed = routing_->follow(changes); !followed) {
      node_->report_problem("routing rules", std::string{followed.error().what}, now);
    }
  }
  for (const HostChange& change : changes) {
    if (const auto* device = std::get_if<StackDeviceChanged>(&change)) follow(*device, now);
  }
}

// Whoever set it down may have meant it: it is not brought up against his will.
void Runner::follow(const StackDeviceChanged& change, Instant now) {
  const std::string& device = config_.link.device;
  if (!change.usable) {
    device_is_down_ = true;
    node_->report_problem(
        "link",
        "somebody set the TUN device down, and nothing is carried; 'ip link set " + device +
            " up' brings it back",
        now);
    return;
  }
  if (!std::exchange(device_is_down_, false)) return;
  const Status restored = link_->restore_route();
  node_->report_problem("link",
                        restored ? "the TUN device is up again, and routes lead to it again"
                                 : std::string{restored.error().what},
                        now);
}

void Runner::end_with(std::string_view what, const Error& error) {
  const Instant now = clock_.now();
  node_->report_problem(std::string{what}, std::string{error.what}, now);
  flush(now);
  if (!on_end_) return;
  asio::post(io_, [handler = std::exchange(on_end_, nullptr), problem = problem_of(what, error)] {
    handler(problem);
  });
}

NetworkView Runner::view_of_host() {
  NetworkView view;
  const Instant now = clock_.now();
  if (config_.link.address) {
    view.addresses.push_back({*config_.link.address, std::nullopt});
    const IpAddress own = config_.link.address->address;
    view.source_for = [own](const IpAddress& destination) -> std::optional<IpAddress> {
      if (destination.family() != own.family()) return std::nullopt;
      return own;
    };
    return view;
  }
  for (const HostAddress& address : monitor_->addresses()) {
    if (address.state != HostAddress::State::Usable &&
        address.state != HostAddress::State::Deprecated) {
      continue;
    }
    std::optional<Instant> valid_until;
    if (address.valid_for) valid_until = now + *address.valid_for;
    view.addresses.push_back({address.prefix, valid_until});
  }
  view.source_for = [this](const IpAddress& destination) {
    return monitor_->source_for(destination);
  };
  return view;
}

void Runner::flush(Instant now) {
  node_->settle(now);
  PacketBatch& outgoing = node_->outgoing();
  if (node_->take_repetition()) monitor_->ask_neighbours_anew();
  if (!outgoing.empty()) link_->transmit(outgoing);
  ask_name_servers();
  // The timer sleeps towards what was the next deadline: set it again only for an earlier one.
  const auto next = node_->next_deadline();
  if (next && next->at < armed_) arm(now);
}

void Runner::ask_name_servers() {
  std::vector<DnsQuery>& queries = node_->outgoing_dns();
  if (dns_) {
    for (DnsQuery& query : queries) dns_->ask(std::move(query));
  }
  queries.clear();
}

void Runner::tell_time(Instant now) {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
  node_->handle_wall_clock(UnixTime{static_cast<std::uint64_t>(seconds)}, now);
}

void Runner::schedule_flush() {
  if (flush_scheduled_ || stopped_) return;
  flush_scheduled_ = true;
  asio::post(io_, [this, alive = alive_] {
    if (!*alive) return;
    flush_scheduled_ = false;
    if (!stopped_) flush(clock_.now());
  });
}

}  // namespace godwit
