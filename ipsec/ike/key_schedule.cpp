#include "ipsec/ike/key_schedule.hpp"

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {

IkeKeys derive_ike_keys(const IkeSuite& suite, const Nonces& nonces, IkeSpi initiator,
                        IkeSpi responder, Bytes shared_secret) {
  ByteString seed;
  ByteWriter out{seed};
  out.write(Bytes{nonces.initiator});
  out.write(Bytes{nonces.responder});
  const SecretBytes skeyseed = prf(suite.prf, seed, {shared_secret});
  out.write(initiator.value);
  out.write(responder.value);

  const std::size_t prf_octets = prf_length(suite.prf);
  const std::size_t cipher_octets = EspKeys::length(suite.cipher);
  const SecretBytes material =
      prf_plus(suite.prf, skeyseed.bytes(), seed, 3 * prf_octets + 2 * cipher_octets);
  ByteReader in{material.bytes()};
  IkeKeys keys;
  keys.d = SecretBytes::copy_of(in.take(prf_octets));
  keys.encrypt_initiator = SecretBytes::copy_of(in.take(cipher_octets));
  keys.encrypt_responder = SecretBytes::copy_of(in.take(cipher_octets));
  keys.prove_initiator = SecretBytes::copy_of(in.take(prf_octets));
  keys.prove_responder = SecretBytes::copy_of(in.take(prf_octets));
  return keys;
}

ChildKeys derive_child_keys(PrfAlgorithm prf, Bytes sk_d, const Nonces& nonces,
                            AeadAlgorithm algorithm) {
  ByteString seed = nonces.initiator;
  ByteWriter{seed}.write(Bytes{nonces.responder});
  const std::size_t octets = EspKeys::length(algorithm);
  const SecretBytes material = prf_plus(prf, sk_d, seed, 2 * octets);
  ByteReader in{material.bytes()};
  EspKeys from_initiator{algorithm, SecretBytes::copy_of(in.take(octets))};
  EspKeys from_responder{algorithm, SecretBytes::copy_of(in.take(octets))};
  return {std::move(from_initiator), std::move(from_responder)};
}

}  // namespace godwit::ike
