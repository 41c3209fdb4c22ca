#include "apps/publish/udp_publisher.hpp"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/node.hpp"
#include "apps/publish/admission.hpp"

namespace godwit {
namespace {

using Clock = std::chrono::steady_clock;

// Then others have their turn.
constexpr std::size_t most_at_once = 32;

struct Flow {
  std::unique_ptr<DatagramFlow> peer;
  std::unique_ptr<DatagramFlow> service;
  Clock::time_point used;

  void end() {
    peer->cancel();
    service->cancel();
  }
};

}  // namespace

// Shared with the coroutines of the flows.
struct UdpPublisher::State : std::enable_shared_from_this<UdpPublisher::State> {
  using Flows = std::list<std::shared_ptr<Flow>>;  // the one that was used longest ago first

  State(const Surroundings& surroundings, std::shared_ptr<const PublishConfig> entry,
        std::uint16_t number)
      : where{surroundings}, config{std::move(entry)}, port{number} {}

  static asio::awaitable<void> accept(std::shared_ptr<State> state);
  void begin(std::unique_ptr<UdpSocket> socket);
  static asio::awaitable<void> run(std::shared_ptr<State> state, Flows::iterator at);
  asio::awaitable<void> carry(Flows::iterator at, DatagramFlow& from, DatagramFlow& to);
  asio::awaitable<void> until_idle(const Flow& flow);
  bool carry_one(DatagramFlow& from, DatagramFlow& to);

  Surroundings where;
  std::shared_ptr<const PublishConfig> config;
  std::uint16_t port;
  std::optional<UdpListener> listener;
  Flows flows;
};

UdpPublisher::UdpPublisher(const Surroundings& where, std::shared_ptr<const PublishConfig> config,
                           std::uint16_t port)
    : state_{std::make_shared<State>(where, std::move(config), port)} {}

UdpPublisher::~UdpPublisher() { stop_accepting(); }

Outcome<Done> UdpPublisher::listen() {
  auto acceptor = state_->where.node.listen_udp(state_->port);
  if (!acceptor) {
    return Problem{"publish: cannot listen on UDP port " + std::to_string(state_->port) +
                   " of the stack: " + std::string{acceptor.error().what}};
  }
  state_->listener.emplace(state_->where.io.get_executor(), std::move(*acceptor));
  state_->where.sessions.start(State::accept(state_));
  return Done{};
}

void UdpPublisher::stop_accepting() {
  if (state_->listener) state_->listener->cancel();
}

asio::awaitable<void> UdpPublisher::State::accept(std::shared_ptr<State> state) {
  asio::error_code error;
  while (!error) {
    while (auto socket = state->listener->accept_now()) state->begin(std::move(socket));
    co_await state->listener->async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
  state->listener.reset();
}

void UdpPublisher::State::begin(std::unique_ptr<UdpSocket> socket) {
  const Endpoint from = *socket->remote();
  const std::string name =
      where.node.peer_name_of({IpProtocol::Udp, socket->local(), from}).value_or("");
  const std::string who = client_text(*config, port, from, name);
  if (!may_use(*config, name)) return where.log(who + not_admitted);
  const ServiceAddress service = config->service_at(port);
  auto opened = open_host_flow(where.io.get_executor(), std::get<Endpoint>(service));
  if (const auto* error = std::get_if<asio::error_code>(&opened)) {
    return where.log(who + "the service at " + to_string(service) +
                     " cannot be reached: " + error->message());
  }
  if (flows.size() >= most_flows) flows.front()->end();
  const auto flow = std::make_shared<Flow>(
      Flow{make_flow(UdpStream{where.io.get_executor(), std::move(socket)}),
           std::move(std::get<std::unique_ptr<DatagramFlow>>(opened)), Clock::now()});
  where.sessions.start(run(shared_from_this(), flows.insert(flows.end(), flow)));
}

asio::awaitable<void> UdpPublisher::State::run(std::shared_ptr<State> state, Flows::iterator at) {
  using namespace asio::experimental::awaitable_operators;
  const std::shared_ptr<Flow> flow = *at;
  co_await (state->carry(at, *flow->peer, *flow->service) ||
            state->carry(at, *flow->service, *flow->peer) || state->until_idle(*flow));
  state->flows.erase(at);
}

asio::awaitable<void> UdpPublisher::State::carry(Flows::iterator at, DatagramFlow& from,
                                                 DatagramFlow& to) {
  asio::error_code error;
  while (!error) {
    std::size_t turn = 0;
    while (turn < most_at_once && carry_one(from, to)) ++turn;
    if (turn > 0) {
      (*at)->used = Clock::now();
      flows.splice(flows.end(), flows, at);
    }
    error = co_await from.wait();
  }
}

// What cannot be sent is lost, as a datagram may be: a service that is not there yet is no reason
// to end the flow.
bool UdpPublisher::State::carry_one(DatagramFlow& from, DatagramFlow& to) {
  RelayBuffers::Buffer buffer = where.buffers.take();
  const auto length = from.receive_now({buffer.get(), RelayBuffers::chunk});
  if (length) to.send(Bytes{buffer.get(), *length});
  where.buffers.give(std::move(buffer));
  return length.has_value();
}

asio::awaitable<void> UdpPublisher::State::until_idle(const Flow& flow) {
  asio::steady_timer timer{where.io};
  asio::error_code error;
  while (!error && Clock::now() - flow.used < idle_patience) {
    timer.expires_at(flow.used + idle_patience);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace godwit
