// A name server of a few lines for tests: reads a question, writes any answer, also wrong ones.
// It shares no code with what it tests but the hash.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/dns/dns_message.hpp"
#include "stack/dns/tsig.hpp"

namespace godwit::dns_test {

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
inline DnsName name(std::string_view text) { return *DnsName::parse(text); }
inline Endpoint endpoint(std::string_view text) { return *Endpoint::parse(text); }

struct Record {
  std::string owner;
  std::uint16_t type;
  std::uint32_t ttl;
  ByteString rdata;
};

inline Record address(std::string_view owner, std::uint32_t ttl, std::string_view text) {
  const IpAddress value = ip(text);
  return {std::string{owner}, static_cast<std::uint16_t>(value.is_v4() ? 1 : 28), ttl,
          to_byte_string(value.octets())};
}
inline Record alias(std::string_view owner, std::uint32_t ttl, std::string_view target) {
  return {std::string{owner}, 5, ttl, name(target).wire()};
}
inline Record soa(std::string_view zone, std::uint32_t ttl, std::uint32_t minimum) {
  ByteString rdata = name("ns." + std::string{zone}).wire();
  ByteWriter out{rdata};
  out.write(name("admin." + std::string{zone}).wire());
  for (const std::uint32_t number : {1U, 3600U, 600U, 86400U, minimum}) out.write(number);
  return {std::string{zone}, 6, ttl, rdata};
}

struct Reply {
  unsigned rcode = 0;
  bool truncated = false;
  std::vector<Record> answers{};
  std::vector<Record> authority{};
  std::optional<std::uint16_t> id{};     // another than the question's
  std::optional<ByteString> question{};  // another than was asked
};

inline std::uint16_t id_of(Bytes message) { return ByteReader{message}.read<std::uint16_t>(); }

// The question section of a query without other records, or of an update.
inline ByteString question_of(Bytes message) {
  std::size_t end = 12;
  while (message[end] != 0) end += message[end] + 1U;
  return to_byte_string(message.subspan(12, end + 5 - 12));
}

inline ByteString question(std::string_view text, std::uint16_t type) {
  ByteString out = name(text).wire();
  ByteWriter writer{out};
  writer.write(type);
  writer.write(std::uint16_t{1});
  return out;
}

inline ByteString reply_to(Bytes query, const Reply& reply) {
  ByteString bytes;
  ByteWriter out{bytes};
  const unsigned opcode = (query[2] >> 3) & 0xfU;
  out.write(reply.id.value_or(id_of(query)));
  out.write(static_cast<std::uint16_t>(0x8000U | opcode << 11 | (reply.truncated ? 0x200U : 0) |
                                       reply.rcode));
  out.write(std::uint16_t{1});
  out.write(static_cast<std::uint16_t>(reply.answers.size()));
  out.write(static_cast<std::uint16_t>(reply.authority.size()));
  out.write(std::uint16_t{0});
  out.write(reply.question.value_or(question_of(query)));
  for (const auto* section : {&reply.answers, &reply.authority}) {
    for (const Record& record : *section) {
      out.write(name(record.owner).wire());
      out.write(record.type);
      out.write(std::uint16_t{1});
      out.write(record.ttl);
      out.write(static_cast<std::uint16_t>(record.rdata.size()));
      out.write(record.rdata);
    }
  }
  return bytes;
}

inline void write_time(ByteWriter& out, std::uint64_t seconds) {
  out.write(static_cast<std::uint16_t>(seconds >> 32));
  out.write(static_cast<std::uint32_t>(seconds));
}

// What the server's TSIG record says; without proof the MAC is empty (RFC 8945 section 5.3.2).
struct Stamp {
  std::uint64_t time;
  std::uint16_t error = 0;
  bool with_mac = true;
  std::uint64_t server_time = 0;  // with BADTIME
};

// The MAC of a signed request: what stands before the last 6 octets of it.
inline ByteString mac_of(Bytes request, const TsigKey& key) {
  const std::size_t length = key.algorithm == TsigAlgorithm::HmacSha256 ? 32 : 64;
  return to_byte_string(request.subspan(request.size() - 6 - length, length));
}

inline ByteString stamped(ByteString message, const TsigKey& key, Bytes request_mac, Stamp stamp) {
  ByteString other;
  ByteWriter other_writer{other};
  if (stamp.error == 18) write_time(other_writer, stamp.server_time);
  const ByteString algorithm = name(to_string(key.algorithm)).wire();
  ByteString digest;
  ByteWriter d{digest};
  d.write(static_cast<std::uint16_t>(request_mac.size()));
  d.write(request_mac);
  d.write(message);
  d.write(key.name.wire());
  d.write(std::uint16_t{255});
  d.write(std::uint32_t{0});
  d.write(algorithm);
  write_time(d, stamp.time);
  d.write(std::uint16_t{300});
  d.write(stamp.error);
  d.write(static_cast<std::uint16_t>(other.size()));
  d.write(other);
  const ByteString mac = stamp.with_mac ? hmac(key.algorithm, key.secret, digest) : ByteString{};

  const std::uint16_t id = id_of(message);
  ByteWriter out{message};
  out.patch(10, std::uint16_t{1});
  out.write(key.name.wire());
  out.write(std::uint16_t{250});
  out.write(std::uint16_t{255});
  out.write(std::uint32_t{0});
  LengthField<std::uint16_t> length{out, out.size() + 2};
  out.write(algorithm);
  write_time(out, stamp.time);
  out.write(std::uint16_t{300});
  out.write(static_cast<std::uint16_t>(mac.size()));
  out.write(mac);
  out.write(id);
  out.write(stamp.error);
  out.write(static_cast<std::uint16_t>(other.size()));
  out.write(other);
  length.close();
  return message;
}

}  // namespace godwit::dns_test
