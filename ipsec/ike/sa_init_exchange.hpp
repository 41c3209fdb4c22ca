// The contents of IKE_SA_INIT (RFC 7296 section 1.2): what both sides say in clear.
#pragma once

#include <optional>
#include <variant>

#include "ipsec/ike/header.hpp"
#include "ipsec/ike/nat_detection.hpp"
#include "ipsec/ike/payloads.hpp"
#include "ipsec/ike/proposal.hpp"

namespace godwit::ike {

inline constexpr std::size_t nonce_length = 32;    // at least half the PRF's key (section 2.10)
inline constexpr std::size_t longest_cookie = 64;  // section 2.6

// Either side's half of the exchange.
struct SaInit {
  std::vector<Proposal> proposals;
  std::uint16_t method;
  ByteString public_value;
  ByteString nonce;
  bool takes_ed25519 = false;  // N(SIGNATURE_HASH_ALGORITHMS) names "Identity" (RFC 8420)
  NatNotifies nat{};           // none where the sender does not traverse NATs

  // Errors: Truncated, Malformed.
  static Result<SaInit> parse(std::span<const PayloadView> payloads);
  // `cookie`: the responder asked for it (section 2.6).
  ByteString write(const IkeHeader& header, Bytes cookie = {}) const;
};

// A responder that sets up nothing says why, unauthenticated: a hint and no more.
struct SaInitRefusal {
  enum class Kind { AnotherMethod, Cookie, Final } kind;
  std::uint16_t method = 0;  // AnotherMethod
  ByteString cookie;         // Cookie
  NotifyType why{};          // Final

  // None: the response is no refusal.
  static std::optional<SaInitRefusal> parse(std::span<const PayloadView> payloads);
};

ByteString write_refusal(const IkeHeader& header, NotifyType why, Bytes value = {});

}  // namespace godwit::ike
