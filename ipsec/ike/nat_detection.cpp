#include "ipsec/ike/nat_detection.hpp"

#include <algorithm>

#include "stack/core/byte_writer.hpp"

namespace godwit::ike {
namespace {

NatHash hash_of(const IkeHeader& header, const Endpoint& endpoint) {
  return nat_hash(header.initiator_spi, header.responder_spi, endpoint);
}

// Shorter ones are filled up with zeros, which matches nothing.
NatHash to_hash(Bytes value) {
  NatHash hash{};
  if (value.size() == hash.size()) std::ranges::copy(value, hash.begin());
  return hash;
}

}  // namespace

NatHash nat_hash(IkeSpi initiator, IkeSpi responder, const Endpoint& endpoint) {
  ByteString spis;
  ByteWriter{spis}.write(initiator.value);
  ByteWriter{spis}.write(responder.value);
  const std::array<std::uint8_t, 2> port{static_cast<std::uint8_t>(endpoint.port >> 8),
                                         static_cast<std::uint8_t>(endpoint.port)};
  return sha1({spis, endpoint.address.octets(), port});
}

NatNotifies NatNotifies::of(const IkeHeader& header, const Path& path) {
  return {{hash_of(header, path.local)}, hash_of(header, path.remote)};
}

void NatNotifies::pretend_nat(Rng& rng) { rng.fill(sources.front()); }

bool NatNotifies::take(const NotifyPayload& notify) {
  if (notify.type == NotifyType::NatDetectionSourceIp) {
    sources.push_back(to_hash(notify.value));
  } else if (notify.type == NotifyType::NatDetectionDestinationIp) {
    destination = to_hash(notify.value);
  } else {
    return false;
  }
  return true;
}

void NatNotifies::write_to(PayloadChain& payloads) const {
  for (const NatHash& source : sources) {
    payloads.add_notify(NotifyType::NatDetectionSourceIp, source);
  }
  if (destination) payloads.add_notify(NotifyType::NatDetectionDestinationIp, *destination);
}

Nat NatNotifies::compare(const IkeHeader& header, const Path& path) const {
  return {.here = destination != hash_of(header, path.local),
          .there = std::ranges::find(sources, hash_of(header, path.remote)) == sources.end()};
}

}  // namespace godwit::ike
