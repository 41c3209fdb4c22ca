#include "apps/shim_server/host_port.hpp"

#include <sys/socket.h>
#include <asio/co_spawn.hpp>
#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/datagram_flow.hpp"
#include "apps/node/relay.hpp"
#include "apps/node/sessions.hpp"

namespace godwit::shim {
namespace {

using Udp = asio::ip::udp;

// Then others have their turn.
constexpr std::size_t most_at_once = 32;

class HostPort final : public DatagramPort {
 public:
  HostPort(Udp::socket socket, bool v6, Judge judge, Deliver deliver)
      : judge_{std::move(judge)},
        state_{std::make_shared<State>(std::move(socket), v6, std::move(deliver))} {
    state_->running.start(State::receive(state_));
  }
  HostPort(const HostPort&) = delete;
  HostPort& operator=(const HostPort&) = delete;
  ~HostPort() override {
    asio::error_code ignored;
    state_->deliver = nullptr;
    state_->socket.close(ignored);
    state_->running.cancel_all();
  }

  Endpoint local() const override {
    asio::error_code ignored;
    return from_asio(state_->socket.local_endpoint(ignored));
  }
  ReachResult reach(const Endpoint& remote) override {
    if (const asio::error_code error = judge_(remote)) return error;
    return Reached{local(), remote, largest_datagram(remote.address.family())};
  }
  asio::error_code send(Bytes payload, const Endpoint& remote) override {
    asio::error_code error = judge_(remote);
    if (error) return error;
    state_->socket.send_to(asio::buffer(payload.data(), payload.size()), state_->address_of(remote),
                           0, error);
    state_->note(error);
    return error;
  }
  ReachResult connect(const Endpoint& remote) override {
    asio::error_code error = judge_(remote);
    if (error) return error;
    state_->socket.connect(state_->address_of(remote), error);
    if (error) return error;
    return reach(remote);
  }
  void disconnect() override {
    const sockaddr nobody{AF_UNSPEC, {}};
    // Linux refuses this to nobody.
    [[maybe_unused]] const int done =
        ::connect(state_->socket.native_handle(), &nobody, sizeof nobody);
  }
  void hear_strangers() override {}
  asio::error_code take_error() override { return std::exchange(state_->error, {}); }

 private:
  struct State {
    State(Udp::socket bound, bool is_v6, Deliver to)
        : socket{std::move(bound)},
          v6{is_v6},
          deliver{std::move(to)},
          running{socket.get_executor()} {}

    Udp::endpoint address_of(const Endpoint& remote) const {
      auto address = to_asio(remote.address);
      if (v6 && address.is_v4()) {
        address = asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4());
      }
      return {address, remote.port};
    }
    void note(const asio::error_code& failed) {
      if (failed == asio::error::connection_refused) error = failed;
    }
    bool receive_one() {
      RelayBuffers::Buffer buffer = buffers.take();
      Udp::endpoint from;
      asio::error_code failed;
      const std::size_t count =
          socket.receive_from(asio::buffer(buffer.get(), RelayBuffers::chunk), from, 0, failed);
      note(failed);
      if (!failed && deliver) deliver(from_asio(from), Bytes{buffer.get(), count});
      buffers.give(std::move(buffer));
      return !failed;
    }
    static asio::awaitable<void> receive(std::shared_ptr<State> state) {
      asio::error_code failed;
      while (!failed && state->deliver) {
        std::size_t turn = 0;
        while (turn < most_at_once && state->receive_one()) ++turn;
        co_await state->socket.async_wait(asio::socket_base::wait_read,
                                          asio::redirect_error(asio::use_awaitable, failed));
      }
    }

    Udp::socket socket;
    bool v6;
    Deliver deliver;
    asio::error_code error;
    RelayBuffers buffers;
    Sessions running;
  };
  Judge judge_;
  std::shared_ptr<State> state_;
};

}  // namespace

PortResult open_host_port(const asio::any_io_executor& executor, const Endpoint& local, Judge judge,
                          Deliver deliver) {
  const auto at = to_asio<Udp>(local);
  Udp::socket socket{executor};
  asio::error_code error;
  socket.open(at.protocol(), error);
  if (!error) socket.non_blocking(true, error);
  if (!error) socket.bind(at, error);
  if (error) return error;
  return std::make_unique<HostPort>(std::move(socket), !local.address.is_v4(), std::move(judge),
                                    std::move(deliver));
}

}  // namespace godwit::shim
