#include "stack/tcpip/tcp_socket.hpp"

#include <algorithm>
#include <cstring>

#include "stack/core/sequence.hpp"
#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_callbacks.hpp"
#include "stack/tcpip/lwip_stack.hpp"
#include "stack/tcpip/tcp_engine.hpp"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

namespace godwit {
namespace {

constexpr std::size_t most_per_call = 0xffff;  // lwIP counts octets of a call in 16 bits
constexpr u16_t segments_per_write = 32;       // a good measure for its list of segments

constexpr Endpoint nowhere{IpAddress::v4({0, 0, 0, 0}), 0};

}  // namespace

// --- opening and closing -----------------------------------------------------------------------

TcpSocket::TcpSocket(LwipStack& stack) : stack_{stack}, change_{stack.notifications_} {}

Result<std::unique_ptr<TcpSocket>> TcpSocket::connect(LwipStack& stack, const IpAddress& local,
                                                      const Endpoint& remote) {
  if (!stack.has_address(local)) {
    return Error{Errc::NotFound, "the local address is not one of the stack's"};
  }
  if (local.family() != remote.address.family() || remote.port == 0 ||
      !remote.address.is_unicast()) {
    return Error{Errc::Malformed, "connect to a unicast address of the same family, and a port"};
  }
  stack.enter();
  FiveTuple flow{IpProtocol::Tcp, {local, 0}, remote};
  const auto port = stack.free_port(flow);
  if (!port) return Error{Errc::Exhausted, "no local port is free for this destination"};
  flow.local.port = *port;

  tcp_pcb* pcb = tcp_new_ip_type(local.is_v4() ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
  if (pcb == nullptr) return Error{Errc::Exhausted, "no memory for a connection"};
  pcb->local_ip = to_lwip(local);
  pcb->local_port = *port;
  TCP_REG(&tcp_bound_pcbs, pcb);
  std::unique_ptr<TcpSocket> socket{new TcpSocket{stack}};
  ConnectionRecord* record = stack.connections_.add(flow);
  record->tcp = pcb;
  stack.engine_->begin(*record);
  tcp_ext_arg_set(pcb, ConnectionRecord::ext_arg, record);
  tcp_ext_arg_set_callbacks(pcb, ConnectionRecord::ext_arg, &LwipHooks::connection_callbacks);
  socket->attach(pcb, *record);
  stack.want_turn();
  const ip_addr_t to = to_lwip(remote.address);
  if (tcp_connect(pcb, &to, remote.port, LwipHooks::connected) != ERR_OK) {
    return Error{Errc::Exhausted, "no memory for a connection"};
  }
  return socket;
}

void TcpSocket::attach(tcp_pcb* pcb, ConnectionRecord& record) {
  pcb_ = pcb;
  record_ = &record;
  record.socket = this;
  tcp_arg(pcb, this);
  tcp_recv(pcb, LwipHooks::received);
  tcp_sent(pcb, LwipHooks::sent);
  tcp_err(pcb, LwipHooks::failed);
}

void TcpSocket::leave() {
  tcp_arg(pcb_, nullptr);
  tcp_recv(pcb_, nullptr);
  tcp_err(pcb_, nullptr);  // `sent` goes on counting
  gone();
}

void TcpSocket::gone() {
  pcb_ = nullptr;
  if (record_ == nullptr) return;
  last_flow_ = record_->flow;
  record_->socket = nullptr;
  record_ = nullptr;
}

TcpSocket::~TcpSocket() {
  stack_.enter();
  if (pcb_ != nullptr) {
    stack_.engine_->send_later(*record_);
    tcp_pcb* pcb = pcb_;
    leave();
    tcp_close(pcb);
  }
  while (unread_ != nullptr) drop_first();
}

void TcpSocket::shutdown_write() {
  if (state_ == State::Connecting) {
    close_when_open_ = true;
    return;
  }
  if (pcb_ == nullptr || (state_ != State::Open && state_ != State::PeerClosed)) return;
  stack_.enter();
  stack_.want_turn();
  state_ = state_ == State::Open ? State::WriteClosed : State::Closed;
  change_.raise();
  tcp_shutdown(pcb_, 0, 1);
}

void TcpSocket::abort() {
  if (pcb_ == nullptr) return;
  tcp_pcb* pcb = pcb_;
  leave();
  failed({Errc::BadState, "aborted on this side"});
  stack_.abort(pcb, *error_);
}

void TcpSocket::set_handler(std::function<void()> on_change) {
  change_.set_handler(std::move(on_change));
}

void TcpSocket::set_traffic_class(std::uint8_t octet) {
  constexpr std::uint8_t dscp = 0xfc;
  if (pcb_ != nullptr) pcb_->tos = static_cast<u8_t>((pcb_->tos & ~dscp) | (octet & dscp));
}

void TcpSocket::set_no_delay(bool on) {
  if (pcb_ == nullptr) return;
  if (on) {
    tcp_nagle_disable(pcb_);
    stack_.engine_->send_later(*record_);
  } else {
    tcp_nagle_enable(pcb_);
  }
}

void TcpSocket::set_congestion(Congestion kind) {
  if (record_ != nullptr) stack_.engine_->use(*record_, kind);
}

std::size_t TcpSocket::segment_size() const { return pcb_ != nullptr ? pcb_->mss : 0; }

std::optional<Congestion> TcpSocket::congestion() const {
  if (record_ == nullptr) return std::nullopt;
  return record_->sender.controller().kind();
}

// --- what lwIP tells ---------------------------------------------------------------------------

void TcpSocket::opened() {
  state_ = State::Open;
  change_.raise();
  if (close_when_open_) shutdown_write();
}

void TcpSocket::peer_closed() {
  if (state_ == State::Open) state_ = State::PeerClosed;
  if (state_ == State::WriteClosed) state_ = State::Closed;
  change_.raise();
}

void TcpSocket::closed() {
  gone();
  state_ = State::Closed;
  change_.raise();
}

void TcpSocket::failed(Error error) {
  gone();
  state_ = State::Failed;
  error_ = error;
  change_.raise();
}

bool TcpSocket::joins_last(const pbuf& part) const {
  return part.next == nullptr && part.len < small && part.len <= room_;
}

// The chain is kept as it is, in order, but small pieces that pile up unread share a buffer.
void TcpSocket::received(pbuf* chain) {
  change_.raise();
  if (unread_ != nullptr && chain->next == nullptr && chain->len < small) {
    if (room_ < chain->len) {
      pbuf* shared = pbuf_alloc(PBUF_RAW, shared_buffer, PBUF_RAM);
      if (shared != nullptr) {
        shared->len = 0;
        room_ = shared_buffer;
        last_unread_->next = shared;
        last_unread_ = shared;
      }
    }
    if (joins_last(*chain)) {
      std::memcpy(static_cast<std::uint8_t*>(last_unread_->payload) + last_unread_->len,
                  chain->payload, chain->len);
      last_unread_->len = static_cast<u16_t>(last_unread_->len + chain->len);
      room_ -= chain->len;
      readable_ += chain->len;
      pbuf_free(chain);
      return;
    }
  }
  (unread_ == nullptr ? unread_ : last_unread_->next) = chain;
  room_ = 0;
  for (; chain != nullptr; chain = chain->next) {
    readable_ += chain->len;
    last_unread_ = chain;
  }
}

// --- reading -----------------------------------------------------------------------------------

bool TcpSocket::at_end() const {
  if (readable_ > 0) return false;
  return state_ == State::PeerClosed || state_ == State::Closed || state_ == State::Failed;
}

void TcpSocket::drop_first() {
  pbuf* first = unread_;
  unread_ = first->next;
  if (unread_ == nullptr) {
    last_unread_ = nullptr;
    room_ = 0;
  }
  first->next = nullptr;
  offset_ = 0;
  pbuf_free(first);
}

std::size_t TcpSocket::read(MutableBytes into) {
  if (readable_ == 0 || into.empty()) return 0;
  stack_.enter();
  std::size_t done = 0;
  while (unread_ != nullptr && done < into.size()) {
    const std::size_t count = std::min(unread_->len - offset_, into.size() - done);
    std::memcpy(into.data() + done, static_cast<std::uint8_t*>(unread_->payload) + offset_, count);
    done += count;
    offset_ += count;
    if (offset_ == unread_->len) drop_first();
  }
  readable_ -= done;
  if (pcb_ == nullptr || record_ == nullptr) return done;
  stack_.want_turn();
  stack_.engine_->read(*record_, static_cast<std::uint32_t>(done));
  for (std::size_t left = done; left > 0;) {
    const std::size_t part = std::min(left, most_per_call);
    tcp_recved(pcb_, static_cast<u16_t>(part));
    left -= part;
  }
  return done;
}

// --- writing -----------------------------------------------------------------------------------

std::size_t TcpSocket::writable() const {
  if (pcb_ == nullptr || (state_ != State::Open && state_ != State::PeerClosed)) return 0;
  if (tcp_sndqueuelen(pcb_) + std::size_t{segments_per_write} * 2 >= TCP_SND_QUEUELEN) return 0;
  const auto room = [](std::size_t most, std::size_t used) {
    return most > used ? most - used : 0;
  };
  if (pcb_->frozen != 0) return room(most_while_frozen, unacknowledged());
  const std::size_t ahead = std::max<std::size_t>(least_ahead, record_->sender.window());
  return std::min({std::size_t{tcp_sndbuf(pcb_)}, room(ahead, pcb_->snd_lbb - pcb_->snd_nxt),
                   room(stack_.engine_->most_of_a_connection(), unacknowledged())});
}

std::size_t TcpSocket::write(Bytes from) {
  const std::size_t wanted = std::min(from.size(), writable());
  if (wanted == 0) return 0;
  stack_.enter();
  const std::size_t at_once =
      std::min<std::size_t>(most_per_call, std::size_t{segments_per_write} * pcb_->mss);
  std::size_t done = 0;
  while (done < wanted) {
    const std::size_t count = std::min(wanted - done, at_once);
    const bool more = done + count < from.size();
    const u8_t flags = TCP_WRITE_FLAG_COPY | (more ? TCP_WRITE_FLAG_MORE : 0);
    if (tcp_write(pcb_, from.data() + done, static_cast<u16_t>(count), flags) != ERR_OK) break;
    done += count;
  }
  if (done > 0) stack_.engine_->send_later(*record_);
  return done;
}

std::size_t TcpSocket::unacknowledged() const {
  if (pcb_ == nullptr || !sequence_before(pcb_->lastack, pcb_->snd_lbb)) return 0;
  return pcb_->snd_lbb - pcb_->lastack;
}

Endpoint TcpSocket::local() const {
  if (record_ != nullptr) return record_->flow.local;
  return last_flow_ ? last_flow_->local : nowhere;
}

Endpoint TcpSocket::remote() const {
  if (record_ != nullptr) return record_->flow.remote;
  return last_flow_ ? last_flow_->remote : nowhere;
}

// --- listening ---------------------------------------------------------------------------------

TcpAcceptor::TcpAcceptor(LwipStack& stack, std::uint16_t port)
    : stack_{stack}, port_{port}, change_{stack.notifications_} {}

// lwIP would let two listeners have one port.
bool TcpAcceptor::is_listened_to(const std::optional<IpAddress>& local, std::uint16_t port) {
  const ip_addr_t address = local ? to_lwip(*local) : *IP_ANY_TYPE;
  for (const tcp_pcb_listen* other = tcp_listen_pcbs.listen_pcbs; other != nullptr;
       other = other->next) {
    if (other->local_port == port && IP_GET_TYPE(&other->local_ip) == IP_GET_TYPE(&address) &&
        ip_addr_eq(&other->local_ip, &address)) {
      return true;
    }
  }
  return false;
}

// Ephemeral ports are many, and listeners few.
std::optional<std::uint16_t> TcpAcceptor::free_port(const LwipStack& stack,
                                                    const std::optional<IpAddress>& local) {
  constexpr unsigned attempts = 16;
  const FiveTuple any{IpProtocol::Tcp, {IpAddress::v4({}), 0}, {IpAddress::v4({}), 0}};
  for (unsigned attempt = 0; attempt < attempts; ++attempt) {
    const auto port = stack.free_port(any);
    if (port && !is_listened_to(local, *port)) return port;
  }
  return std::nullopt;
}

Result<std::unique_ptr<TcpAcceptor>> TcpAcceptor::listen(LwipStack& stack,
                                                         std::optional<IpAddress> local,
                                                         std::uint16_t port, std::uint8_t backlog) {
  if (local && !stack.has_address(*local)) {
    return Error{Errc::NotFound, "the local address is not one of the stack's"};
  }
  stack.enter();
  ip_addr_t address = *IP_ANY_TYPE;
  if (local) address = to_lwip(*local);
  if (port == 0) {
    const auto chosen = free_port(stack, local);
    if (!chosen) return Error{Errc::Exhausted, "no port is free to listen on"};
    port = *chosen;
  } else if (is_listened_to(local, port)) {
    return Error{Errc::Busy, "the port is listened to already; choose another"};
  }
  tcp_pcb* pcb = tcp_new_ip_type(IP_GET_TYPE(&address));
  if (pcb == nullptr) return Error{Errc::Exhausted, "no memory to listen"};
  pcb->local_ip = address;
  pcb->local_port = port;
  TCP_REG(&tcp_bound_pcbs, pcb);
  tcp_ext_arg_set(pcb, ConnectionRecord::ext_arg, &stack.connections_);
  tcp_ext_arg_set_callbacks(pcb, ConnectionRecord::ext_arg, &LwipHooks::listener_callbacks);
  std::unique_ptr<TcpAcceptor> acceptor{new TcpAcceptor{stack, port}};
  acceptor->pcb_ = tcp_listen_with_backlog(pcb, backlog);
  if (acceptor->pcb_ == nullptr) {
    tcp_close(pcb);
    return Error{Errc::Exhausted, "no memory to listen"};
  }
  tcp_arg(acceptor->pcb_, acceptor.get());
  tcp_accept(acceptor->pcb_, LwipHooks::accepted);
  return acceptor;
}

TcpAcceptor::~TcpAcceptor() {
  stack_.enter();
  if (pcb_ != nullptr) tcp_close(pcb_);
  for (const auto& socket : waiting_) socket->abort();
}

void TcpAcceptor::set_handler(std::function<void()> on_change) {
  change_.set_handler(std::move(on_change));
}

void TcpAcceptor::accepted(tcp_pcb* pcb, ConnectionRecord& record) {
  std::unique_ptr<TcpSocket> socket{new TcpSocket{stack_}};
  socket->attach(pcb, record);
  socket->state_ = TcpSocket::State::Open;
  tcp_backlog_delayed(pcb);
  waiting_.push_back(std::move(socket));
  change_.raise();
}

std::unique_ptr<TcpSocket> TcpAcceptor::accept() {
  stack_.enter();
  while (!waiting_.empty()) {
    std::unique_ptr<TcpSocket> socket = std::move(waiting_.front());
    waiting_.pop_front();
    if (socket->state_ == TcpSocket::State::Failed && socket->readable_ == 0) continue;
    if (socket->pcb_ != nullptr) tcp_backlog_accepted(socket->pcb_);
    if (socket->readable_ > 0) socket->change_.raise();
    return socket;
  }
  return nullptr;
}

}  // namespace godwit
