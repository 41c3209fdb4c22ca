#include "apps/socks/udp_association.hpp"

#include <array>
#include <deque>
#include <map>
#include <utility>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/sessions.hpp"

namespace godwit {
namespace {

using Udp = asio::ip::udp;

// Then others have their turn.
constexpr std::size_t most_at_once = 32;

struct Flow {
  SocksDestination destination;
  std::uint64_t used;                   // by the association's clock, which counts datagrams
  std::unique_ptr<DatagramFlow> way{};  // null: on its way there
  std::deque<ByteString> waiting{};
  bool ended = false;
};

}  // namespace

// Shared with the coroutines of the flows, which end a turn later than the association.
struct UdpAssociation::State : std::enable_shared_from_this<UdpAssociation::State> {
  State(const asio::any_io_executor& io, SocksConnector& to, RelayBuffers& chunks, Client client)
      : connector{to},
        buffers{chunks},
        user{std::move(client.user)},
        socket{io},
        gate{client.address, client.port, drops},
        running{io} {}

  asio::awaitable<void> receive_from_client();
  bool receive_one();
  void handle_datagram(const Socks5Datagram& datagram);
  void make_room();
  void keep(Flow& flow, Bytes payload);
  std::deque<ByteString> take_waiting(Flow& flow);
  void send_there(Flow& flow, Bytes payload);
  bool send_one_back(Flow& flow);

  static asio::awaitable<void> run_flow(std::shared_ptr<State> state, std::shared_ptr<Flow> flow);
  asio::awaitable<void> carry_back(Flow& flow);

