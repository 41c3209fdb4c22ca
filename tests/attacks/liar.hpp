// An authentic peer that lies: it has keys, says whatever it is told to say, under any source, and
// hears what comes to where it really is. Below it is real IKE; there is no mobility and no stack.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/node/ike_channel.hpp"
#include "ipsec/crypto/signer.hpp"
#include "ipsec/ike/ike_endpoint.hpp"
#include "tests/sim/sim_network.hpp"

namespace godwit::sim {

class Liar final : public SimStation {
 public:
  Liar(SimNetwork& network, std::string name, std::vector<IpAddress> homes, Ed25519PrivateKey key,
       std::string target_name, Bytes target_key, std::uint64_t seed);
  Liar(const Liar&) = delete;
  Liar& operator=(const Liar&) = delete;
  ~Liar() override { network_.detach(*this); }

  const std::string& name() const override { return name_; }
  bool is_at(const IpAddress& address, const SimAccess* access) const override;
  void receive(Packet packet) override;

  // Sets up a session with the target, honestly, and runs the network until it stands.
  bool call(const IpAddress& from, const IpAddress& target);

  // One request, in a datagram with this source, or in a tunnel with that outer source.
  enum class Way : std::uint8_t { Plain, InUdp4500, Tunnelled };
  NoticeId say(const Notice& notice, const IpAddress& source, Way way = Way::Plain);
  // The same octets once more, under another source.
  void say_again(NoticeId id, const Notice& notice, const IpAddress& source, Way way = Way::Plain);

  AddressChange change(const IpAddress& from, const IpAddress& to,
                       OldPath old_path = OldPath::Gone);

  struct Answered {
    NoticeId id;
    std::optional<Notice> notice;
  };
  std::vector<Answered> answers;  // that came to where the liar really is
  std::optional<MigrationCompleted> completed(NoticeId id) const;
  std::size_t last_request_octets = 0;  // of the whole IP datagram
  std::uint64_t received = 0;
  std::uint64_t octets_received = 0;
  std::uint32_t next_counter = 1;
  bool is_silent = false;  // hears nothing, answers nothing

 private:
  void send_by(NoticeId id, const Notice& notice, unsigned attempt, const IpAddress& source,
               Way way);
  void settle();

  SimNetwork& network_;
  std::string name_;
  std::vector<IpAddress> homes_;
  Ed25519PrivateKey key_;
  SeededRng rng_;
  ike::IkeEndpoint ike_;
  IkeChannel plain_;  // remembers the exchanges of port 500, or of a tunnel
  IkeChannel in_udp_;
  std::uint32_t next_number_ = 1;
};

}  // namespace godwit::sim
