#include "ipsec/crypto/aead.hpp"

#include <botan/aead.h>
#include <botan/exceptn.h>

#include <algorithm>
#include <cassert>

namespace godwit {
namespace {

std::unique_ptr<Botan::AEAD_Mode> keyed(AeadAlgorithm algorithm, Botan::Cipher_Dir direction,
                                        Bytes key) {
  const std::string_view name =
      algorithm == AeadAlgorithm::AesGcm128 ? "AES-128/GCM" : "AES-256/GCM";
  auto mode = Botan::AEAD_Mode::create_or_throw(name, direction);
  mode->set_key(key);
  return mode;
}

}  // namespace

// Botan's object is for one direction. The other is made when it is first asked for: an ESP SA
// never does.
struct Aead::State {
  AeadAlgorithm algorithm;
  Botan::secure_vector<std::uint8_t> key;
  std::unique_ptr<Botan::AEAD_Mode> sealing;
  std::unique_ptr<Botan::AEAD_Mode> opening;
  // What finish() takes and gives; its capacity stays, so that no call allocates.
  Botan::secure_vector<std::uint8_t> tag;
};

std::string_view to_string(AeadAlgorithm algorithm) {
  return algorithm == AeadAlgorithm::AesGcm128 ? "AES-128-GCM" : "AES-256-GCM";
}

std::size_t Aead::key_length(AeadAlgorithm algorithm) {
  return algorithm == AeadAlgorithm::AesGcm128 ? 16 : 32;
}

Aead::Aead(AeadAlgorithm algorithm, Bytes key) : state_{std::make_unique<State>()} {
  assert(key.size() == key_length(algorithm));
  state_->algorithm = algorithm;
  state_->key.assign(key.begin(), key.end());
  state_->tag.reserve(2 * tag_length);
}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes tag) {
  assert(nonce.size() == nonce_length && tag.size() == tag_length);
  if (!state_->sealing) {
    state_->sealing = keyed(state_->algorithm, Botan::Cipher_Dir::Encryption, state_->key);
  }
  Botan::AEAD_Mode& mode = *state_->sealing;
  mode.set_associated_data(aad);
  mode.start(nonce);
  mode.process(text);
  state_->tag.clear();
  mode.finish(state_->tag);
  std::ranges::copy(state_->tag, tag.begin());
}

Status Aead::open(Bytes nonce, Bytes aad, MutableBytes text, Bytes tag) {
  assert(nonce.size() == nonce_length && tag.size() == tag_length);
  if (!state_->opening) {
    state_->opening = keyed(state_->algorithm, Botan::Cipher_Dir::Decryption, state_->key);
  }
  Botan::AEAD_Mode& mode = *state_->opening;
  mode.set_associated_data(aad);
  mode.start(nonce);
  mode.process(text);
  state_->tag.assign(tag.begin(), tag.end());
  try {
    mode.finish(state_->tag);
  } catch (const Botan::Invalid_Authentication_Tag&) {
    return Error{Errc::AuthFailed, "wrong tag: altered on the way, or sealed with another key"};
  }
  return {};
}

}  // namespace godwit
