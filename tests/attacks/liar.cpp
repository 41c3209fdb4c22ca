#include "tests/attacks/liar.hpp"

#include <algorithm>

#include "ipsec/esp/udp_encapsulation.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/udp.hpp"

namespace godwit::sim {
namespace {

constexpr PeerId target{0};

std::vector<ike::IkePeer> only(std::string name, Bytes key) {
  ike::IkePeer peer;
  peer.id = target;
  peer.name = std::move(name);
  peer.public_key = to_byte_string(key);
  std::vector<ike::IkePeer> peers;
  peers.push_back(std::move(peer));
  return peers;
}

}  // namespace

Liar::Liar(SimNetwork& network, std::string name, std::vector<IpAddress> homes,
           Ed25519PrivateKey key, std::string target_name, Bytes target_key, std::uint64_t seed)
    : network_{network},
      name_{std::move(name)},
      homes_{std::move(homes)},
      key_{std::move(key)},
      rng_{seed},
      ike_{ike::IkeIdentity{name_, &key_}, only(std::move(target_name), target_key), rng_},
      plain_{ike_, Translation::Refused},
      in_udp_{ike_, Translation::Allowed} {
  network.attach(*this);
}

bool Liar::is_at(const IpAddress& address, const SimAccess* access) const {
  return access == nullptr && std::ranges::find(homes_, address) != homes_.end();
}

bool Liar::call(const IpAddress& from, const IpAddress& to) {
  const Path path{{from, 500}, {to, 500}, std::nullopt};
  (void)ike_.connect(target, path, EspSuite::Aes256Gcm16, network_.now());
  settle();
  return network_.run(network_.now() + std::chrono::seconds{2},
                      [this] { return ike_.is_established(target); });
}

NoticeId Liar::say(const Notice& notice, const IpAddress& source, Way way) {
  const NoticeId id{target, next_number_++};
  send_by(id, notice, 1, source, way);
  return id;
}

void Liar::say_again(NoticeId id, const Notice& notice, const IpAddress& source, Way way) {
  send_by(id, notice, 2, source, way);
}

void Liar::send_by(NoticeId id, const Notice& notice, unsigned attempt, const IpAddress& source,
                   Way way) {
  using Kind = MobilityService::Way::Kind;
  const Kind kind = way == Way::Tunnelled ? Kind::Tunnelled : Kind::Direct;
  const MobilityService::Way path{kind, source, std::nullopt};
  IkeChannel& channel = way == Way::InUdp4500 ? in_udp_ : plain_;
  channel.send({target, id, notice, attempt, MobilityService::Pacing::ByService, {path}},
               network_.now());
  settle();
}

AddressChange Liar::change(const IpAddress& from, const IpAddress& to, OldPath old_path) {
  return AddressChange{next_counter++, {from}, to, old_path, {}, {}};
}

std::optional<MigrationCompleted> Liar::completed(NoticeId id) const {
  const auto found = std::ranges::find(answers, id, &Answered::id);
  if (found == answers.end() || !found->notice) return std::nullopt;
  const auto* completed = std::get_if<MigrationCompleted>(&*found->notice);
  return completed ? std::optional{*completed} : std::nullopt;
}

void Liar::receive(Packet packet) {
  ++received;
  octets_received += packet.size();
  if (is_silent) return;
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram || datagram->protocol != IpProtocol::Udp) return;
  Bytes payload = Bytes{packet.bytes()}.subspan(datagram->header_length + UdpHeader::length);
  const Path path{{datagram->destination, datagram->destination_port},
                  {datagram->source, datagram->source_port},
                  std::nullopt};
  if (datagram->destination_port == UdpEncapsulation::port) {
    const auto content = UdpEncapsulation::content_of(payload);
    if (!content || *content != UdpEncapsulation::Content::Ike) return;
    payload = payload.subspan(UdpEncapsulation::non_esp_marker.size());
  }
  ike_.handle_datagram(path, payload, network_.now());
  settle();
}

void Liar::settle() {
  while (auto output = ike_.poll()) {
    if (const auto* send = std::get_if<ike::SendDatagram>(&*output)) {
      ByteString bytes;
      if (send->path.local.port == UdpEncapsulation::port) {
        bytes.assign(UdpEncapsulation::non_esp_marker.begin(),
                     UdpEncapsulation::non_esp_marker.end());
      }
      bytes.insert(bytes.end(), send->bytes.begin(), send->bytes.end());
      Packet packet = make_udp(send->path.local, send->path.remote, bytes);
      if (send->path.outer) wrap(packet, send->path.outer->local, send->path.outer->remote);
      last_request_octets = packet.size();
      const auto shared = std::make_shared<Packet>(std::move(packet));
      network_.at(network_.now() + std::chrono::milliseconds{10},
                  [this, shared] { network_.inject(std::move(*shared)); });
    } else if (const auto* response = std::get_if<ike::ResponseReceived>(&*output)) {
      plain_.handle(*response);
      in_udp_.handle(*response);
    } else if (const auto* request = std::get_if<ike::RequestReceived>(&*output)) {
      ike_.answer(target, request->request, {}, network_.now());
    }
  }
  for (IkeChannel* channel : {&plain_, &in_udp_}) {
    while (auto output = channel->poll()) {
      if (auto* answered = std::get_if<ControlChannel::NoticeAnswered>(&*output)) {
        answers.push_back({answered->id, std::move(answered->answer)});
      }
    }
  }
}

}  // namespace godwit::sim
