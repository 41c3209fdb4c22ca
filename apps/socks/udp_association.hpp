// One UDP association of SOCKS5: a socket of the host for the client, and a flow to each of its
// destinations, which moves with its peer like a connection. Ends with its TCP connection.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/relay.hpp"
#include "apps/socks/socks_connector.hpp"
#include "apps/socks/udp_gate.hpp"

namespace godwit {

class UdpAssociation {
 public:
  // Beyond this the flow that was used longest ago ends.
  static constexpr std::size_t most_flows = 64;
  // Of datagrams whose destination is still looked up, in octets and for all flows together.
  static constexpr std::size_t most_waiting = 64 * 1024;

  struct Client {
    IpAddress address;
    std::uint16_t port;  // as UdpGate has it
    std::string user;    // as SocksConnector has it
  };
  // `connector` and `buffers` outlive the io_context's work.
  UdpAssociation(asio::any_io_executor executor, SocksConnector& connector, RelayBuffers& buffers,
                 Client client);
  UdpAssociation(const UdpAssociation&) = delete;
  UdpAssociation& operator=(const UdpAssociation&) = delete;
  ~UdpAssociation();

  // Where the client sends its datagrams; `local` is where its TCP connection ends.
  asio::error_code open(const IpAddress& local);
  Endpoint bound() const;
  // Until `control` ends.
  asio::awaitable<void> run(ByteChannel& control);

  const UdpDrops& drops() const;
  // "17 datagrams there and 16 back".
  std::string carried() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace godwit
