// The IKE header (RFC 7296 section 3.1): 28 octets in front of every message. A parsed header
// belongs to a datagram of exactly the length it states.
#pragma once

#include <cstdint>
#include <functional>

#include "ipsec/ike/registry.hpp"
#include "stack/core/byte_writer.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/result.hpp"

namespace godwit::ike {

// An IKE SA's SPI, chosen by one side. 0: not chosen yet.
struct IkeSpi {
  std::uint64_t value = 0;
  friend auto operator<=>(const IkeSpi&, const IkeSpi&) = default;
};

// Who chose the first SPI: kept for the life of the IKE SA.
enum class Role : std::uint8_t { Initiator, Responder };
constexpr Role other(Role role) {
  return role == Role::Initiator ? Role::Responder : Role::Initiator;
}
enum class MessageKind : std::uint8_t { Request, Response };

struct IkeHeader {
  static constexpr std::size_t length = 28;
  static constexpr std::size_t length_offset = 24;
  static constexpr std::uint8_t major_version = 2;
  static constexpr std::uint8_t flag_initiator = 0x08;
  static constexpr std::uint8_t flag_response = 0x20;

  IkeSpi initiator_spi;
  IkeSpi responder_spi;
  PayloadType next_payload = PayloadType::None;
  ExchangeType exchange = ExchangeType::Informational;
  Role sender = Role::Initiator;
  MessageKind kind = MessageKind::Request;
  std::uint32_t message_id = 0;

  // The receiver's own SPI: by it the session is found.
  IkeSpi receiver_spi() const { return sender == Role::Initiator ? responder_spi : initiator_spi; }
  IkeSpi sender_spi() const { return sender == Role::Initiator ? initiator_spi : responder_spi; }

  // Errors: Truncated, Unsupported (another major version), Malformed (the length is not that
  // of the datagram).
  static Result<IkeHeader> parse(Bytes datagram);
  // The length field counts up to the end of what is written later: see close_message().
  void write(ByteWriter& out) const;
};

// Patches the header's length once the message is whole.
void close_message(ByteString& message);

}  // namespace godwit::ike

template <>
struct std::hash<godwit::ike::IkeSpi> {
  std::size_t operator()(const godwit::ike::IkeSpi& spi) const noexcept {
    return std::hash<std::uint64_t>{}(spi.value);
  }
};
