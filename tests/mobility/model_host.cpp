#include "tests/mobility/model_host.hpp"

#include <algorithm>
#include <utility>

#include "tests/mobility/mobility_words.hpp"

namespace godwit::model {
namespace {

using namespace std::chrono_literals;

// What lies further ahead is the end of a hold time. No order of events within these explorations
// lasts that long; how a session ends is told by mobility_service_test.
constexpr Duration beyond_the_story = 1h;

MobilityTimes times_of_the_model() {
  MobilityTimes times;
  // After any silence, not only after every third, the path may be down and a hint may come.
  times.retry.tries_before_resolve = 1;
  times.retry.tries_before_down = 1;
  // All pauses alike: how long ago it began says nothing about an announcement.
  times.retry.floor = 2s;
  times.retry.ceiling = times.retry.silent_ceiling = times.retry.refusal_ceiling = 2s;
  return times;
}

}  // namespace

void NumberedRng::fill(MutableBytes out) {
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  ++number_;
  const std::array<std::uint8_t, 7> value{mark[0],
                                          mark[1],
                                          mark[2],
                                          mark[3],
                                          owner_,
                                          static_cast<std::uint8_t>(number_ >> 8),
                                          static_cast<std::uint8_t>(number_)};
  std::copy_n(value.begin(), std::min(value.size(), out.size()), out.begin());
}

ModelHost::ModelHost(std::size_t index, const IpAddress& own, const IpAddress& other,
                     std::uint32_t window)
    : index_{index},
      window_{window},
      rng_{static_cast<std::uint8_t>(index)},
      service_{rng_, times_of_the_model()},
      local_{own},
      remote_{other},
      row_{own, other} {
  gain(own);
  // Where else we can be reached is told while nothing else goes on, and is a hint like others.
  PeerPreferences preferences;
  preferences.tells_addresses = false;
  service_.set_preferences(the_peer, preferences);
  service_.add_peer(the_peer, own, other, true, now_);
  service_.set_round_trip(the_peer, {30ms, 5ms});
  settle();
}

void ModelHost::complain(std::string what) {
  if (trouble_.empty()) trouble_ = "host " + std::to_string(index_) + ": " + std::move(what);
}

bool ModelHost::is_settled() const {
  return peer() && peer()->initiator.state() == MigrationInitiator::State::Settled;
}

// --- the network and the clock ----------------------------------------------------------------

void ModelHost::gain(const IpAddress& address) {
  assigned_.insert(address);
  ever_ours_.insert(address);
  addresses_.handle_address_added({address, 32}, std::nullopt, now_);
  prefer(address);
}

void ModelHost::prefer(const IpAddress& address) {
  addresses_.handle_preferred(address, now_);
  settle();
}

void ModelHost::lose(const IpAddress& address) {
  assigned_.erase(address);
  addresses_.handle_address_lost(address, now_);
  if (!chosen() && !assigned_.empty()) addresses_.handle_preferred(*assigned_.begin(), now_);
  settle();
}

bool ModelHost::can_time_out() const {
  const auto deadline = service_.next_deadline();
  return deadline && deadline->at < now_ + beyond_the_story;
}

// Each host's clock runs by itself, and only when a timer is due: whatever the network does can
// take less time than any timer, or more.
void ModelHost::time_out() {
  now_ = std::max(now_, service_.next_deadline()->at);
  service_.handle_timeout(now_);
  settle();
}

void ModelHost::hint(const IpAddress& address) {
  wants_hint_ = false;
  service_.handle_peer_address(the_peer, address, now_);
  settle();
}

void ModelHost::doubt() {
  service_.handle_doubt(the_peer, now_);
  settle();
}

bool ModelHost::can_repeat() const {
  if (!waiting_.empty() && !has_room()) return true;  // so is whatever fills the window
  return std::any_of(exchanges_.begin(), exchanges_.end(), [](const Exchange& exchange) {
    return exchange.owner && exchange.pacing == MobilityService::Pacing::ByChannel;
  });
}

void ModelHost::repeat() {
  if (!waiting_.empty() && !has_room()) return repeat_forgotten();
  for (const Exchange& exchange : exchanges_) {
    const bool by_itself = exchange.pacing == MobilityService::Pacing::ByChannel;
    if (exchange.owner && by_itself) transmit(exchange);
  }
}

// --- what the machines want -------------------------------------------------------------------

void ModelHost::settle() {
  for (;;) {
    if (const auto news = addresses_.poll()) {
      std::visit([&](const auto& what) { carry_out(what); }, *news);
    } else if (const auto step = service_.poll()) {
      std::visit([&](const auto& what) { carry_out(what); }, *step);
    } else {
      break;
    }
  }
  if (!peer() || peer()->initiator.state() != MigrationInitiator::State::Announcing) {
    wants_hint_ = false;
  }
  // The time to tell further addresses, of which there are none, need not wait for its turn.
  const auto next = service_.next_deadline();
  if (next && next->reason == "our other addresses") service_.handle_timeout(next->at);
}

void ModelHost::carry_out(const AddressPreferred& preferred) {
  routes_.add_direct(preferred.address);
  service_.handle_address_preferred(preferred.address, now_);
}

void ModelHost::carry_out(const AddressDeprecated& deprecated) {
  routes_.remove_direct(deprecated.address);
  if (deprecated.successor) {
    service_.handle_address_change(deprecated.address, *deprecated.successor, deprecated.old_path,
                                   deprecated.held_until, now_);
  } else {
    service_.handle_address_lost(deprecated.address, deprecated.held_until, now_);
  }
}

void ModelHost::carry_out(const AddressRemoved& removed) {
  service_.handle_address_removed(removed.address, now_);
  routes_.remove_direct(removed.address);
}

void ModelHost::carry_out(const MobilityService::AddTunnel& tunnel) {
  routes_.add_tunnel({tunnel.key, tunnel.inner, tunnel.outer, tunnel.peer});
}

void ModelHost::carry_out(const MobilityService::RemoveTunnel& tunnel) {
  if (!routes_.remove_tunnel(tunnel.key, tunnel.inner)) {
    complain("no tunnel entry of " + name_of(tunnel.inner) + " to be removed");
  }
}

// S9, S11. Local: from where we have been, to where we were going. Remote: from where the peer
// may have been, and nothing of it is ours. The last of a series leaves where the channel stands,
// and it alone may say that everything is to be sent again.
void ModelHost::carry_out(const MobilityService::Rewrite& rewrite) {
  const auto& [side, from, to] = rewrite.change;
  const std::string what = name_of(from) + ">" + name_of(to);
  const bool is_local = side == Side::Local;
  IpAddress& channel = is_local ? local_ : remote_;
  if (is_local != ever_ours_.contains(from) || is_local != ever_ours_.contains(to)) {
    complain("rewrite " + what + ": an address of the other side");
  }
  if (is_local && !addresses_.is_held(to)) complain("rewrite " + what + " to where we are not");
  if (rewrite.old_path == OldPath::Gone && channel != from) {
    complain("rewrite " + what + " retransmits before the last row stands right");
  }
  if (channel == from) channel = to;
  IpAddress& row = is_local ? row_.local : row_.remote;
  if (row == from) row = to;
}

void ModelHost::carry_out(const MobilityService::PathProven& proven) {
  if (unproven_ != proven.address) complain("proven without a claim");
  unproven_.reset();
}

void ModelHost::carry_out(const MobilityService::PeerLost& lost) {
  complain("peer lost: " + std::string{to_string(lost.reason)});
}

void ModelHost::carry_out(const MobilityService::AddressReleased& released) {
  if (peer() && peer()->initiator.stands_at(released.address)) {
    complain("released " + name_of(released.address) + " where the peer's connections stand");
  }
  addresses_.release(released.address);
}

// --- the control channel ----------------------------------------------------------------------

// Lower numbers that are answered count as long as a lower one is not: the window slides.
std::uint32_t ModelHost::room_taken() const {
  return exchanges_.empty() ? 0 : next_number_ - exchanges_.front().number;
}

void ModelHost::carry_out(const MobilityService::SendNotice& send) {
  if (const auto* change = std::get_if<AddressChange>(&send.notice)) {
    const bool is_known = send.attempt > 1 || given_up_.contains(send.id);
    if (!is_known && change->counter <= announced_) complain("a counter used twice");
    announced_ = std::max(announced_, change->counter);
  }
  const auto is_it = [&](const Exchange& exchange) { return exchange.owner == send.id; };
  const auto known = std::find_if(exchanges_.begin(), exchanges_.end(), is_it);
  const bool waits = std::any_of(waiting_.begin(), waiting_.end(), is_it);
  if (send.attempt > 1 && known != exchanges_.end()) {
    if (known->notice != send.notice) complain("a repetition that is not the same");
    for (const MobilityService::Way& way : send.ways) transmit(*known, way);
  } else if (send.attempt > 1 && waits) {
    repeat_forgotten();
  } else {
    waiting_.push_back({0, send.id, send.notice, send.pacing});
    repeat_forgotten();
    send_waiting();
    const auto sent = std::find_if(exchanges_.begin(), exchanges_.end(), is_it);
    for (std::size_t i = 1; i < send.ways.size() && sent != exchanges_.end(); ++i) {
      transmit(*sent, send.ways[i]);  // the first way is the channel's own
    }
  }
}

void ModelHost::send_waiting() {
  if (!is_narrow() && !waiting_.empty() && !has_room()) complain("the window is used up");
  while (!waiting_.empty() && has_room()) {
    exchanges_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    exchanges_.back().number = next_number_++;
    transmit(exchanges_.back());
  }
}

// What keeps its place in the window, though nobody waits for it, or something waits for its place.
void ModelHost::repeat_forgotten() {
  for (const Exchange& exchange : exchanges_) {
    if (!exchange.owner || !waiting_.empty()) transmit(exchange);
  }
}

void ModelHost::give_up(std::size_t exchange) {
  const NoticeId id = *std::exchange(exchanges_.at(exchange).owner, std::nullopt);
  given_up_.insert(id);
  service_.handle_not_sent(id, now_);
  settle();
}

void ModelHost::transmit(const Exchange& exchange, const MobilityService::Way& way) {
  using Kind = MobilityService::Way::Kind;
  const IpAddress from = way.local.value_or(local_), to = way.remote.value_or(remote_);
  const Message direct{Message::Kind::Request, index_,         from, to, {},
                       exchange.number,        exchange.notice};
  if (way.kind == Kind::Direct) return emit(direct);
  if (way.kind == Kind::Tunnelled) {
    Message inside = direct;
    inside.source = local_;
    inside.destination = remote_;
    inside.outer = Path::Outer{from, to};
    return emit(std::move(inside));
  }
  const Route route = routes_.lookup(local_, remote_);
  if (std::holds_alternative<Unreachable>(route)) return;
  std::optional<Path::Outer> outer;
  if (const auto* tunnel = std::get_if<TunnelRoute>(&route)) {
    outer = Path::Outer{tunnel->outer_source, tunnel->outer_destination};
  }
  emit({Message::Kind::Request, index_, local_, remote_, outer, exchange.number, exchange.notice});
}

// A packet leaves only from an address that the host has (ingress filtering).
void ModelHost::emit(Message message) {
  if (assigned_.contains(message.leaves_from())) outgoing_.push_back(std::move(message));
}

std::optional<Message> ModelHost::poll() {
  if (outgoing_.empty()) return std::nullopt;
  std::optional<Message> first{std::move(outgoing_.front())};
  outgoing_.pop_front();
  return first;
}

void ModelHost::handle(const Message& message) {
  repeat_forgotten();  // the peer is heard
  if (message.kind == Message::Kind::Request) {
    handle_request(message);
  } else {
    handle_response(message);
  }
  settle();
}

void ModelHost::handle_request(const Message& message) {
  being_answered_ = message;
  if (const auto known = answers_.find(message.number); known != answers_.end()) {
    carry_out(MobilityService::Answer{the_peer, message.number, std::optional{known->second}});
    return;
  }
  std::optional<Path::Outer> outer;
  if (message.outer) outer = Path::Outer{message.outer->remote, message.outer->local};
  const Path came_by{{message.destination, 500}, {message.source, 500}, outer};
  service_.handle_notice(the_peer, message.number, *message.notice, came_by, now_);
  settle();
  if (being_answered_) complain("a request without an answer");
}

void ModelHost::handle_response(const Message& message) {
  const auto known =
      std::find_if(exchanges_.begin(), exchanges_.end(),
                   [&](const Exchange& exchange) { return exchange.number == message.number; });
  if (known == exchanges_.end()) return;
  const auto owner = known->owner;
  exchanges_.erase(known);
  if (owner) service_.handle_answer(*owner, message.notice, now_);
  settle();
  send_waiting();
}

// By the way the request came (S8). The newest counter wins: what moves the peer is never older
// than what moved it before.
void ModelHost::carry_out(const MobilityService::Answer& answer) {
  if (!being_answered_) return complain("an answer without a request");
  const Message request = *std::exchange(being_answered_, std::nullopt);
  const bool is_first = answers_.insert_or_assign(answer.request, answer.notice).second;
  const auto* done = answer.notice ? std::get_if<MigrationCompleted>(&*answer.notice) : nullptr;
  if (is_first && done && done->outcome == MoveOutcome::Moved) {
    if (done->counter < followed_) complain("followed an announcement that is not the newest");
    followed_ = done->counter;
  }
  std::optional<Path::Outer> outer;
  if (request.outer) outer = Path::Outer{request.outer->remote, request.outer->local};
  emit({Message::Kind::Response, index_, request.destination, request.source, outer, answer.request,
        answer.notice});
}

}  // namespace godwit::model