  SocksConnector& connector;
  RelayBuffers& buffers;
  std::string user;
  Udp::socket socket;
  UdpDrops drops;
  UdpGate gate;
  std::map<std::string, std::shared_ptr<Flow>> flows;  // by what the client calls it
  std::size_t waiting_octets = 0;
  std::uint64_t came = 0;
  std::uint64_t there = 0;
  std::uint64_t back = 0;
  Sessions running;
};

UdpAssociation::UdpAssociation(asio::any_io_executor executor, SocksConnector& connector,
                               RelayBuffers& buffers, Client client)
    : state_{std::make_shared<State>(executor, connector, buffers, std::move(client))} {}

UdpAssociation::~UdpAssociation() {
  asio::error_code ignored;
  state_->socket.close(ignored);
  state_->running.cancel_all();
}

asio::error_code UdpAssociation::open(const IpAddress& local) {
  const auto at = to_asio<Udp>(Endpoint{local, 0});
  asio::error_code error;
  state_->socket.open(at.protocol(), error);
  if (!error) state_->socket.bind(at, error);
  if (!error) state_->socket.non_blocking(true, error);
  return error;
}

Endpoint UdpAssociation::bound() const {
  asio::error_code error;
  return from_asio(state_->socket.local_endpoint(error));
}

asio::awaitable<void> UdpAssociation::run(ByteChannel& control) {
  using namespace asio::experimental::awaitable_operators;
  const auto until_end = [](ByteChannel& channel) -> asio::awaitable<void> {
    std::array<std::uint8_t, 512> ignored;
    asio::error_code error;
    while (!error) {
      channel.read_some(ignored, error);
      if (error == asio::error::would_block) error = co_await channel.wait(ByteChannel::Wait::Read);
    }
  };
  co_await (until_end(control) || state_->receive_from_client());
}

const UdpDrops& UdpAssociation::drops() const { return state_->drops; }

std::string UdpAssociation::carried() const {
  return std::to_string(state_->there) + " datagrams there and " + std::to_string(state_->back) +
         " back";
}

asio::awaitable<void> UdpAssociation::State::receive_from_client() {
  asio::error_code error;
  while (!error) {
    std::size_t turn = 0;
    while (turn < most_at_once && receive_one()) ++turn;
    co_await socket.async_wait(asio::socket_base::wait_read,
                               asio::redirect_error(asio::use_awaitable, error));
  }
}

bool UdpAssociation::State::receive_one() {
  RelayBuffers::Buffer buffer = buffers.take();
  Udp::endpoint from;
  asio::error_code error;  // of something that was sent, or there is nothing
  const std::size_t count =
      socket.receive_from(asio::buffer(buffer.get(), RelayBuffers::chunk), from, 0, error);
  if (!error) {
    const auto datagram = gate.handle_datagram(from_asio(from), Bytes{buffer.get(), count});
    if (datagram) handle_datagram(*datagram);
  }
  buffers.give(std::move(buffer));
  return !error;
}

void UdpAssociation::State::handle_datagram(const Socks5Datagram& datagram) {
  const std::string name = to_string(datagram.destination);
  ++came;
  if (const auto found = flows.find(name); found != flows.end()) {
    Flow& flow = *found->second;
    flow.used = came;
    return flow.way ? send_there(flow, datagram.payload) : keep(flow, datagram.payload);
  }
  if (flows.size() >= most_flows) make_room();
  const auto flow = std::make_shared<Flow>(Flow{datagram.destination, came});
  flows.emplace(name, flow);
  // Before it starts: a flow that fails may have ended when start() returns.
  keep(*flow, datagram.payload);
  running.start(run_flow(shared_from_this(), flow));
}

void UdpAssociation::State::keep(Flow& flow, Bytes payload) {
  if (waiting_octets + payload.size() > most_waiting) {
    ++drops.undeliverable;
    return;
  }
  waiting_octets += payload.size();
  flow.waiting.push_back(to_byte_string(payload));
}

std::deque<ByteString> UdpAssociation::State::take_waiting(Flow& flow) {
  for (const ByteString& payload : flow.waiting) waiting_octets -= payload.size();
  return std::exchange(flow.waiting, {});
}

void UdpAssociation::State::make_room() {
  auto oldest = flows.begin();
  for (auto at = flows.begin(); at != flows.end(); ++at) {
    if (at->second->used < oldest->second->used) oldest = at;
  }
  Flow& flow = *oldest->second;
  flow.ended = true;
  drops.undeliverable += take_waiting(flow).size();
  if (flow.way) flow.way->cancel();
  flows.erase(oldest);
}

void UdpAssociation::State::send_there(Flow& flow, Bytes payload) {
  if (flow.way->send(payload)) {
    ++drops.undeliverable;
  } else {
    ++there;
  }
}

asio::awaitable<void> UdpAssociation::State::run_flow(std::shared_ptr<State> state,
                                                      std::shared_ptr<Flow> flow) {
  auto result = co_await state->connector.open_datagrams(flow->destination, state->user);
  if (flow->ended) co_return;
  if (auto* way = std::get_if<std::unique_ptr<DatagramFlow>>(&result)) {
    flow->way = std::move(*way);
    for (const ByteString& payload : state->take_waiting(*flow)) state->send_there(*flow, payload);
    co_await state->carry_back(*flow);
  } else {
    state->drops.refused += state->take_waiting(*flow).size();
  }
  if (!flow->ended) state->flows.erase(to_string(flow->destination));
}

asio::awaitable<void> UdpAssociation::State::carry_back(Flow& flow) {
  asio::error_code error;
  while (!error && !flow.ended && socket.is_open()) {
    std::size_t turn = 0;
    while (turn < most_at_once && send_one_back(flow)) ++turn;
    error = co_await flow.way->wait();
  }
}

// The header goes right in front of the payload, which leaves room for the longest.
bool UdpAssociation::State::send_one_back(Flow& flow) {
  RelayBuffers::Buffer buffer = buffers.take();
  const MutableBytes space{buffer.get(), RelayBuffers::chunk};
  const auto length = flow.way->receive_now(space.subspan(Socks5Datagram::longest_header));
  const auto client = gate.client();
  if (length && client) {
    const ByteString header = Socks5Datagram::header(flow.way->remote());
    const std::size_t at = Socks5Datagram::longest_header - header.size();
    std::copy(header.begin(), header.end(), space.begin() + static_cast<std::ptrdiff_t>(at));
    asio::error_code error;
    socket.send_to(asio::buffer(space.data() + at, header.size() + *length), to_asio<Udp>(*client),
                   0, error);
    ++(error ? drops.undeliverable : back);
  }
  buffers.give(std::move(buffer));
  return length.has_value();
}

}  // namespace godwit
