#include "ipsec/crypto/key_exchange.hpp"

#include <botan/ec_group.h>
#include <botan/exceptn.h>
#include <botan/system_rng.h>
#include <botan/x25519.h>

#include <algorithm>
#include <array>
#include <variant>

namespace godwit {
namespace {

constexpr std::size_t scalar_length = 32;
constexpr std::size_t x25519_length = 32;

const Botan::EC_Group& p256() {
  static const Botan::EC_Group group = Botan::EC_Group::from_name("secp256r1");
  return group;
}

// The private value comes from our Rng alone, so that a seeded one repeats it. What Botan draws
// besides, from the system, blinds the computation and is not part of any result.
Botan::RandomNumberGenerator& blinding() { return Botan::system_rng(); }

Botan::EC_Scalar random_scalar(Rng& rng) {
  for (;;) {
    SecretBytes candidate{scalar_length};
    rng.fill(candidate.bytes());
    // Refuses 0 and whatever is not below the order: about one candidate in 2^32.
    if (const auto scalar = Botan::EC_Scalar::deserialize(p256(), candidate.bytes()))
      return *scalar;
  }
}

Botan::X25519_PrivateKey random_x25519(Rng& rng) {
  SecretBytes secret{x25519_length};
  rng.fill(secret.bytes());
  return Botan::X25519_PrivateKey{secret.bytes()};
}

}  // namespace

struct KeyExchange::State {
  std::variant<Botan::EC_Scalar, Botan::X25519_PrivateKey> secret;
  ByteString public_value;
};

KeyExchange KeyExchange::generate(KeyExchangeMethod method, Rng& rng) {
  if (method == KeyExchangeMethod::P256) {
    Botan::EC_Scalar scalar = random_scalar(rng);
    const auto point = Botan::EC_AffinePoint::g_mul(scalar, blinding());
    ByteString xy(public_length(method));
    point.serialize_xy_to(xy);
    return KeyExchange{std::make_unique<State>(State{std::move(scalar), std::move(xy)})};
  }
  Botan::X25519_PrivateKey secret = random_x25519(rng);
  ByteString u = secret.public_value();
  return KeyExchange{std::make_unique<State>(State{std::move(secret), std::move(u)})};
}

KeyExchange::KeyExchange(std::unique_ptr<State> state) : state_{std::move(state)} {}
KeyExchange::KeyExchange(KeyExchange&&) noexcept = default;
KeyExchange& KeyExchange::operator=(KeyExchange&&) noexcept = default;
KeyExchange::~KeyExchange() = default;

KeyExchangeMethod KeyExchange::method() const {
  return state_->secret.index() == 0 ? KeyExchangeMethod::P256 : KeyExchangeMethod::X25519;
}

Bytes KeyExchange::public_value() const { return state_->public_value; }

Result<SecretBytes> KeyExchange::agree(Bytes peer_public) const {
  if (peer_public.size() != public_length(method())) {
    return Error{Errc::Malformed, "key exchange: the public value has the wrong length"};
  }
  try {
    if (const auto* scalar = std::get_if<Botan::EC_Scalar>(&state_->secret)) {
      std::array<std::uint8_t, 1 + 64> encoded{0x04};  // SEC 1 section 2.3.3: uncompressed
      std::ranges::copy(peer_public, encoded.begin() + 1);
      // Checks that the point is on the curve; its group has no small subgroup.
      const auto point = Botan::EC_AffinePoint::deserialize(p256(), encoded);
      if (!point || point->is_identity()) {
        return Error{Errc::Malformed, "key exchange: the public value is no point of P-256"};
      }
      return SecretBytes::copy_of(point->mul_x_only(*scalar, blinding()));
    }
    const auto& secret = std::get<Botan::X25519_PrivateKey>(state_->secret);
    const auto shared = secret.agree(peer_public.data(), peer_public.size());
    std::uint8_t any = 0;
    for (const std::uint8_t octet : shared) any |= octet;
    if (any == 0) {
      return Error{Errc::Refused, "key exchange: an X25519 public value of small order"};
    }
    return SecretBytes::copy_of(shared);
  } catch (const Botan::Exception&) {
    return Error{Errc::Malformed, "key exchange: the public value is not valid"};
  }
}

}  // namespace godwit
