#include "apps/node/sessions.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>

namespace godwit {

void Sessions::start(asio::awaitable<void> session) {
  const auto signal = std::make_shared<asio::cancellation_signal>();
  const auto place = running_->insert(running_->end(), signal);
  // A session that was cancelled ends with an exception of Asio's; it has cleaned up behind it.
  const auto ended = [running = running_, place](const std::exception_ptr&) {
    running->erase(place);
  };
  asio::co_spawn(executor_, std::move(session),
                 asio::bind_cancellation_slot(signal->slot(), ended));
}

void Sessions::cancel_all() {
  const Running snapshot = *running_;
  for (const auto& signal : snapshot) signal->emit(asio::cancellation_type::terminal);
}

}  // namespace godwit
