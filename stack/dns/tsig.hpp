// Transaction signatures (RFC 8945): a shared secret between this host and the server that holds
// its zone. The time of day is an argument: ldns' own signing reads the clock of the host, which
// neither a machine nor the simulator may do, so the digest is made here and ldns gives the hash.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/dns/dns_name.hpp"

namespace godwit {

// Seconds since 1970, UTC.
struct UnixTime {
  std::uint64_t seconds = 0;
  friend auto operator<=>(const UnixTime&, const UnixTime&) = default;
};

enum class TsigAlgorithm : std::uint8_t { HmacSha256, HmacSha512 };

std::string_view to_string(TsigAlgorithm algorithm);  // "hmac-sha256"
Result<TsigAlgorithm> parse_tsig_algorithm(std::string_view text);

struct TsigKey {
  DnsName name;
  TsigAlgorithm algorithm;
  ByteString secret;
};

ByteString hmac(TsigAlgorithm algorithm, Bytes secret, Bytes message);

// RFC 8945 section 3.
enum class TsigError : std::uint16_t {
  None = 0,
  BadSig = 16,
  BadKey = 17,
  BadTime = 18,
  BadTrunc = 22,
};

struct SignedMessage {
  ByteString bytes;
  ByteString mac;  // what the MAC of the response covers too
};

// How far the clocks may differ (RFC 8945 section 10).
constexpr std::chrono::seconds tsig_fudge{300};

SignedMessage sign_request(Bytes message, const TsigKey& key, UnixTime now);

// What the TSIG record of a response says.
struct TsigVerdict {
  enum class Proof : std::uint8_t {
    Absent,   // no TSIG record, or one without a MAC: anybody can have said it
    Wrong,    // a MAC that is not right, another key, or a time that is not now
    Genuine,  // the server with our key says it
  };
  Proof proof;
  TsigError error = TsigError::None;
  std::optional<UnixTime> server_time{};  // with BadTime
};

// Malformed: the bytes are no DNS message.
Result<TsigVerdict> verify_response(Bytes message, const TsigKey& key, Bytes request_mac,
                                    UnixTime now);

}  // namespace godwit
