#include "apps/shim_server/shim_server.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <random>

#include <sys/socket.h>
#include <unistd.h>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/unix_listener.hpp"
#include "apps/shim/pair_marks.hpp"
#include "apps/shim_server/shim_call.hpp"

namespace godwit::shim {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// A library sends its request at once; who does not is none.
constexpr auto request_patience = 10s;
// After the kernel had no descriptor or no memory for a new call.
constexpr auto accept_pause = 100ms;

asio::awaitable<void> pause(asio::any_io_executor executor,
                            std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer{executor, duration};
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// Whose socket a request is about; requests about none never get here.
template <class Some>
SocketId socket_of(const Some& request) {
  if constexpr (requires { request.socket; }) return request.socket;
  return {0};
}

std::string random_name() {
  std::random_device random;  // two daemons of one network namespace must not meet
  return to_hex(std::array{static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random()),
                           static_cast<std::uint8_t>(random()),
                           static_cast<std::uint8_t>(random())});
}

}  // namespace

ShimServer::ShimServer(asio::io_context& io, ShimConnector& connector, Log log, Users users)
    : io_{io},
      connector_{connector},
      log_{std::move(log)},
      users_{std::move(users)},
      name_{random_name()},
      sessions_{io.get_executor()} {}

ShimServer::~ShimServer() { stop_accepting(); }

Outcome<godwit::Done> ShimServer::listen(const std::string& path) {
  auto poller = PairPoller::open(io_.get_executor());
  if (!poller) return Problem{"shim: " + poller.problem()};
  poller_ = std::move(*poller);
  acceptor_ = std::make_shared<Local::acceptor>(io_);
  if (const auto open = listen_at(*acceptor_, path, UnixAccess::Everybody); !open) {
    return Problem{"shim.listen: cannot listen on unix:" + path + ": " + open.problem() +
                   "; stop it, remove it or choose another"};
  }
  path_ = path;
  sessions_.start(accept_calls(acceptor_));
  return godwit::Done{};
}

void ShimServer::stop_accepting() {
  asio::error_code ignored;
  if (acceptor_) acceptor_->close(ignored);
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void ShimServer::end_sessions() {
  sessions_.cancel_all();
  if (poller_) poller_->stop();
}

asio::awaitable<void> ShimServer::accept_calls(std::shared_ptr<Local::acceptor> acceptor) {
  bool complained = false;
  while (acceptor->is_open()) {
    asio::error_code error;
    auto call = co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      complained = false;
      sessions_.start(serve(std::move(call)));
    } else if (acceptor->is_open() && error != asio::error::operation_aborted) {
      if (!complained) log_("shim: a call could not be accepted: " + error.message());
      complained = true;
      co_await pause(io_.get_executor(), accept_pause);
    }
  }
}

asio::awaitable<void> ShimServer::serve(Local::socket call) {
  const int descriptor = call.native_handle();
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) co_return;
  const auto channel = make_channel(std::move(call));
  if (!users_.empty() && std::find(users_.begin(), users_.end(), peer.uid) == users_.end()) {
    log_("shim: process " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid) +
         " is not among shim.users");
    send(descriptor, failure(EACCES), {});
    co_return;
  }
  const auto read = co_await (read_frame(*channel) || pause(io_.get_executor(), request_patience));
  const auto* frame = std::get_if<Frame>(&read);
  if (frame == nullptr || frame->bytes().empty()) co_return;
  const auto request = parse_request(frame->bytes());
  if (!request) {
    log_("shim: process " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid) +
         ": " + std::string{request.error().what});
    send(descriptor, failure(EPROTO), {});
    co_return;
  }
  const Answer said = co_await answer(*request, {peer.uid, *channel});
  send(descriptor, said.frame, said.descriptor);
}

asio::awaitable<ShimServer::Answer> ShimServer::answer(const Request& request, Caller caller) {
  if (const auto* connect = std::get_if<Connect>(&request)) {
    co_return co_await carry_out(*connect, caller);
  }
  if (const auto* find = std::get_if<FindAddresses>(&request)) co_return co_await carry_out(*find);
  co_return carry_out_now(request, caller);
}

