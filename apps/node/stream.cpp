#include "apps/node/stream.hpp"

#include "stack/tcpip/tcp_socket.hpp"

namespace godwit {

asio::error_code to_asio(const Error& error) {
  switch (error.code) {
    case Errc::Refused: return asio::error::connection_refused;
    case Errc::NotFound: return asio::error::network_unreachable;
    case Errc::Busy: return asio::error::address_in_use;
    case Errc::Exhausted: return asio::error::no_buffer_space;
    case Errc::BadState: return asio::error::not_connected;
    default: return asio::error::connection_reset;
  }
}

struct TcpStream::State {
  asio::any_io_executor executor;
  std::unique_ptr<TcpSocket> socket;
  WaitingPlace reader;
  WaitingPlace writer;
  bool aborted = false;

  bool is_over() const {
    return aborted || socket->error() || socket->state() == TcpSocket::State::Closed ||
           socket->state() == TcpSocket::State::Failed;
  }
  bool can_read() const {
    return is_over() || socket->readable() > 0 || socket->state() == TcpSocket::State::PeerClosed;
  }
  bool can_write() const { return is_over() || socket->writable() > 0; }
  asio::error_code error() const {
    if (aborted) return asio::error::operation_aborted;
    if (const auto failure = socket->error()) return to_asio(*failure);
    return {};
  }
  // A wait ends well when trying would not block; what trying finds, an error too, it says.
  // Only who waits for a connection learns of its failure here.
  void look() {
    if (!reader.empty() && can_read()) reader.complete(aborted ? error() : asio::error_code{});
    if (!writer.empty() && can_write()) writer.complete(error());
  }
};

TcpStream::TcpStream(asio::any_io_executor executor, std::unique_ptr<TcpSocket> socket)
    : state_{new State{std::move(executor), std::move(socket), {}, {}}} {
  state_->socket->set_handler([state = state_.get()] { state->look(); });
}

TcpStream::TcpStream(TcpStream&&) noexcept = default;
TcpStream& TcpStream::operator=(TcpStream&&) noexcept = default;
TcpStream::~TcpStream() = default;

TcpStream::executor_type TcpStream::get_executor() const { return state_->executor; }
Endpoint TcpStream::local() const { return state_->socket->local(); }
Endpoint TcpStream::remote() const { return state_->socket->remote(); }

std::size_t TcpStream::read_some(MutableBytes out, asio::error_code& error) {
  error = {};
  if (out.empty()) return 0;
  if (const std::size_t count = state_->aborted ? 0 : state_->socket->read(out)) return count;
  error = state_->error();
  if (!error) {
    error = state_->can_read() ? asio::error_code{asio::error::eof}
                               : asio::error_code{asio::error::would_block};
  }
  return 0;
}

std::size_t TcpStream::write_some(Bytes bytes, asio::error_code& error) {
  error = state_->error();
  if (error || bytes.empty()) return 0;
  if (const std::size_t count = state_->socket->write(bytes)) return count;
  error = state_->is_over() ? asio::error_code{asio::error::broken_pipe}
                            : asio::error_code{asio::error::would_block};
  return 0;
}

void TcpStream::shutdown_write() {
  if (!state_->is_over()) state_->socket->shutdown_write();
}

void TcpStream::abort() {
  if (state_->aborted) return;
  state_->aborted = true;
  state_->socket->abort();
  cancel();
}

void TcpStream::cancel() {
  state_->reader.cancel();
  state_->writer.cancel();
}

void TcpStream::set_no_delay(bool on) { state_->socket->set_no_delay(on); }

void TcpStream::set_traffic_class(std::uint8_t octet) { state_->socket->set_traffic_class(octet); }

std::size_t TcpStream::segment_size() const { return state_->socket->segment_size(); }
void TcpStream::set_congestion(Congestion kind) { state_->socket->set_congestion(kind); }

WaitingPlace& TcpStream::place(Wait what) {
  return what == Wait::Read ? state_->reader : state_->writer;
}

void TcpStream::look() { state_->look(); }

struct TcpListener::State {
  asio::any_io_executor executor;
  std::unique_ptr<TcpAcceptor> acceptor;
  std::unique_ptr<TcpSocket> first;  // seen while looking, not yet asked for
  WaitingPlace place;

  void look() {
    if (!first) first = acceptor->accept();
    if (first && !place.empty()) place.complete({});
  }
};

TcpListener::TcpListener(asio::any_io_executor executor, std::unique_ptr<TcpAcceptor> acceptor)
    : state_{new State{std::move(executor), std::move(acceptor), nullptr, {}}} {
  state_->acceptor->set_handler([state = state_.get()] { state->look(); });
}

TcpListener::TcpListener(TcpListener&&) noexcept = default;
TcpListener& TcpListener::operator=(TcpListener&&) noexcept = default;
TcpListener::~TcpListener() = default;

asio::any_io_executor TcpListener::get_executor() const { return state_->executor; }

void TcpListener::cancel() { state_->place.cancel(); }

std::unique_ptr<TcpSocket> TcpListener::accept_now() {
  return state_->first ? std::move(state_->first) : state_->acceptor->accept();
}

WaitingPlace& TcpListener::place() { return state_->place; }

void TcpListener::look() { state_->look(); }

std::unique_ptr<TcpStream> TcpListener::make_stream(std::unique_ptr<TcpSocket> socket) {
  if (!socket) return nullptr;
  return std::make_unique<TcpStream>(state_->executor, std::move(socket));
}

}  // namespace godwit
