#include "tests/sim/plain_channel.hpp"

#include <algorithm>
#include <array>

#include "ipsec/crypto/prf.hpp"
#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::sim {
namespace {

constexpr std::array<std::uint8_t, 16> secret{1, 2,  3,  4,  5,  6,  7,  8,
                                              9, 10, 11, 12, 13, 14, 15, 16};
constexpr std::size_t mac_length = 32;
constexpr std::uint8_t no_notice = 0xff;

ByteString mac_of(Bytes message) {
  const SecretBytes mac = prf(PrfAlgorithm::HmacSha256, Bytes{secret}, {message});
  return to_byte_string(mac.bytes());
}

const IpAddress& outermost(const Path& path) {
  return path.outer ? path.outer->remote : path.remote.address;
}

}  // namespace

// name 8, kind 8, number 32, notice type 8, body, HMAC of all that 256
ByteString PlainChannel::seal(Kind kind, std::uint32_t number,
                              const std::optional<Notice>& notice) const {
  ByteString message;
  ByteWriter out{message};
  out.write(name_);
  out.write(static_cast<std::uint8_t>(kind));
  out.write(number);
  out.write(notice ? static_cast<std::uint8_t>(type_of(*notice)) : no_notice);
  if (notice) out.write(Bytes{write_notice(*notice)});
  out.write(Bytes{mac_of(message)});
  return message;
}

Path PlainChannel::path_for(const MobilityService::Way& way) const {
  using Kind = MobilityService::Way::Kind;
  Path path = *path_;
  const IpAddress local = way.local.value_or(path.local.address);
  const IpAddress remote = way.remote.value_or(path.remote.address);
  if (way.kind == Kind::Tunnelled) path.outer = Path::Outer{local, remote};
  if (way.kind == Kind::Direct) {
    path.local.address = local;
    path.remote.address = remote;
  }
  return path;
}

void PlainChannel::send(const MobilityService::SendNotice& send, Instant now) {
  auto known =
      std::ranges::find_if(sent_, [&](const auto& entry) { return entry.second.id == send.id; });
  if (known == sent_.end()) {
    const bool repeats = send.pacing == MobilityService::Pacing::ByChannel;
    const std::uint32_t number = next_++;
    known = sent_
                .emplace(number, Sent{send.id, seal(Kind::Request, number, send.notice),
                                      repeats ? std::optional{now + repeat_after} : std::nullopt})
                .first;
  }
  for (const MobilityService::Way& way : send.ways) {
    outputs_.push(SendDatagram{path_for(way), known->second.message});
  }
}

void PlainChannel::answer(const MobilityService::Answer& answer, Instant) {
  Received& request = received_.at(answer.request);
  request.answer = seal(Kind::Response, answer.request, answer.notice);
  request.asked_from = outermost(*request.waiting);
  outputs_.push(SendDatagram{*request.waiting, request.answer});
  request.waiting.reset();
}

void PlainChannel::begin(PeerId peer, const Path& path) {
  peer_ = peer;
  path_ = Path{{path.local.address, udp_port}, {path.remote.address, udp_port}, std::nullopt};
}

void PlainChannel::rewrite(PeerId, const AddressRewrite& change) {
  IpAddress& address = (change.side == Side::Local ? path_->local : path_->remote).address;
  if (address == change.from) address = change.to;
}

void PlainChannel::handle_datagram(const Path& path, Bytes datagram, Instant) {
  if (datagram.size() < mac_length) return;
  const Bytes message = datagram.first(datagram.size() - mac_length);
  ByteReader in{message};
  const auto name = in.read<std::uint8_t>();
  const auto kind = static_cast<Kind>(in.read<std::uint8_t>());
  const auto number = in.read<std::uint32_t>();
  const auto type = in.read<std::uint8_t>();
  const bool genuine = equal_in_constant_time(datagram.last(mac_length), mac_of(message));
  if (!in.ok() || name == name_ || !genuine) {
    ++forged_;
    return;
  }
  std::optional<Notice> notice;
  if (type != no_notice) {
    auto parsed = parse_notice(static_cast<NoticeType>(type), in.take_rest());
    if (parsed) notice = std::move(*parsed);
  }
  if (kind == Kind::Response) {
    const auto request = sent_.find(number);
    if (request == sent_.end()) return;
    const NoticeId id = request->second.id;
    sent_.erase(request);
    outputs_.push(NoticeAnswered{id, notice});
    return;
  }
  const auto [request, is_new] = received_.try_emplace(number);
  if (!is_new) {
    if (!request->second.answer.empty()) {
      const bool moved_on = request->second.asked_from != outermost(path);
      outputs_.push(SendDatagram{
          path, moved_on ? seal(Kind::Response, number, std::nullopt) : request->second.answer});
    }
    return;
  }
  request->second.waiting = path;
  if (notice) outputs_.push(NoticeReceived{peer_, number, *notice, path});
}

std::optional<Deadline> PlainChannel::next_deadline() const {
  std::optional<Deadline> next;
  for (const auto& [number, sent] : sent_) {
    if (sent.repeat_at) next = earliest(next, Deadline{*sent.repeat_at, "plain channel"});
  }
  return next;
}

void PlainChannel::handle_timeout(Instant now) {
  for (auto& [number, sent] : sent_) {
    if (!sent.repeat_at || *sent.repeat_at > now) continue;
    sent.repeat_at = now + repeat_after;
    outputs_.push(SendDatagram{*path_, sent.message});
  }
}

}  // namespace godwit::sim
