#include "apps/node/control_server.hpp"

#include <chrono>
#include <deque>

#include <unistd.h>
#include <asio/buffer.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <nlohmann/json.hpp>

#include "apps/node/unix_listener.hpp"

namespace godwit {
namespace {

using Json = nlohmann::json;
using Protocol = asio::local::stream_protocol;

constexpr auto accept_pause = std::chrono::milliseconds{100};

std::string refusal(const std::string& why) {
  return Json{{"ok", false}, {"error", why}}.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string text_reply(const std::string& text) {
  return Json{{"ok", true}, {"text", text}}.dump(-1, ' ', true, Json::error_handler_t::replace);
}

struct Request {
  std::string name;
  bool as_text = false;
};

Outcome<Request> parse_request(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return Problem{"a request is one line with one JSON object"};
  Request request;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string() || (key != "request" && key != "as")) {
      return Problem{"a request has the keys \"request\" and \"as\", both texts"};
    }
    const auto& text = value.get_ref<const std::string&>();
    if (key == "request") request.name = text;
    if (key == "as" && text != "json" && text != "text") {
      return Problem{"\"as\" is \"json\" or \"text\""};
    }
    if (key == "as") request.as_text = text == "text";
  }
  return request;
}

// Events for one watcher that are not written yet.
struct Backlog {
  std::deque<std::string> lines;
  std::uint64_t lost = 0;
  asio::steady_timer bell;  // rings by being cancelled

  explicit Backlog(const asio::any_io_executor& executor)
      : bell{executor, asio::steady_timer::time_point::max()} {}

  void add(std::string line) {
    if (lines.size() < ControlServer::most_waiting_events) {
      lines.push_back(std::move(line));
    } else {
      ++lost;
    }
    bell.cancel();
  }
  // Everything that waits as one text; empty: nothing.
  std::string take(bool as_text) {
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    lines.clear();
    if (lost > 0 && as_text) text += "lost count=" + std::to_string(lost) + '\n';
    if (lost > 0 && !as_text) text += Json{{"event", "lost"}, {"count", lost}}.dump() + '\n';
    lost = 0;
    return text;
  }
};

asio::awaitable<void> write_backlog(Protocol::socket& socket, Backlog& backlog, bool as_text) {
  asio::error_code error;
  while (!error) {
    const std::string text = backlog.take(as_text);
    if (text.empty()) {
      asio::error_code rung;
      co_await backlog.bell.async_wait(asio::redirect_error(asio::use_awaitable, rung));
      continue;
    }
    co_await asio::async_write(socket, asio::buffer(text),
                               asio::redirect_error(asio::use_awaitable, error));
  }
}

// A watcher says nothing more; what can be read is its end.
asio::awaitable<void> wait_for_end(Protocol::socket& socket) {
  asio::error_code error;
  std::array<char, 64> ignored;
  while (!error) {
    co_await socket.async_read_some(asio::buffer(ignored),
                                    asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace

ControlServer::ControlServer(asio::io_context& io, ControlSubject subject, Log log)
    : io_{io},
      subject_{std::move(subject)},
      log_{std::move(log)},
      acceptor_{io},
      sessions_{io.get_executor()} {}

ControlServer::~ControlServer() { stop(); }

Outcome<Done> ControlServer::listen(const std::string& path) {
  if (const auto open = listen_at(acceptor_, path, UnixAccess::Owner); !open) {
    return Problem{"control: cannot listen at " + path + ": " + open.problem() +
                   "; stop the other godwitd, or give this one another \"control\""};
  }
  path_ = path;
  sessions_.start(accept_clients());
  return Done{};
}

void ControlServer::stop() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
  sessions_.cancel_all();
}

asio::awaitable<void> ControlServer::accept_clients() {
  while (acceptor_.is_open()) {
    asio::error_code error;
    Socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error && sessions_.active() <= most_clients) {
      sessions_.start(serve(std::move(socket)));
    } else if (error && acceptor_.is_open() && error != asio::error::operation_aborted) {
      log_("control: a client could not be accepted: " + error.message());
      asio::steady_timer timer{io_, accept_pause};
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

asio::awaitable<void> ControlServer::serve(Socket socket) {
  std::string input;
  for (;;) {
    asio::error_code error;
    const std::size_t length =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(input, longest_request), '\n',
                                        asio::redirect_error(asio::use_awaitable, error));
    std::string reply;
    const auto request = error ? Outcome<Request>{Problem{"the line is too long"}}
                               : parse_request(input.substr(0, length));
    if (error && error != asio::error::not_found) co_return;
    input.erase(0, length);
    if (!request) {
      reply = refusal(request.problem());
    } else if (request->name == "status") {
      const NodeStatus status = subject_.status();
      reply = request->as_text ? text_reply(status_text(status))
                               : "{\"ok\":true,\"status\":" + status_json(status) + '}';
    } else if (request->name == "version") {
      reply = text_reply(subject_.version);
    } else if (request->name == "watch") {
      co_return co_await watch(socket, request->as_text);
    } else {
      reply = refusal("no such request; there are: status, watch, version");
    }
    reply += '\n';
    const bool too_long = static_cast<bool>(error);
    co_await asio::async_write(socket, asio::buffer(reply),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    if (too_long) {
      socket.shutdown(Socket::shutdown_send, error);
      co_return co_await wait_for_end(socket);  // unread octets would take the reply with them
    }
  }
}

asio::awaitable<void> ControlServer::watch(Socket& socket, bool as_text) {
  using namespace asio::experimental::awaitable_operators;
  Backlog backlog{io_.get_executor()};
  backlog.lines.push_back(R"({"ok":true})");
  const Subscription subscription = subject_.events.watch([&](const Event& event) {
    backlog.add(as_text ? event_line(event, subject_.name_of)
                        : event_json(event, subject_.name_of));
  });
  co_await (write_backlog(socket, backlog, as_text) || wait_for_end(socket));
}

}  // namespace godwit
