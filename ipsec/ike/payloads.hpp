// The payloads of IKEv2 as values, and the chain that links them (RFC 7296 section 3.2). Parsing
// borrows from the message; every length is checked once and nothing grows with what a length
// field claims.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ipsec/ike/registry.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/result.hpp"

namespace godwit::ike {

struct PayloadView {
  PayloadType type;
  bool critical;
  PayloadType next;  // of an SK payload: the first payload inside
  Bytes body;        // without the generic header
};

// More payloads than this in one message are refused.
inline constexpr std::size_t most_payloads = 64;
inline constexpr std::size_t generic_header_length = 4;

// The chain ends with its last payload, or with an SK payload; either must end where the bytes
// do. Errors: Truncated, Malformed.
Result<std::vector<PayloadView>> parse_payloads(PayloadType first, Bytes bytes);

// A type we do not know, marked critical: the message is to be refused (RFC 7296 section 2.5).
std::optional<PayloadType> unknown_critical(std::span<const PayloadView> payloads);

// Null when there is none; the first of several.
const PayloadView* find(std::span<const PayloadView> payloads, PayloadType type);

// Writes a chain: each payload is told the type of the next.
class PayloadChain {
 public:
  void add(PayloadType type, Bytes body);
  void add_notify(NotifyType type, Bytes value = {});
  PayloadType first() const { return first_; }
  Bytes bytes() const { return bytes_; }

 private:
  PayloadType first_ = PayloadType::None;
  std::size_t last_ = 0;  // offset of the payload that was added last
  ByteString bytes_;
};

struct KeyExchangePayload {  // section 3.4
  std::uint16_t method;
  Bytes value;
  static Result<KeyExchangePayload> parse(Bytes body);
  ByteString write() const;
};

struct IdPayload {  // section 3.5
  IdType type;
  ByteString value;
  static Result<IdPayload> parse(Bytes body);
  static IdPayload fqdn(std::string_view name);
  // The name in an ID_FQDN; anything else is not a name.
  std::optional<std::string_view> name() const;
  ByteString write() const;
};
// Host names are equal whatever their case (RFC 4343).
bool same_name(std::string_view a, std::string_view b);

struct CertificatePayload {  // section 3.6
  CertificateEncoding encoding;
  ByteString value;
  ByteString write() const;
};

struct AuthPayload {  // section 3.8
  AuthMethod method;
  ByteString value;
  static Result<AuthPayload> parse(Bytes body);
  ByteString write() const;
};

// Section 3.9: what a nonce may be long.
inline constexpr std::size_t shortest_nonce = 16;
inline constexpr std::size_t longest_nonce = 256;

struct NotifyPayload {  // section 3.10
  ProtocolId protocol = ProtocolId::None;
  ByteString spi;
  NotifyType type;
  ByteString value;
  static Result<NotifyPayload> parse(Bytes body);
  ByteString write() const;
};

struct DeletePayload {  // section 3.11
  ProtocolId protocol;
  std::vector<Spi> spis;  // of AH or ESP; none for the IKE SA itself
  static Result<DeletePayload> parse(Bytes body);
  ByteString write() const;
};

}  // namespace godwit::ike
