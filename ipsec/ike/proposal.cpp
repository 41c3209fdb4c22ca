#include "ipsec/ike/proposal.hpp"

#include <algorithm>
#include <array>

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit::ike {
namespace {

constexpr std::uint8_t last_substructure = 0;
constexpr std::uint8_t more_proposals = 2;
constexpr std::uint8_t more_transforms = 3;
constexpr std::size_t substructure_header_length = 8;
constexpr std::size_t proposal_length_end = 4;  // offset of what follows a proposal's length
constexpr std::uint16_t type_value_attribute = 0x8000;
constexpr std::size_t esp_spi_length = 4;

constexpr std::array ike_ciphers = {
    Transform{TransformType::Encryption, encryption::aes_gcm_16, 256},
    Transform{TransformType::Encryption, encryption::aes_gcm_16, 128},
};
constexpr std::array ike_prfs = {
    Transform{TransformType::Prf, pseudorandom::hmac_sha2_256, std::nullopt},
    Transform{TransformType::Prf, pseudorandom::hmac_sha2_512, std::nullopt},
};
constexpr std::array ike_methods = {
    Transform{TransformType::KeyExchange, key_exchange::curve25519, std::nullopt},
    Transform{TransformType::KeyExchange, key_exchange::ecp_256, std::nullopt},
};
constexpr std::array esp_numbers = {
    Transform{TransformType::SequenceNumbers, sequence_numbers::extended, std::nullopt},
    Transform{TransformType::SequenceNumbers, sequence_numbers::not_extended, std::nullopt},
};
constexpr Transform no_integrity{TransformType::Integrity, integrity::none, std::nullopt};
constexpr Transform no_key_exchange{TransformType::KeyExchange, key_exchange::none, std::nullopt};

std::uint16_t key_bits(EspSuite suite) {
  return static_cast<std::uint16_t>(8 * Aead::key_length(aead_of(suite)));
}
Transform cipher_transform(EspSuite suite) {
  return {TransformType::Encryption, encryption::aes_gcm_16, key_bits(suite)};
}
AeadAlgorithm cipher_of(const Transform& transform) {
  return transform.key_bits == 256 ? AeadAlgorithm::AesGcm256 : AeadAlgorithm::AesGcm128;
}
PrfAlgorithm prf_of(const Transform& transform) {
  return transform.id == pseudorandom::hmac_sha2_512 ? PrfAlgorithm::HmacSha512
                                                     : PrfAlgorithm::HmacSha256;
}

void parse_attributes(Bytes bytes, Transform& transform) {
  ByteReader in{bytes};
  while (in.remaining() > 0) {
    const auto tag = in.read<std::uint16_t>();
    const auto value = in.read<std::uint16_t>();
    if (!(tag & type_value_attribute)) {
      in.skip(value);
      transform.understood = false;
    } else if ((tag & ~type_value_attribute) == key_length_attribute) {
      transform.key_bits = value;
    } else {
      transform.understood = false;
    }
  }
  if (!in.ok()) transform.understood = false;
}

Result<Transform> parse_transform(ByteReader& in) {
  in.skip(2);  // "last substructure" and reserved: the counts say the same
  const auto length = in.read<std::uint16_t>();
  Transform transform{static_cast<TransformType>(in.read<std::uint8_t>()), 0, std::nullopt};
  in.skip(1);
  transform.id = in.read<std::uint16_t>();
  if (!in.ok()) return Error{Errc::Truncated, "SA payload: a transform is cut off"};
  if (length < substructure_header_length) {
    return Error{Errc::Malformed, "SA payload: a transform is shorter than its header"};
  }
  const Bytes attributes = in.take(length - substructure_header_length);
  if (!in.ok()) return Error{Errc::Truncated, "SA payload: an attribute is cut off"};
  parse_attributes(attributes, transform);
  return transform;
}

Result<Proposal> parse_proposal(ByteReader& in) {
  in.skip(2);
  const auto length = in.read<std::uint16_t>();
  if (!in.ok() || length < substructure_header_length) {
    return Error{Errc::Malformed, "SA payload: a proposal is shorter than its header"};
  }
  ByteReader body{in.take(length - proposal_length_end)};
  if (!in.ok()) return Error{Errc::Truncated, "SA payload: a proposal is cut off"};
  Proposal proposal{
      body.read<std::uint8_t>(), static_cast<ProtocolId>(body.read<std::uint8_t>()), {}, {}};
  const auto spi_length = body.read<std::uint8_t>();
  const auto count = body.read<std::uint8_t>();
  proposal.spi = to_byte_string(body.take(spi_length));
  if (count > most_transforms) return Error{Errc::Malformed, "SA payload: too many transforms"};
  for (unsigned i = 0; i < count; ++i) {
    const Result<Transform> transform = parse_transform(body);
    if (!transform) return transform.error();
    proposal.transforms.push_back(*transform);
  }
  if (!body.finished()) return Error{Errc::Malformed, "SA payload: a proposal's length is wrong"};
  return proposal;
}

// The member of `ours` that is also in `offered`; ours of preference.
const Transform* common(std::span<const Transform> ours, const Proposal& offered) {
  for (const Transform& mine : ours) {
    if (std::ranges::find(offered.transforms, mine) != offered.transforms.end()) return &mine;
  }
  return nullptr;
}

// Types outside `chosen` are acceptable only where they say "none of that" (section 3.3.6).
bool nothing_else(const Proposal& offered, std::span<const Transform> chosen) {
  return std::ranges::all_of(offered.transforms, [&](const Transform& transform) {
    if (std::ranges::find(chosen, transform.type, &Transform::type) != chosen.end()) return true;
    return std::ranges::any_of(offered.transforms, [&](const Transform& same_type) {
      return same_type.type == transform.type &&
             (same_type == no_integrity || same_type == no_key_exchange);
    });
  });
}

Proposal answer_to(const Proposal& offered, ByteString spi, std::vector<Transform> chosen) {
  return {offered.number, offered.protocol, std::move(spi), std::move(chosen)};
}

ByteString spi_octets(Spi spi) {
  ByteString octets;
  ByteWriter{octets}.write(spi.value);
  return octets;
}

void write_transform(ByteWriter& out, const Transform& transform, std::uint8_t position) {
  const std::size_t start = out.size();
  out.write(position);
  out.write(std::uint8_t{0});
  LengthField<std::uint16_t> length{out, start};
  out.write(static_cast<std::uint8_t>(transform.type));
  out.write(std::uint8_t{0});
  out.write(transform.id);
  if (transform.key_bits) {
    out.write(static_cast<std::uint16_t>(type_value_attribute | key_length_attribute));
    out.write(*transform.key_bits);
  }
  length.close();
}

}  // namespace

Result<std::vector<Proposal>> parse_proposals(Bytes body) {
  std::vector<Proposal> proposals;
  ByteReader in{body};
  while (in.remaining() > 0) {
    if (proposals.size() == most_proposals) {
      return Error{Errc::Malformed, "SA payload: too many proposals"};
    }
    Result<Proposal> proposal = parse_proposal(in);
    if (!proposal) return proposal.error();
    proposals.push_back(*std::move(proposal));
  }
  if (proposals.empty()) return Error{Errc::Malformed, "SA payload: no proposal"};
  return proposals;
}

ByteString write_proposals(std::span<const Proposal> proposals) {
  ByteString bytes;
  ByteWriter out{bytes};
  for (const Proposal& proposal : proposals) {
    const std::size_t start = out.size();
    out.write(&proposal == &proposals.back() ? last_substructure : more_proposals);
    out.write(std::uint8_t{0});
    LengthField<std::uint16_t> length{out, start};
    out.write(proposal.number);
    out.write(static_cast<std::uint8_t>(proposal.protocol));
    out.write(static_cast<std::uint8_t>(proposal.spi.size()));
    out.write(static_cast<std::uint8_t>(proposal.transforms.size()));
    out.write(Bytes{proposal.spi});
    for (const Transform& transform : proposal.transforms) {
      write_transform(
          out, transform,
          &transform == &proposal.transforms.back() ? last_substructure : more_transforms);
    }
    length.close();
  }
  return bytes;
}

std::vector<Proposal> offered_for_ike() {
  Proposal proposal{1, ProtocolId::Ike, {}, {}};
  for (const Transform& transform : ike_ciphers) proposal.transforms.push_back(transform);
  for (const Transform& transform : ike_prfs) proposal.transforms.push_back(transform);
  for (const Transform& transform : ike_methods) proposal.transforms.push_back(transform);
  return {proposal};
}

// One proposal for each suite, so that the order says which is preferred even to a responder
// that goes by its own list within a proposal.
std::vector<Proposal> offered_for_esp(EspSuite preference, Spi inbound) {
  std::vector<EspSuite> suites{preference};
  if (preference == EspSuite::Aes128Gcm16) suites.push_back(EspSuite::Aes256Gcm16);
  std::vector<Proposal> proposals;
  for (const EspSuite suite : suites) {
    Proposal proposal{static_cast<std::uint8_t>(proposals.size() + 1),
                      ProtocolId::Esp,
                      spi_octets(inbound),
                      {cipher_transform(suite)}};
    for (const Transform& transform : esp_numbers) proposal.transforms.push_back(transform);
    proposals.push_back(std::move(proposal));
  }
  return proposals;
}

std::optional<Chosen<IkeSuite>> choose_ike(std::span<const Proposal> offered,
                                           std::uint16_t wanted) {
  for (const Proposal& proposal : offered) {
    if (proposal.protocol != ProtocolId::Ike || !proposal.spi.empty()) continue;
    const Transform* cipher = common(ike_ciphers, proposal);
    const Transform* prf = common(ike_prfs, proposal);
    const Transform* method = common(ike_methods, proposal);
    for (const Transform& candidate : ike_methods) {
      if (candidate.id == wanted && common({&candidate, 1}, proposal)) method = &candidate;
    }
    if (!cipher || !prf || !method) continue;
    const std::vector<Transform> chosen{*cipher, *prf, *method};
    if (!nothing_else(proposal, chosen)) continue;
    return Chosen<IkeSuite>{{cipher_of(*cipher), prf_of(*prf), KeyExchangeMethod{method->id}},
                            answer_to(proposal, {}, chosen)};
  }
  return std::nullopt;
}

std::optional<Chosen<EspAgreement>> choose_esp(std::span<const Proposal> offered, EspSuite weakest,
                                               Spi inbound) {
  std::vector<EspSuite> suites{EspSuite::Aes256Gcm16};
  if (weakest == EspSuite::Aes128Gcm16) suites.push_back(EspSuite::Aes128Gcm16);
  for (const Proposal& proposal : offered) {
    if (proposal.protocol != ProtocolId::Esp || proposal.spi.size() != esp_spi_length) continue;
    const Spi peer_spi{ByteReader{proposal.spi}.read<std::uint32_t>()};
    const Transform* numbers = common(esp_numbers, proposal);
    if (!numbers || peer_spi.value < Spi::first_usable) continue;
    for (const EspSuite suite : suites) {
      const Transform cipher = cipher_transform(suite);
      const std::vector<Transform> chosen{cipher, *numbers};
      if (!common({&cipher, 1}, proposal) || !nothing_else(proposal, chosen)) continue;
      const Esn esn = numbers->id == sequence_numbers::extended ? Esn::On : Esn::Off;
      return Chosen<EspAgreement>{{suite, esn, peer_spi},
                                  answer_to(proposal, spi_octets(inbound), chosen)};
    }
  }
  return std::nullopt;
}

std::optional<IkeSuite> accepted_ike(std::span<const Proposal> answer) {
  if (answer.size() != 1 || answer[0].transforms.size() < 3) return std::nullopt;
  const auto chosen = choose_ike(answer, 0);
  if (!chosen) return std::nullopt;
  // One of each type: what is left over may only be "no integrity algorithm".
  for (const Transform& transform : answer[0].transforms) {
    const auto& taken = chosen->proposal.transforms;
    if (std::ranges::find(taken, transform) == taken.end() && transform != no_integrity) {
      return std::nullopt;
    }
  }
  return chosen->agreement;
}

std::optional<EspAgreement> accepted_esp(std::span<const Proposal> answer,
                                         std::span<const Proposal> offered) {
  if (answer.size() != 1) return std::nullopt;
  const auto chosen = choose_esp(answer, EspSuite::Aes128Gcm16, {});
  if (!chosen) return std::nullopt;
  const auto& taken = chosen->proposal.transforms;
  for (const Transform& transform : answer[0].transforms) {
    if (std::ranges::find(taken, transform) == taken.end() && transform != no_integrity &&
        transform != no_key_exchange) {
      return std::nullopt;
    }
  }
  const bool was_offered = std::ranges::any_of(offered, [&](const Proposal& proposal) {
    return proposal.number == answer[0].number && common({&taken[0], 1}, proposal) &&
           common({&taken[1], 1}, proposal);
  });
  if (!was_offered) return std::nullopt;
  return chosen->agreement;
}

std::optional<KeyExchangeMethod> supported_method(std::uint16_t id) {
  if (std::ranges::find(ike_methods, id, &Transform::id) == ike_methods.end()) return std::nullopt;
  return KeyExchangeMethod{id};
}

}  // namespace godwit::ike
