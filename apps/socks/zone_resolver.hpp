// Names that not every name server knows: those within some zones are asked of the zones' own
// servers, over the stack where policy protects these. The others are the host's business.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "apps/node/dns_config.hpp"
#include "apps/node/name_lookup.hpp"
#include "apps/socks/socks_connector.hpp"
#include "stack/core/random.hpp"

namespace godwit {

class ZoneResolver final : public ZoneLookup {
 public:
  // `connector`, which reaches the servers and looks up nothing by this resolver, and `rng` outlive
  // the io_context's work.
  ZoneResolver(asio::any_io_executor executor, SocksConnector& connector, Rng& rng,
               const std::vector<ZoneConfig>& zones);
  ZoneResolver(const ZoneResolver&) = delete;
  ZoneResolver& operator=(const ZoneResolver&) = delete;
  ~ZoneResolver() override;

  // Of nested zones the inner one counts. Then nobody else is to be asked, whatever comes of it.
  bool is_asked_for(const std::string& name) const override;
  // IPv6 and IPv4, in this order; empty: there is none, or nobody answered.
  asio::awaitable<std::vector<IpAddress>> look_up(std::string name) override;

 private:
  class Zone;
  std::shared_ptr<Zone> zone_of(const std::string& name) const;
  std::vector<std::shared_ptr<Zone>> zones_;
};

}  // namespace godwit
