// The SA payload (RFC 7296 section 3.3): what is offered, and what of it is taken.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ipsec/crypto/aead.hpp"
#include "ipsec/crypto/key_exchange.hpp"
#include "ipsec/crypto/prf.hpp"
#include "ipsec/esp/esp_keys.hpp"
#include "ipsec/ike/registry.hpp"
#include "ipsec/policy/policy_table.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"

namespace godwit::ike {

struct Transform {
  TransformType type;
  std::uint16_t id;
  std::optional<std::uint16_t> key_bits;
  bool understood = true;  // false: an attribute we do not know, so the transform cannot be taken
  friend bool operator==(const Transform&, const Transform&) = default;
};

struct Proposal {
  std::uint8_t number;
  ProtocolId protocol;
  ByteString spi;
  std::vector<Transform> transforms;
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

inline constexpr std::size_t most_proposals = 32;
inline constexpr std::size_t most_transforms = 64;  // of one proposal

// Errors: Truncated, Malformed.
Result<std::vector<Proposal>> parse_proposals(Bytes body);
ByteString write_proposals(std::span<const Proposal> proposals);

struct IkeSuite {
  AeadAlgorithm cipher;
  PrfAlgorithm prf;
  KeyExchangeMethod method;
  friend bool operator==(const IkeSuite&, const IkeSuite&) = default;
};

struct EspAgreement {
  EspSuite suite;
  Esn esn;
  Spi spi;  // the SPI the other side chose for what it receives
  friend bool operator==(const EspAgreement&, const EspAgreement&) = default;
};

template <class Agreement>
struct Chosen {
  Agreement agreement;
  Proposal proposal;  // as it is sent back: one transform of each type
};

// What we offer, the best first.
std::vector<Proposal> offered_for_ike();
std::vector<Proposal> offered_for_esp(EspSuite preference, Spi inbound);

// The first proposal of which every transform type has a member we take; among its members, ours
// of preference. None: NO_PROPOSAL_CHOSEN. `wanted`: the method of the KE payload that came along,
// which is taken if it is acceptable, so that no second round is needed.
std::optional<Chosen<IkeSuite>> choose_ike(std::span<const Proposal> offered, std::uint16_t wanted);
std::optional<Chosen<EspAgreement>> choose_esp(std::span<const Proposal> offered, EspSuite weakest,
                                               Spi inbound);

// Is this answer one that choose_*() could give to what we offered?
std::optional<IkeSuite> accepted_ike(std::span<const Proposal> answer);
std::optional<EspAgreement> accepted_esp(std::span<const Proposal> answer,
                                         std::span<const Proposal> offered);

std::optional<KeyExchangeMethod> supported_method(std::uint16_t id);

}  // namespace godwit::ike
