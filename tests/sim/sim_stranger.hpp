// Somebody on the network who runs no Godwit and sends whatever he likes, under any source. He may
// come to own an address that a host had before, receives what is still sent there, and may answer
// it as an ordinary host would.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/sim_network.hpp"

namespace godwit::sim {

class SimStranger final : public SimStation {
 public:
  enum class Answers : std::uint8_t { Nothing, Icmp };

  SimStranger(SimNetwork& network, std::string name) : network_{network}, name_{std::move(name)} {
    network.attach(*this);
  }
  SimStranger(const SimStranger&) = delete;
  SimStranger& operator=(const SimStranger&) = delete;
  ~SimStranger() override { network_.detach(*this); }

  const std::string& name() const override { return name_; }
  bool is_at(const IpAddress& address, const SimAccess* access) const override;
  void receive(Packet packet) override;

  void take(const IpAddress& address);
  void leave(const IpAddress& address);
  void answer_with(Answers answers) { answers_ = answers; }

  void send_tcp(const Endpoint& from, const Endpoint& to, std::uint8_t flags);
  void send_udp(const Endpoint& from, const Endpoint& to, std::size_t size);
  void send_esp(const IpAddress& from, const IpAddress& to, std::uint32_t spi);
  void send(Packet packet) { network_.inject(std::move(packet)); }

  const PacketCounts& received() const { return received_; }
  std::uint64_t received_in_all() const { return received_in_all_; }

 private:
  void answer_unreachable(Bytes packet);

  SimNetwork& network_;
  std::string name_;
  std::vector<SimAddress> addresses_;
  Answers answers_ = Answers::Nothing;
  PacketCounts received_;
  std::uint64_t received_in_all_ = 0;
};

}  // namespace godwit::sim
