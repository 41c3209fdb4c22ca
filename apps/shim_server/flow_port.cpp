#include "apps/shim_server/flow_port.hpp"

#include <unordered_map>

#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/sessions.hpp"
#include "apps/shim_server/flow_ages.hpp"

namespace godwit::shim {
namespace {

using Clock = std::chrono::steady_clock;

// Then others have their turn.
constexpr std::size_t most_at_once = 32;

struct Flow {
  std::unique_ptr<DatagramFlow> way;
  bool ended = false;
};

}  // namespace

// Shared with the coroutines of the flows, which end a turn later than the port.
struct FlowPort::State : std::enable_shared_from_this<FlowPort::State> {
  State(const asio::any_io_executor& io, std::unique_ptr<FlowSource> from,
        std::shared_ptr<FlowBudget> shared, Deliver to)
      : source{std::move(from)},
        budget{std::move(shared)},
        deliver{std::move(to)},
        idle_timer{io},
        running{io} {}

  std::shared_ptr<Flow> find_or_open(const Endpoint& remote, asio::error_code& error);
  std::shared_ptr<Flow> add(std::unique_ptr<DatagramFlow> way);
  bool make_room();
  void end(const Endpoint& remote);
  void end_all_but(const Endpoint& remote);
  bool carry_one(const Endpoint& remote, Flow& flow);

  static asio::awaitable<void> accept(std::shared_ptr<State> state);
  static asio::awaitable<void> carry(std::shared_ptr<State> state, Endpoint remote,
                                     std::shared_ptr<Flow> flow);
  static asio::awaitable<void> end_idle(std::shared_ptr<State> state);

