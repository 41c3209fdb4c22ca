// A whole IKE message: in clear (IKE_SA_INIT), or sealed in an SK payload with AES-GCM
// (RFC 7296 section 3.14, RFC 5282).
#pragma once

#include "ipsec/crypto/aead.hpp"
#include "ipsec/crypto/secret.hpp"
#include "ipsec/ike/header.hpp"
#include "ipsec/ike/payloads.hpp"

namespace godwit::ike {

// One direction of an IKE SA. The IV counts the messages, so that none comes twice.
class MessageCipher {
 public:
  static constexpr std::size_t salt_length = 4;
  static constexpr std::size_t iv_length = 8;
  static constexpr std::size_t overhead =
      generic_header_length + iv_length + 1 + Aead::tag_length;  // 1: the pad length

  MessageCipher(AeadAlgorithm algorithm, Bytes key_and_salt);

  // The whole message; header.next_payload is set here.
  ByteString seal(const IkeHeader& header, const PayloadChain& payloads) {
    return seal(header, payloads.first(), payloads.bytes());
  }
  ByteString seal(IkeHeader header, PayloadType first, Bytes payloads);

  struct Opened {
    PayloadType first;
    ByteString payloads;  // clear text, padding removed
  };
  // Errors: AuthFailed (no SK payload, too short, or the tag is wrong), Malformed (authentic, but
  // the padding contradicts itself). `datagram` has passed IkeHeader::parse().
  Result<Opened> open(const IkeHeader& header, Bytes datagram);

 private:
  ByteString nonce(Bytes iv) const;

  Aead aead_;
  SecretBytes salt_;
  std::uint64_t next_iv_ = 0;
};

ByteString write_clear_message(IkeHeader header, const PayloadChain& payloads);

}  // namespace godwit::ike
