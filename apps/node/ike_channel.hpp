// IKE as a control channel: notices travel as notifies of INFORMATIONAL exchanges (RFC 7296
// section 1.4), private-use types between peers that show Godwit's vendor ID.
#pragma once

#include <map>

#include "ipsec/ike/ike_endpoint.hpp"
#include "mobility/control_channel.hpp"

namespace godwit {

class IkeChannel final : public ControlChannel {
 public:
  // `ike` is lent for the channel's life; its owner polls it, and hands over what concerns notices.
  // Off the beaten way what is sent goes to port 4500 if `nats` may be there: it passes them.
  IkeChannel(ike::IkeEndpoint& ike, Translation nats) : ike_{ike}, nats_{nats} {}

  // False: there is no notice in it, and it is answered with nothing.
  bool handle(const ike::RequestReceived& request, Instant now);
  void handle(const ike::ResponseReceived& response);
  void handle(const ike::RequestFailed& failed);

  void send(const MobilityService::SendNotice& notice, Instant now) override;
  void answer(const MobilityService::Answer& answer, Instant now) override;
  void begin(PeerId, const Path&) override {}  // IKE knows
  void rewrite(PeerId peer, const AddressRewrite& change) override { ike_.rewrite(peer, change); }
  void forget(PeerId peer) override;
  void handle_datagram(const Path&, Bytes, Instant) override {}
  bool knows(Bytes datagram) const override { return ike_.knows(datagram); }
  std::optional<Output> poll() override { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const override { return std::nullopt; }
  void handle_timeout(Instant) override {}

 private:
  std::optional<Notice> find_notice(PeerId peer, const std::vector<ike::Notify>& notifies);
  std::optional<Path> path_for(PeerId peer, const MobilityService::Way& way) const;

  ike::IkeEndpoint& ike_;
  Translation nats_;
  std::map<NoticeId, ike::ExchangeId> exchanges_;  // that are not answered yet
  std::map<ike::ExchangeId, NoticeId> notices_;    // the other way round
  OutputQueue<Output> outputs_;
};

}  // namespace godwit
