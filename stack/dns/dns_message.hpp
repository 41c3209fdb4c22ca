// DNS messages as plain values, to bytes and back. ldns reads and writes them; it is not seen
// outside of this folder. What cannot be used (other classes, other types, names no host has) is
// left out of a response that is well formed otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "stack/dns/dns_name.hpp"

namespace godwit {

enum class DnsType : std::uint16_t { A = 1, Cname = 5, Ptr = 12, Aaaa = 28 };

// RFC 1035 section 4.1.1, RFC 2136 section 2.2. Others stay what they are, as a number.
enum class DnsRcode : std::uint8_t {
  NoError = 0,
  FormErr = 1,
  ServFail = 2,
  NxDomain = 3,
  NotImp = 4,
  Refused = 5,
  YxDomain = 6,
  YxRrset = 7,
  NxRrset = 8,
  NotAuth = 9,
  NotZone = 10,
};

std::string to_string(DnsRcode rcode);  // "REFUSED", "RCODE 12"

enum class DnsOpcode : std::uint8_t { Query = 0, Update = 5 };

struct DnsQuestion {
  DnsName name;
  DnsType type;
  friend auto operator<=>(const DnsQuestion&, const DnsQuestion&) = default;
};

// The type of address records for this family.
constexpr DnsType type_of(IpFamily family) {
  return family == IpFamily::V4 ? DnsType::A : DnsType::Aaaa;
}

struct DnsRecord {
  DnsName owner;
  DnsType type;
  std::uint32_t ttl;
  std::variant<IpAddress, DnsName> value;  // A, AAAA: an address; CNAME, PTR: a name
  friend bool operator==(const DnsRecord&, const DnsRecord&) = default;
};

struct DnsResponse {
  std::uint16_t id;
  DnsOpcode opcode;
  DnsRcode rcode;
  bool truncated;
  // Of a message with exactly one question of class IN and a type of ours.
  std::optional<DnsQuestion> question;
  std::vector<DnsRecord> answers;
  // How long "there is none" may be remembered (RFC 2308 section 5).
  std::optional<std::uint32_t> negative_ttl;
};

// One change of RFC 2136 section 2.5.
struct DeleteRrset {
  DnsName owner;
  DnsType type;
};
struct DeleteRecord {
  DnsRecord record;
};
struct AddRecord {
  DnsRecord record;
};
using DnsChange = std::variant<DeleteRrset, DeleteRecord, AddRecord>;

ByteString write_query(std::uint16_t id, const DnsQuestion& question);
ByteString write_update(std::uint16_t id, const DnsName& zone,
                        const std::vector<DnsChange>& changes);

// Anything that is no response is an error.
Result<DnsResponse> parse_response(Bytes message);

}  // namespace godwit
