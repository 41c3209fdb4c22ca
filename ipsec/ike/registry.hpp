// Every number IKEv2 takes from IANA, or from the private-use ranges, with the document that
// defines it. A number appears here and nowhere else.
#pragma once

#include <cstdint>
#include <string_view>

#include "ipsec/esp/udp_encapsulation.hpp"

namespace godwit::ike {

// RFC 7296 section 3.1.
enum class ExchangeType : std::uint8_t {
  IkeSaInit = 34,
  IkeAuth = 35,
  CreateChildSa = 36,
  Informational = 37,
};

// RFC 7296 section 3.2; 53: RFC 7383 section 2.5.
enum class PayloadType : std::uint8_t {
  None = 0,
  SecurityAssociation = 33,
  KeyExchange = 34,
  IdInitiator = 35,
  IdResponder = 36,
  Certificate = 37,
  CertificateRequest = 38,
  Authentication = 39,
  Nonce = 40,
  Notify = 41,
  Delete = 42,
  VendorId = 43,
  TrafficSelectorInitiator = 44,
  TrafficSelectorResponder = 45,
  Encrypted = 46,
  Configuration = 47,
  Eap = 48,
  EncryptedFragment = 53,
};
// Whether the critical bit of a payload of this type is to be ignored (RFC 7296 section 2.5).
bool is_known(PayloadType type);

// RFC 7296 section 3.3.1.
enum class ProtocolId : std::uint8_t { None = 0, Ike = 1, Ah = 2, Esp = 3 };

// RFC 7296 section 3.3.2.
enum class TransformType : std::uint8_t {
  Encryption = 1,
  Prf = 2,
  Integrity = 3,
  KeyExchange = 4,  // RFC 9370 section 2.1: the former "Diffie-Hellman Group"
  SequenceNumbers = 5,
};

// Transform IDs, one list for each type.
namespace encryption {
inline constexpr std::uint16_t aes_gcm_16 = 20;  // RFC 4106, RFC 5282
}
namespace pseudorandom {
inline constexpr std::uint16_t hmac_sha2_256 = 5;  // RFC 4868
inline constexpr std::uint16_t hmac_sha2_512 = 7;  // RFC 4868
}  // namespace pseudorandom
namespace integrity {
inline constexpr std::uint16_t none = 0;  // RFC 7296 section 3.3.2: with combined-mode ciphers
}
namespace key_exchange {
inline constexpr std::uint16_t none = 0;
inline constexpr std::uint16_t ecp_256 = 19;     // RFC 5903
inline constexpr std::uint16_t curve25519 = 31;  // RFC 8031
}  // namespace key_exchange
namespace sequence_numbers {
inline constexpr std::uint16_t not_extended = 0;
inline constexpr std::uint16_t extended = 1;
}  // namespace sequence_numbers
// RFC 7296 section 3.3.5, with the bit that says type and value.
inline constexpr std::uint16_t key_length_attribute = 14;

// RFC 7296 section 3.5.
enum class IdType : std::uint8_t {
  Ipv4Address = 1,
  Fqdn = 2,
  Rfc822Address = 3,
  Ipv6Address = 5,
  DerAsn1Dn = 9,
  DerAsn1Gn = 10,
  KeyId = 11,
};

// RFC 7296 section 3.6; 15: RFC 7670 section 3.
enum class CertificateEncoding : std::uint8_t { X509Signature = 4, RawPublicKey = 15 };

// RFC 7296 section 3.8; 14: RFC 7427 section 3.
enum class AuthMethod : std::uint8_t { SharedKey = 2, DigitalSignature = 14 };

// RFC 7427 section 7; 5: RFC 8420 section 2.
enum class SignatureHash : std::uint16_t { Identity = 5 };

// RFC 7296 section 3.13.1.
enum class TrafficSelectorType : std::uint8_t { Ipv4Range = 7, Ipv6Range = 8 };

// RFC 7296 section 3.10.1. Below `first_status` an error, from there on a status.
enum class NotifyType : std::uint16_t {
  UnsupportedCriticalPayload = 1,
  InvalidIkeSpi = 4,
  InvalidMajorVersion = 5,
  InvalidSyntax = 7,
  InvalidMessageId = 9,
  InvalidSpi = 11,
  NoProposalChosen = 14,
  InvalidKePayload = 17,
  AuthenticationFailed = 24,
  SinglePairRequired = 34,
  NoAdditionalSas = 35,
  InternalAddressFailure = 36,
  FailedCpRequired = 37,
  TsUnacceptable = 38,
  InvalidSelectors = 39,
  TemporaryFailure = 43,
  ChildSaNotFound = 44,

  InitialContact = 16384,
  SetWindowSize = 16385,
  AdditionalTsPossible = 16386,
  IpcompSupported = 16387,
  NatDetectionSourceIp = 16388,
  NatDetectionDestinationIp = 16389,
  Cookie = 16390,
  UseTransportMode = 16391,
  HttpCertLookupSupported = 16392,
  RekeySa = 16393,
  EspTfcPaddingNotSupported = 16394,
  NonFirstFragmentsAlso = 16395,
  SignatureHashAlgorithms = 16431,  // RFC 7427 section 4

  // Private use (40960 to 65535), meant only between peers that show Godwit's vendor ID.
  MobilitySupported = 51200,
  PeerAddresses = 51201,
  AddressChange = 51202,
  MigrationCompleted = 51203,
  PathEcho = 51204,
  SessionTermination = 51205,
};
inline constexpr std::uint16_t first_status_notify = 16384;
constexpr bool is_error(NotifyType type) {
  return static_cast<std::uint16_t>(type) < first_status_notify;
}

// As the RFC writes them; "?" for what we do not know.
std::string_view to_string(ExchangeType type);
std::string_view to_string(PayloadType type);
std::string_view to_string(NotifyType type);

// RFC 7296 section 3.12: identifies who may read our private-use numbers, and their version.
inline constexpr std::string_view vendor_id = "Godwit mobility 1";

// RFC 7296 section 2: IKE's ports.
inline constexpr std::uint16_t ike_port = 500;
inline constexpr std::uint16_t nat_traversal_port = UdpEncapsulation::port;

}  // namespace godwit::ike
