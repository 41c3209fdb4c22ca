#include "apps/node/ike_channel.hpp"

#include <utility>

#include "ipsec/esp/udp_encapsulation.hpp"

namespace godwit {
namespace {

ike::NotifyType notify_type_of(NoticeType type) {
  switch (type) {
    case NoticeType::AddressChange: return ike::NotifyType::AddressChange;
    case NoticeType::MigrationCompleted: return ike::NotifyType::MigrationCompleted;
    case NoticeType::SessionTermination: return ike::NotifyType::SessionTermination;
    case NoticeType::PathEcho: return ike::NotifyType::PathEcho;
    case NoticeType::PeerAddresses: return ike::NotifyType::PeerAddresses;
  }
  return ike::NotifyType::AddressChange;
}

ike::Notify to_notify(const Notice& notice) {
  return ike::Notify{notify_type_of(type_of(notice)), write_notice(notice)};
}

}  // namespace

// The first notify of ours among those of a message; nothing if there is none that makes sense.
std::optional<Notice> IkeChannel::find_notice(PeerId peer,
                                              const std::vector<ike::Notify>& notifies) {
  for (const ike::Notify& notify : notifies) {
    for (const NoticeType type : notice_types) {
      if (notify.type != notify_type_of(type)) continue;
      auto notice = parse_notice(type, notify.body);
      if (notice) return std::move(*notice);
      outputs_.push(NoticeGarbled{peer, type, notice.error()});
    }
  }
  return std::nullopt;
}

bool IkeChannel::handle(const ike::RequestReceived& request, Instant now) {
  auto notice = find_notice(request.peer, request.notifies);
  if (!notice) {
    ike_.answer(request.peer, request.request, {}, now);
    return false;
  }
  outputs_.push(
      NoticeReceived{request.peer, request.request.value, std::move(*notice), request.path});
  return true;
}

void IkeChannel::handle(const ike::ResponseReceived& response) {
  const auto known = notices_.extract(response.exchange);
  if (!known) return;
  exchanges_.erase(known.mapped());
  auto answer = find_notice(response.peer, response.notifies);
  outputs_.push(NoticeAnswered{known.mapped(), std::move(answer)});
}

void IkeChannel::handle(const ike::RequestFailed& failed) {
  const auto known = notices_.extract(failed.exchange);
  if (!known) return;
  exchanges_.erase(known.mapped());
  outputs_.push(NoticeNotSent{known.mapped()});
}

void IkeChannel::send(const MobilityService::SendNotice& send, Instant now) {
  auto exchange = exchanges_.find(send.id);
  const bool repeats = send.attempt > 1 && exchange != exchanges_.end();
  bool first = !repeats;
  for (const MobilityService::Way& way : send.ways) {
    const auto via = path_for(send.peer, way);
    if (!std::exchange(first, false)) {
      ike_.repeat(send.peer, exchange->second, now, via);
      continue;
    }
    const auto who = send.pacing == MobilityService::Pacing::ByService ? ike::Repeat::OnDemand
                                                                       : ike::Repeat::ByItself;
    const auto made = ike_.send_request(send.peer, {to_notify(send.notice)}, who, now, via);
    if (!made) {
      outputs_.push(NoticeNotSent{send.id});
      return;
    }
    if (exchange != exchanges_.end()) notices_.erase(exchange->second);
    exchange = exchanges_.insert_or_assign(send.id, *made).first;
    notices_.insert_or_assign(*made, send.id);
  }
}

void IkeChannel::answer(const MobilityService::Answer& answer, Instant now) {
  std::vector<ike::Notify> notifies;
  if (answer.notice) notifies.push_back(to_notify(*answer.notice));
  ike_.answer(answer.peer, ike::RequestId{answer.request}, std::move(notifies), now);
}

void IkeChannel::forget(PeerId peer) {
  const auto from = exchanges_.lower_bound(NoticeId{peer, 0});
  auto to = from;
  for (; to != exchanges_.end() && to->first.peer == peer; ++to) notices_.erase(to->second);
  exchanges_.erase(from, to);
}

std::optional<Path> IkeChannel::path_for(PeerId peer, const MobilityService::Way& way) const {
  using Kind = MobilityService::Way::Kind;
  auto path = ike_.path_of(peer);
  if (!path || way.kind == Kind::AsRouted) return std::nullopt;
  const IpAddress local = way.local.value_or(path->local.address);
  const IpAddress remote = way.remote.value_or(path->remote.address);
  if (way.kind == Kind::Tunnelled) {
    path->outer = Path::Outer{local, remote};
  } else {
    path->local.address = local;
    path->remote.address = remote;
    if (path->encapsulation == Encapsulation::None && nats_ == Translation::Allowed) {
      path->local.port = path->remote.port = UdpEncapsulation::port;
    }
  }
  return path;
}

}  // namespace godwit