ShimServer::Answer ShimServer::carry_out_now(const Request& request, const Caller& caller) {
  if (const auto* open = std::get_if<OpenSocket>(&request)) return carry_out(*open, caller);
  if (const auto* reopen = std::get_if<ReopenSocket>(&request)) return carry_out(*reopen, caller);
  if (const auto* asked = std::get_if<FindName>(&request)) {
    return {encode(Reply{Text{connector_.name_of(asked->address)}})};
  }
  if (const auto* disconnect = std::get_if<Disconnect>(&request)) {
    const auto socket = find_datagrams(disconnect->socket, caller);
    return {result_of(socket ? socket->disconnect() : EAFNOSUPPORT)};
  }
  if (const auto* reach = std::get_if<Reach>(&request)) {
    const auto socket = find_datagrams(reach->socket, caller);
    return {socket ? reply_to(socket->reach(reach->remote)) : failure(EINVAL)};
  }
  if (const auto* reach = std::get_if<ReachPartner>(&request)) {
    const auto socket = find_datagrams(reach->socket, caller);
    return {socket ? reply_to(socket->reach_partner()) : failure(EINVAL)};
  }
  const SocketId id = std::visit([](const auto& some) { return socket_of(some); }, request);
  if (const auto stream = find(id, caller)) return {ask(*stream, request)};
  if (const auto datagrams = find_datagrams(id, caller)) return {ask(*datagrams, request)};
  return {failure(std::holds_alternative<AskPeerName>(request) ? ENOTCONN : EINVAL)};
}

// What both kinds of sockets are asked.
template <class Socket>
Frame ShimServer::ask(Socket& socket, const Request& request) {
  if (const auto* asked = std::get_if<Bind>(&request))
    return result_of(bind_to(socket, asked->local));
  if (std::holds_alternative<Listen>(request)) return result_of(let_others_begin(socket));
  if (std::holds_alternative<AskLocalName>(request)) {
    return reply_to(std::variant<Endpoint, int>{socket.local_name()});
  }
  if (std::holds_alternative<AskPeerName>(request)) return reply_to(socket.peer_name());
  if (const auto* get = std::get_if<GetOption>(&request)) {
    return reply_to(socket.option(get->level, get->name));
  }
  if (const auto* set = std::get_if<SetOption>(&request)) {
    return result_of(socket.set_option(set->level, set->name, set->value));
  }
  return failure(EOPNOTSUPP);
}

ShimServer::Answer ShimServer::carry_out(const OpenSocket& open, const Caller& caller) {
  if (!has_room_for(caller.user)) return {failure(EMFILE)};
  if (open.transport == Transport::Datagram) return open_datagrams(open, caller);
  auto made = make_pair(open);
  if (const int* error = std::get_if<int>(&made)) return {failure(*error)};
  auto& pair = std::get<PairEnd::Pair>(made);
  start(std::make_shared<StreamSocket>(pair.id, caller.user, open.family,
                                       connector_.usual_congestion(), std::move(pair.daemon)));
  return {encode(Reply{Done{}}), std::move(pair.program)};
}

ShimServer::Answer ShimServer::open_datagrams(const OpenSocket& open, const Caller& caller) {
  auto made = DatagramEnd::make(*poller_, open, unique_name());
  if (const int* error = std::get_if<int>(&made)) return {failure(*error)};
  auto& pair = std::get<DatagramEnd::Pair>(made);
  auto socket =
      std::make_shared<DatagramSocket>(pair.id, caller.user, open.family, std::move(pair.daemon),
                                       DatagramSocket::Surroundings{connector_, buffers_, cards_});
  datagrams_[pair.id.cookie] = socket;
  ++owned_[caller.user];
  sessions_.start(live(std::move(socket)));
  return {encode(Reply{Done{}}), std::move(pair.program)};
}

ShimServer::Answer ShimServer::carry_out(const ReopenSocket& reopen, const Caller& caller) {
  const SocketPointer socket = find(reopen.socket, caller);
  if (!socket || !socket->is_spent()) return {failure(EINVAL)};
  auto made = make_pair({socket->family(), Transport::Stream, reopen.waiting});
  if (const int* error = std::get_if<int>(&made)) return {failure(*error)};
  auto& pair = std::get<PairEnd::Pair>(made);
  retire(socket);
  socket->reopen(pair.id, std::move(pair.daemon));
  start(socket);
  return {encode(Reply{Done{}}), std::move(pair.program)};
}

asio::awaitable<ShimServer::Answer> ShimServer::carry_out(const Connect& connect,
                                                          const Caller& caller) {
  if (const auto datagrams = find_datagrams(connect.socket, caller)) {
    co_return Answer{result_of(datagrams->connect(connect.remote))};
  }
  const SocketPointer socket = find(connect.socket, caller);
  if (!socket) co_return Answer{failure(EINVAL)};
  const auto said = socket->connect(connect.remote, connect.waiting, connector_);
  if (const int* number = std::get_if<int>(&said)) co_return Answer{result_of(*number)};
  if (std::holds_alternative<ConnectState::Reopen>(said)) co_return Answer{encode(Reply{UsedUp{}})};
  if (connect.waiting == Waiting::Returns) co_return Answer{failure(EINPROGRESS)};
  co_return Answer{result_of(co_await socket->result(caller.channel))};
}

