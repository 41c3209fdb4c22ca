#include "ipsec/ike/header.hpp"

#include "stack/core/byte_reader.hpp"

namespace godwit::ike {

Result<IkeHeader> IkeHeader::parse(Bytes datagram) {
  ByteReader in{datagram};
  IkeHeader header;
  header.initiator_spi = {in.read<std::uint64_t>()};
  header.responder_spi = {in.read<std::uint64_t>()};
  header.next_payload = static_cast<PayloadType>(in.read<std::uint8_t>());
  const auto version = in.read<std::uint8_t>();
  header.exchange = static_cast<ExchangeType>(in.read<std::uint8_t>());
  const auto flags = in.read<std::uint8_t>();
  header.message_id = in.read<std::uint32_t>();
  const auto stated_length = in.read<std::uint32_t>();
  if (!in.ok()) return Error{Errc::Truncated, "IKE header: fewer than 28 octets"};
  if (version >> 4 != major_version) {
    return Error{Errc::Unsupported, "IKE header: only version 2 is spoken here"};
  }
  if (stated_length != datagram.size()) {
    return Error{Errc::Malformed, "IKE header: its length is not that of the datagram"};
  }
  if (header.initiator_spi.value == 0) {
    return Error{Errc::Malformed, "IKE header: the initiator's SPI is zero"};
  }
  header.sender = flags & flag_initiator ? Role::Initiator : Role::Responder;
  header.kind = flags & flag_response ? MessageKind::Response : MessageKind::Request;
  return header;
}

void IkeHeader::write(ByteWriter& out) const {
  out.write(initiator_spi.value);
  out.write(responder_spi.value);
  out.write(static_cast<std::uint8_t>(next_payload));
  out.write(static_cast<std::uint8_t>(major_version << 4));
  out.write(static_cast<std::uint8_t>(exchange));
  out.write(static_cast<std::uint8_t>((sender == Role::Initiator ? flag_initiator : 0) |
                                      (kind == MessageKind::Response ? flag_response : 0)));
  out.write(message_id);
  out.write(std::uint32_t{0});
}

void close_message(ByteString& message) {
  ByteWriter{message}.patch(IkeHeader::length_offset, static_cast<std::uint32_t>(message.size()));
}

}  // namespace godwit::ike
