// The smallest control channel that keeps the promises of mobility/control_channel.hpp: numbered
// requests and their answers, each with an HMAC under a secret that both hosts were given, on a UDP
// port of its own. Shows that mobility does not need IKE (S24).
#pragma once

#include <map>
#include <optional>

#include "mobility/control_channel.hpp"

namespace godwit::sim {

class PlainChannel final : public ControlChannel {
 public:
  static constexpr std::uint16_t udp_port = 4510;
  static constexpr Duration repeat_after = std::chrono::milliseconds{250};

  // `name` tells the two ends apart, so that nobody can be sent its own words.
  explicit PlainChannel(std::uint8_t name) : name_{name} {}

  void send(const MobilityService::SendNotice& notice, Instant now) override;
  void answer(const MobilityService::Answer& answer, Instant now) override;
  void begin(PeerId peer, const Path& path) override;
  void rewrite(PeerId peer, const AddressRewrite& change) override;
  void forget(PeerId) override { sent_.clear(); }
  std::optional<std::uint16_t> port() const override { return udp_port; }
  void handle_datagram(const Path& path, Bytes datagram, Instant now) override;
  bool knows(Bytes datagram) const override { return !datagram.empty() && datagram[0] != name_; }
  std::optional<Output> poll() override { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const override;
  void handle_timeout(Instant now) override;

  std::uint64_t forged() const { return forged_; }

 private:
  enum class Kind : std::uint8_t { Request, Response };
  struct Sent {
    NoticeId id;
    ByteString message;
    std::optional<Instant> repeat_at;  // none: the service repeats it
  };
  struct Received {
    std::optional<Path> waiting;  // for answer()
    std::optional<IpAddress> asked_from{};
    ByteString answer;
  };
  ByteString seal(Kind kind, std::uint32_t number, const std::optional<Notice>& notice) const;
  Path path_for(const MobilityService::Way& way) const;

  std::uint8_t name_;
  PeerId peer_{};
  std::optional<Path> path_;
  std::uint32_t next_ = 1;
  std::map<std::uint32_t, Sent> sent_;
  std::map<std::uint32_t, Received> received_;
  std::uint64_t forged_ = 0;
  OutputQueue<Output> outputs_;
};

}  // namespace godwit::sim