asio::awaitable<ShimServer::Answer> ShimServer::carry_out(const FindAddresses& find) {
  std::string name{find.name};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const auto found = co_await connector_.find_addresses(std::move(name));
  if (found.empty()) co_return Answer{failure(ENOENT)};
  AddressListWriter list;
  for (const IpAddress& address : found) {
    if (!list.add(address)) break;
  }
  co_return Answer{encode(Reply{list.list()})};
}

template <class Socket>
std::shared_ptr<Socket> ShimServer::find_in(const Table<Socket>& table, SocketId id,
                                            const Caller& caller) {
  const auto found = table.find(id.cookie);
  if (found == table.end()) return nullptr;
  if (caller.user != 0 && caller.user != found->second->owner()) return nullptr;
  return found->second;
}

ShimServer::SocketPointer ShimServer::find(SocketId id, const Caller& caller) const {
  return find_in(sockets_, id, caller);
}

std::shared_ptr<DatagramSocket> ShimServer::find_datagrams(SocketId id,
                                                           const Caller& caller) const {
  return find_in(datagrams_, id, caller);
}

bool ShimServer::has_room_for(uid_t user) const {
  return sockets_.size() + datagrams_.size() < most_sockets && sockets_of(user) < most_of_a_user;
}

std::string ShimServer::unique_name() { return name_ + '-' + std::to_string(++made_); }

std::size_t ShimServer::sockets_of(uid_t user) const {
  const auto found = owned_.find(user);
  return found != owned_.end() ? found->second : 0;
}

std::variant<PairEnd::Pair, int> ShimServer::make_pair(const OpenSocket& open) {
  return PairEnd::make(*poller_, open, unique_name());
}

void ShimServer::start(SocketPointer socket) {
  sockets_[socket->id().cookie] = socket;
  ++owned_[socket->owner()];
  sessions_.start(live(std::move(socket)));
}

asio::awaitable<void> ShimServer::live(SocketPointer socket) {
  const StreamSocket::HandOver hand_over = [this, listener = socket.get()](Incoming& incoming) {
    return accept(*listener, incoming);
  };
  co_await socket->run({connector_, buffers_, hand_over});
  if (!socket->story().empty()) {
    const auto& remote = socket->remote();
    log_("shim: user " + std::to_string(socket->owner()) + " to " +
         (remote ? to_string(*remote) : std::string{"?"}) + ' ' + socket->story());
  }
  if (socket->is_over()) {
    retire(socket);
    co_return;
  }
  spent_.push_back(socket->id().cookie);
  if (spent_.size() <= most_spent) co_return;
  const auto oldest = sockets_.find(spent_.front());
  spent_.pop_front();
  // It may have been opened again, under another identity.
  if (oldest != sockets_.end()) retire(SocketPointer{oldest->second});
}

// The connection becomes a socket of its own once the listener's program can have it.
asio::error_code ShimServer::accept(StreamSocket& listener, Incoming& incoming) {
  if (!has_room_for(listener.owner())) {
    log_("shim: user " + std::to_string(listener.owner()) + " has too many sockets for " +
         to_string(incoming.remote));
    return {};  // dropped, and its peer sees the end
  }
  auto made = make_pair({listener.family(), Transport::Stream, Waiting::Blocks});
  if (const int* error = std::get_if<int>(&made)) {
    log_("shim: no socket for " + to_string(incoming.remote) + ": " + system_text(*error));
    return {};
  }
  auto& pair = std::get<PairEnd::Pair>(made);
  const auto message = Accepted{incoming.remote}.encode();
  if (const auto error = listener.hand_over(message, pair.program)) return error;
  auto socket =
      std::make_shared<StreamSocket>(pair.id, listener.owner(), listener.family(),
                                     connector_.usual_congestion(), std::move(pair.daemon));
  socket->take(listener, std::move(incoming));
  start(std::move(socket));
  return {};
}

asio::awaitable<void> ShimServer::live(std::shared_ptr<DatagramSocket> socket) {
  co_await socket->run();
  if (const std::string story = socket->story(); !story.empty()) {
    log_("shim: user " + std::to_string(socket->owner()) + ": of a UDP socket " + story);
  }
  datagrams_.erase(socket->id().cookie);
  disown(socket->owner());
}

void ShimServer::retire(const SocketPointer& socket) {
  sockets_.erase(socket->id().cookie);
  disown(socket->owner());
}

void ShimServer::disown(uid_t user) {
  const auto count = owned_.find(user);
  if (--count->second == 0) owned_.erase(count);
}

}  // namespace godwit::shim
