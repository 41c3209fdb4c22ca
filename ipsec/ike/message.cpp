#include "ipsec/ike/message.hpp"

#include "ipsec/crypto/secret.hpp"
#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {

MessageCipher::MessageCipher(AeadAlgorithm algorithm, Bytes key_and_salt)
    : aead_{algorithm, key_and_salt.first(key_and_salt.size() - salt_length)},
      salt_{SecretBytes::copy_of(key_and_salt.last(salt_length))} {}

ByteString MessageCipher::nonce(Bytes iv) const {
  ByteString nonce = to_byte_string(salt_.bytes());
  nonce.insert(nonce.end(), iv.begin(), iv.end());
  return nonce;
}

ByteString MessageCipher::seal(IkeHeader header, PayloadType first, Bytes payloads) {
  ByteString message;
  message.reserve(IkeHeader::length + overhead + payloads.size());
  ByteWriter out{message};
  header.next_payload = PayloadType::Encrypted;
  header.write(out);
  out.write(static_cast<std::uint8_t>(first));
  out.write(std::uint8_t{0});
  out.write(static_cast<std::uint16_t>(overhead + payloads.size()));
  const std::size_t aad_length = message.size();
  out.write(next_iv_++);
  const std::size_t text_start = message.size();
  out.write(payloads);
  out.write(std::uint8_t{0});  // no padding: the cipher needs no alignment
  const std::size_t text_length = message.size() - text_start;
  message.resize(message.size() + Aead::tag_length);
  close_message(message);

  const MutableBytes whole{message};
  aead_.seal(nonce(whole.subspan(aad_length, iv_length)), whole.first(aad_length),
             whole.subspan(text_start, text_length), whole.last(Aead::tag_length));
  return message;
}

Result<MessageCipher::Opened> MessageCipher::open(const IkeHeader& header, Bytes datagram) {
  const auto outside = parse_payloads(header.next_payload, datagram.subspan(IkeHeader::length));
  if (!outside || outside->empty() || outside->back().type != PayloadType::Encrypted) {
    return Error{Errc::AuthFailed, "IKE message: no SK payload at its end"};
  }
  const PayloadView& sealed = outside->back();
  if (sealed.body.size() < iv_length + 1 + Aead::tag_length) {
    return Error{Errc::AuthFailed, "IKE message: the SK payload is too short"};
  }
  const Bytes aad = datagram.first(datagram.size() - sealed.body.size());
  const Bytes iv = sealed.body.first(iv_length);
  const Bytes tag = sealed.body.last(Aead::tag_length);
  Opened opened{sealed.next, to_byte_string(sealed.body.subspan(
                                 iv_length, sealed.body.size() - iv_length - Aead::tag_length))};
  if (const Status status = aead_.open(nonce(iv), aad, opened.payloads, tag); !status) {
    return status.error();
  }
  const std::size_t padding = opened.payloads.back() + std::size_t{1};
  if (padding > opened.payloads.size()) {
    return Error{Errc::Malformed, "IKE message: more padding than text"};
  }
  opened.payloads.resize(opened.payloads.size() - padding);
  return opened;
}

ByteString write_clear_message(IkeHeader header, const PayloadChain& payloads) {
  ByteString message;
  ByteWriter out{message};
  header.next_payload = payloads.first();
  header.write(out);
  out.write(payloads.bytes());
  close_message(message);
  return message;
}

}  // namespace godwit::ike
