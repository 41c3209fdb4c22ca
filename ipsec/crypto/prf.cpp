#include "ipsec/crypto/prf.hpp"

#include <botan/hash.h>
#include <botan/mac.h>

#include <algorithm>
#include <cassert>

namespace godwit {
namespace {

// Longer keys than Botan takes are hashed first, which is what HMAC does with them anyway
// (RFC 2104 section 2).
constexpr std::size_t longest_key = 4096;

class Hmac {
 public:
  Hmac(PrfAlgorithm algorithm, Bytes key)
      : mac_{Botan::MessageAuthenticationCode::create_or_throw(
            algorithm == PrfAlgorithm::HmacSha256 ? "HMAC(SHA-256)" : "HMAC(SHA-512)")} {
    if (key.size() <= longest_key) {
      mac_->set_key(key);
    } else {
      const auto hash = Botan::HashFunction::create_or_throw(
          algorithm == PrfAlgorithm::HmacSha256 ? "SHA-256" : "SHA-512");
      mac_->set_key(hash->process<Botan::secure_vector<std::uint8_t>>(key));
    }
  }

  void update(Bytes bytes) { mac_->update(bytes); }
  void finish(MutableBytes out) { mac_->final(out); }

 private:
  std::unique_ptr<Botan::MessageAuthenticationCode> mac_;
};

}  // namespace

SecretBytes prf(PrfAlgorithm algorithm, Bytes key, std::initializer_list<Bytes> parts) {
  Hmac hmac{algorithm, key};
  for (const Bytes part : parts) hmac.update(part);
  SecretBytes out{prf_length(algorithm)};
  hmac.finish(out.bytes());
  return out;
}

SecretBytes prf_plus(PrfAlgorithm algorithm, Bytes key, Bytes seed, std::size_t length) {
  const std::size_t step = prf_length(algorithm);
  assert(length <= 255 * step);
  Hmac hmac{algorithm, key};
  SecretBytes out{length};
  SecretBytes block{step};
  std::uint8_t number = 1;
  for (std::size_t done = 0; done < length; done += step, ++number) {
    if (done > 0) hmac.update(block.bytes());
    hmac.update(seed);
    hmac.update(Bytes{&number, 1});
    hmac.finish(block.bytes());
    const std::size_t take = std::min(step, length - done);
    std::ranges::copy(block.bytes().first(take), out.bytes().subspan(done).begin());
  }
  return out;
}

}  // namespace godwit
