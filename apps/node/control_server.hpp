// The daemon's side of the control socket: a Unix socket that only its owner can open. A client
// sends a line of JSON and gets a line of JSON:
//
//   {"request":"status"}                 {"ok":true,"status":{...}}
//   {"request":"status","as":"text"}     {"ok":true,"text":"..."}
//   {"request":"version"}                {"ok":true,"text":"godwitd 0.1.0"}
//   {"request":"watch"}                  {"ok":true}, then a line for each event as it happens;
//                                        "as":"text" for lines that people read
//   anything else                        {"ok":false,"error":"..."}
//
// A watcher that does not keep up loses events and is told how many: {"event":"lost","count":9}.
#pragma once

#include <functional>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/events.hpp"
#include "apps/node/journal.hpp"
#include "apps/node/log.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/sessions.hpp"
#include "stack/core/event_bus.hpp"

namespace godwit {

// What there is to tell. Everything in here outlives the server.
struct ControlSubject {
  EventBus<Event>& events;
  std::function<NodeStatus()> status;
  PeerNames name_of;
  std::string version;
};

class ControlServer {
 public:
  static constexpr std::size_t longest_request = 4096;
  static constexpr std::size_t most_waiting_events = 1024;  // for one watcher
  static constexpr std::size_t most_clients = 64;

  ControlServer(asio::io_context& io, ControlSubject subject, Log log);
  ~ControlServer();

  // Makes the folder if need be and takes over the socket of a daemon that is gone.
  Outcome<Done> listen(const std::string& path);
  void stop();
  std::size_t active() const { return sessions_.active(); }

 private:
  using Socket = asio::local::stream_protocol::socket;
  asio::awaitable<void> accept_clients();
  asio::awaitable<void> serve(Socket socket);
  asio::awaitable<void> watch(Socket& socket, bool as_text);

  asio::io_context& io_;
  ControlSubject subject_;
  Log log_;
  std::string path_;
  asio::local::stream_protocol::acceptor acceptor_;
  Sessions sessions_;
};

}  // namespace godwit
