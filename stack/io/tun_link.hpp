// A TUN device of our own: what is written to it enters the kernel as if it had arrived from a
// network, what the kernel routes to it is read. The device lives exactly as long as this
// object; the kernel removes it, its routes and its settings even if the process is killed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"
#include "stack/io/link.hpp"

namespace godwit {

struct TunSettings {
  std::string device = "godwit0";
  std::size_t mtu = 1500;
  // The stack is a host of its own: the kernel routes this address to the device and forwards
  // what comes out of it. None: the stack speaks with the host's addresses (see HostRouting).
  std::optional<IpPrefix> address;
};

class TunLink final : public Link {
 public:
  static Result<std::unique_ptr<TunLink>> open(asio::any_io_executor executor,
                                               const TunSettings& settings);

  std::size_t mtu() const override { return mtu_; }
  asio::awaitable<Status> receive(PacketBatch& batch) override;
  void transmit(PacketBatch& batch) override;
  void close() override;
  // The kernel forgets the route to TunSettings::address when somebody sets the device down.
  Status restore_route();
  const LinkCounters& counters() const override { return counters_; }

  const std::string& device() const { return device_; }
  InterfaceId interface() const { return interface_; }

 private:
  TunLink(asio::posix::stream_descriptor descriptor, std::string device, InterfaceId interface,
          std::size_t mtu, std::optional<IpPrefix> address);
  bool read_one(PacketBatch& batch, Status& status);

  asio::posix::stream_descriptor descriptor_;
  std::string device_;
  InterfaceId interface_;
  std::size_t mtu_;
  std::optional<IpPrefix> address_;
  ByteString overflow_;  // the rest of a datagram that is longer than an ordinary one
  LinkCounters counters_;
};

}  // namespace godwit
