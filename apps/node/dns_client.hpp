// Carries DNS queries to name servers and answers back, over the host's own sockets. A fresh socket
// for each query, so that its port, chosen by the system at random, is one more thing that a forger
// must guess (RFC 5452 section 9.2).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "stack/dns/dns_query.hpp"

namespace godwit {

class DnsClient {
 public:
  // More are refused: somebody asks faster than answers can come.
  static constexpr std::size_t most_queries = 256;

  // No message: the query could not be sent, or the network says that nobody is there.
  using Handler = std::function<void(const DnsQuery& query, std::optional<Bytes> message)>;

  // The handler is called from the executor, never from within ask().
  DnsClient(asio::any_io_executor executor, Handler handler);
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  void ask(DnsQuery query);

 private:
  struct Shared;
  static asio::awaitable<void> ask_by_udp(std::shared_ptr<Shared> shared, DnsQuery query);
  static asio::awaitable<void> ask_by_tcp(std::shared_ptr<Shared> shared, DnsQuery query);

  asio::any_io_executor executor_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace godwit
