#include "ipsec/ike/informational_exchange.hpp"

namespace godwit::ike {

Result<Informational> Informational::parse(std::span<const PayloadView> payloads) {
  Informational contents;
  for (const PayloadView& payload : payloads) {
    if (payload.type == PayloadType::Notify) {
      Result<NotifyPayload> notify = NotifyPayload::parse(payload.body);
      if (!notify) return notify.error();
      contents.notifies.push_back({notify->type, std::move(notify->value)});
    } else if (payload.type == PayloadType::Delete) {
      const Result<DeletePayload> deletion = DeletePayload::parse(payload.body);
      if (!deletion) return deletion.error();
      contents.deletes_ike |= deletion->protocol == ProtocolId::Ike;
      if (deletion->protocol != ProtocolId::Esp) continue;
      contents.deleted_esp.insert(contents.deleted_esp.end(), deletion->spis.begin(),
                                  deletion->spis.end());
    }
  }
  return contents;
}

PayloadChain Informational::write() const {
  PayloadChain payloads;
  for (const Notify& notify : notifies) payloads.add_notify(notify.type, notify.body);
  if (!deleted_esp.empty()) {
    payloads.add(PayloadType::Delete, DeletePayload{ProtocolId::Esp, deleted_esp}.write());
  }
  if (deletes_ike) payloads.add(PayloadType::Delete, DeletePayload{ProtocolId::Ike, {}}.write());
  return payloads;
}

}  // namespace godwit::ike