  std::unique_ptr<FlowSource> source;
  std::shared_ptr<FlowBudget> budget;
  Deliver deliver;
  asio::steady_timer idle_timer;
  std::unordered_map<Endpoint, std::shared_ptr<Flow>> flows;
  FlowAges ages{idle_patience};
  std::optional<Endpoint> kept;
  bool released = false;
  bool hears_strangers = false;
  bool watches_ages = false;
  bool closed = false;
  RelayBuffers buffers;
  Sessions running;
};

FlowPort::FlowPort(const asio::any_io_executor& executor, std::unique_ptr<FlowSource> source,
                   std::shared_ptr<FlowBudget> budget, Deliver deliver)
    : state_{std::make_shared<State>(executor, std::move(source), std::move(budget),
                                     std::move(deliver))} {
  state_->running.start(State::accept(state_));
}

FlowPort::~FlowPort() {
  state_->closed = true;
  state_->deliver = nullptr;
  state_->kept.reset();
  while (const auto flow = state_->ages.oldest(std::nullopt)) state_->end(*flow);
  state_->source->release();
  state_->running.cancel_all();
}

Endpoint FlowPort::local() const { return state_->source->local(); }

DatagramPort::ReachResult FlowPort::reach(const Endpoint& remote) {
  asio::error_code error;
  const auto flow = state_->find_or_open(remote, error);
  if (!flow) return error;
  return Reached{flow->way->local(), flow->way->remote(), flow->way->largest()};
}

asio::error_code FlowPort::send(Bytes payload, const Endpoint& remote) {
  asio::error_code error;
  const auto flow = state_->find_or_open(remote, error);
  return flow ? flow->way->send(payload) : error;
}

// Nobody else is heard from then on, so others may have the port for strangers: a server that
// connects its socket to its first client opens the next one at the same port.
DatagramPort::ReachResult FlowPort::connect(const Endpoint& remote) {
  if (state_->released && state_->kept != remote) disconnect();  // a new flow begins at the port
  ReachResult result = reach(remote);
  if (std::holds_alternative<asio::error_code>(result)) return result;
  state_->kept = remote;
  state_->end_all_but(remote);
  state_->released = true;
  state_->source->release();
  return result;
}

void FlowPort::disconnect() {
  state_->kept.reset();
  if (!state_->released || !state_->source->claim()) return;
  state_->released = false;
  state_->running.start(State::accept(state_));
}

void FlowPort::hear_strangers() { state_->hears_strangers = true; }

std::shared_ptr<Flow> FlowPort::State::find_or_open(const Endpoint& remote,
                                                    asio::error_code& error) {
  if (const auto found = flows.find(remote); found != flows.end()) {
    ages.touch(remote, Clock::now());
    return found->second;
  }
  if (!make_room()) {
    error = asio::error::no_buffer_space;
    return nullptr;
  }
  FlowResult opened = source->open(remote);
  if (const auto* failed = std::get_if<asio::error_code>(&opened)) {
    error = *failed;
    return nullptr;
  }
  return add(std::move(std::get<std::unique_ptr<DatagramFlow>>(opened)));
}

std::shared_ptr<Flow> FlowPort::State::add(std::unique_ptr<DatagramFlow> way) {
  const Endpoint remote = way->remote();
  auto flow = std::make_shared<Flow>(Flow{std::move(way)});
  flows[remote] = flow;
  --budget->left;
  ages.touch(remote, Clock::now());
  running.start(carry(shared_from_this(), remote, flow));
  if (!watches_ages) {
    watches_ages = true;
    running.start(end_idle(shared_from_this()));
  }
  return flow;
}

bool FlowPort::State::make_room() {
  if (flows.size() < most_flows && budget->left > 0) return true;
  const auto oldest = ages.oldest(kept);
  if (!oldest) return false;
  end(*oldest);
  return true;
}

void FlowPort::State::end(const Endpoint& remote) {
  ages.remove(remote);
  const auto found = flows.find(remote);
  if (found == flows.end()) return;
  found->second->ended = true;
  found->second->way->cancel();
  flows.erase(found);
  ++budget->left;
}

void FlowPort::State::end_all_but(const Endpoint& remote) {
  while (const auto other = ages.oldest(remote)) end(*other);
}

asio::awaitable<void> FlowPort::State::accept(std::shared_ptr<State> state) {
  asio::error_code error;
  while (!error && !state->closed && !state->released) {
    while (auto way = state->source->accept_now()) {
      // Who was not asked is not heard: a client is no server.
      if (!state->hears_strangers || !state->make_room()) continue;
      state->end(way->remote());
      state->add(std::move(way));
    }
    error = co_await state->source->wait();
  }
}

asio::awaitable<void> FlowPort::State::carry(std::shared_ptr<State> state, Endpoint remote,
                                             std::shared_ptr<Flow> flow) {
  asio::error_code error;
  while (!error && !flow->ended) {
    std::size_t turn = 0;
    while (turn < most_at_once && !flow->ended && state->carry_one(remote, *flow)) ++turn;
    if (turn > 0 && !flow->ended) state->ages.touch(remote, Clock::now());
    error = co_await flow->way->wait();
  }
  if (!flow->ended) state->end(remote);
}

bool FlowPort::State::carry_one(const Endpoint& remote, Flow& flow) {
  RelayBuffers::Buffer buffer = buffers.take();
  const auto length = flow.way->receive_now({buffer.get(), RelayBuffers::chunk});
  if (length && deliver) deliver(remote, Bytes{buffer.get(), *length});
  buffers.give(std::move(buffer));
  return length.has_value();
}

asio::awaitable<void> FlowPort::State::end_idle(std::shared_ptr<State> state) {
  while (!state->closed) {
    const auto due = state->ages.next_deadline(state->kept);
    if (!due) break;
    // What was used meanwhile is due later, so the next look need not come sooner than this.
    state->idle_timer.expires_at(*due);
    asio::error_code error;
    co_await state->idle_timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    while (const auto idle = state->ages.idle(state->kept, Clock::now())) state->end(*idle);
  }
  state->watches_ages = false;
}

}  // namespace godwit::shim
