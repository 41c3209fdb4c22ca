#include "apps/node/datagram.hpp"

#include <algorithm>

#include "stack/core/packet.hpp"

namespace godwit {

struct UdpStream::State {
  // What arrived while looking whether something had; read before what the socket still has.
  struct Early {
    ByteString payload;
    UdpSocket::Received received;
  };
  asio::any_io_executor executor;
  std::unique_ptr<UdpSocket> socket;
  std::optional<Early> early;
  WaitingPlace place;

  void look() {
    if (place.empty()) return;
    if (!early) {
      ByteString buffer(Packet::max_datagram);
      if (const auto received = socket->receive_from(buffer)) {
        buffer.resize(received->size);
        early = Early{std::move(buffer), *received};
      }
    }
    if (early) place.complete({});
  }
};

UdpStream::UdpStream(asio::any_io_executor executor, std::unique_ptr<UdpSocket> socket)
    : state_{new State{std::move(executor), std::move(socket), std::nullopt, {}}} {
  state_->socket->set_handler([state = state_.get()] { state->look(); });
}

UdpStream::UdpStream(UdpStream&&) noexcept = default;
UdpStream& UdpStream::operator=(UdpStream&&) noexcept = default;
UdpStream::~UdpStream() = default;

UdpStream::executor_type UdpStream::get_executor() const { return state_->executor; }
UdpSocket& UdpStream::socket() { return *state_->socket; }
const UdpSocket& UdpStream::socket() const { return *state_->socket; }
void UdpStream::cancel() { state_->place.cancel(); }

std::optional<UdpSocket::Received> UdpStream::receive_now(MutableBytes into) {
  if (!state_->early) return state_->socket->receive_from(into);
  const State::Early early = std::move(*state_->early);
  state_->early.reset();
  const std::size_t count = std::min(into.size(), early.payload.size());
  std::copy_n(early.payload.begin(), count, into.begin());
  return early.received;
}

asio::error_code UdpStream::send(Bytes payload) {
  const Status sent = state_->socket->send(payload);
  return sent ? asio::error_code{} : to_asio(sent.error());
}

asio::error_code UdpStream::send_to(Bytes payload, const Endpoint& to) {
  const Status sent = state_->socket->send_to(payload, to);
  return sent ? asio::error_code{} : to_asio(sent.error());
}

WaitingPlace& UdpStream::place() { return state_->place; }
void UdpStream::look() { state_->look(); }

// --- those who send first -----------------------------------------------------------------------

struct UdpListener::State {
  asio::any_io_executor executor;
  std::unique_ptr<UdpAcceptor> acceptor;
  std::unique_ptr<UdpSocket> first;  // seen while looking, not yet asked for
  WaitingPlace place;

  void look() {
    if (!first) first = acceptor->accept();
    if (first && !place.empty()) place.complete({});
  }
};

UdpListener::UdpListener(asio::any_io_executor executor, std::unique_ptr<UdpAcceptor> acceptor)
    : state_{new State{std::move(executor), std::move(acceptor), nullptr, {}}} {
  state_->acceptor->set_handler([state = state_.get()] { state->look(); });
}

UdpListener::UdpListener(UdpListener&&) noexcept = default;
UdpListener& UdpListener::operator=(UdpListener&&) noexcept = default;
UdpListener::~UdpListener() = default;

void UdpListener::cancel() { state_->place.cancel(); }

std::unique_ptr<UdpSocket> UdpListener::accept_now() {
  return state_->first ? std::move(state_->first) : state_->acceptor->accept();
}

std::uint16_t UdpListener::port() const { return state_->acceptor->port(); }

Result<std::unique_ptr<UdpSocket>> UdpListener::connect(const IpAddress& local,
                                                        const Endpoint& remote) {
  return state_->acceptor->connect(local, remote);
}

const asio::any_io_executor& UdpListener::executor() const { return state_->executor; }
WaitingPlace& UdpListener::place() { return state_->place; }
void UdpListener::look() { state_->look(); }

}  // namespace godwit
