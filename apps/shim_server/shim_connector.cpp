#include "apps/shim_server/shim_connector.hpp"

#include "apps/node/address.hpp"

namespace godwit::shim {

Endpoint meant(const Endpoint& remote) {
  const IpAddress address = from_asio(to_asio(remote.address));
  if (!address.is_unspecified()) return {address, remote.port};
  return {from_asio(address.is_v4() ? asio::ip::address{asio::ip::address_v4::loopback()}
                                    : asio::ip::address{asio::ip::address_v6::loopback()}),
          remote.port};
}

}  // namespace godwit::shim
