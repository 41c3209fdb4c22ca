#include "stack/dns/tsig.hpp"

#include <algorithm>
#include <array>

#include <ldns/sha2.h>

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"

namespace godwit {
namespace {

constexpr std::uint16_t tsig_type = 250;
constexpr std::uint16_t class_any = 255;
constexpr std::size_t header_length = 12;
constexpr std::size_t additional_count_at = 10;

struct Sha256 {
  using Context = ldns_sha256_CTX;
  static constexpr std::size_t block = LDNS_SHA256_BLOCK_LENGTH;
  static constexpr std::size_t length = LDNS_SHA256_DIGEST_LENGTH;
  static void start(Context& context) { ldns_sha256_init(&context); }
  static void take(Context& context, Bytes bytes) {
    ldns_sha256_update(&context, bytes.data(), bytes.size());
  }
  static void finish(Context& context, std::uint8_t* out) { ldns_sha256_final(out, &context); }
};
struct Sha512 {
  using Context = ldns_sha512_CTX;
  static constexpr std::size_t block = LDNS_SHA512_BLOCK_LENGTH;
  static constexpr std::size_t length = LDNS_SHA512_DIGEST_LENGTH;
  static void start(Context& context) { ldns_sha512_init(&context); }
  static void take(Context& context, Bytes bytes) {
    ldns_sha512_update(&context, bytes.data(), bytes.size());
  }
  static void finish(Context& context, std::uint8_t* out) { ldns_sha512_final(out, &context); }
};

template <class Hash>
ByteString hash_of(Bytes first, Bytes second) {
  typename Hash::Context context;
  Hash::start(context);
  Hash::take(context, first);
  Hash::take(context, second);
  ByteString digest(Hash::length);
  Hash::finish(context, digest.data());
  return digest;
}

// RFC 2104.
template <class Hash>
ByteString hmac_with(Bytes secret, Bytes message) {
  ByteString key = secret.size() > Hash::block ? hash_of<Hash>(secret, {}) : to_byte_string(secret);
  key.resize(Hash::block);
  ByteString inner(Hash::block);
  ByteString outer(Hash::block);
  for (std::size_t i = 0; i < Hash::block; ++i) {
    inner[i] = key[i] ^ 0x36;
    outer[i] = key[i] ^ 0x5c;
  }
  return hash_of<Hash>(outer, hash_of<Hash>(inner, message));
}

ByteString algorithm_wire(TsigAlgorithm algorithm) {
  return DnsName::parse(to_string(algorithm))->wire();
}

// Takes as long for a MAC that is wrong at its start as for one that is wrong at its end.
bool is_equal(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == 0;
}

// The fields of the record's data (RFC 8945 section 4.2) that are not names.
struct TsigFields {
  std::uint64_t time = 0;
  std::uint16_t fudge = 0;
  ByteString mac;
  std::uint16_t original_id = 0;
  std::uint16_t error = 0;
  ByteString other;
};

void write_time(ByteWriter& out, std::uint64_t seconds) {
  out.write(static_cast<std::uint16_t>(seconds >> 32));
  out.write(static_cast<std::uint32_t>(seconds));
}

// RFC 8945 section 4.3: the MAC of the request if this is its answer, the message as it was
// before the record, and what the record says.
ByteString digest_of(Bytes request_mac, Bytes message, const TsigKey& key,
                     const TsigFields& fields) {
  ByteString digest;
  ByteWriter out{digest};
  if (!request_mac.empty()) {
    out.write(static_cast<std::uint16_t>(request_mac.size()));
    out.write(request_mac);
  }
  out.write(message);
  out.write(key.name.wire());
  out.write(class_any);
  out.write(std::uint32_t{0});
  out.write(algorithm_wire(key.algorithm));
  write_time(out, fields.time);
  out.write(fields.fudge);
  out.write(fields.error);
  out.write(static_cast<std::uint16_t>(fields.other.size()));
  out.write(fields.other);
  return digest;
}

// A name, without compression and in lower case. A pointer leads backwards only, so that none can
// lead in a circle (RFC 1035 section 4.1.4).
ByteString take_name(ByteReader& in, Bytes message, std::size_t limit) {
  constexpr std::uint8_t pointer = 0xc0;
  ByteString name;
  while (in.ok()) {
    const auto length = in.read<std::uint8_t>();
    if (length >= pointer) {
      const std::size_t target = (length & ~pointer & 0xffU) << 8 | in.read<std::uint8_t>();
      if (!in.ok() || target >= limit || target >= message.size()) {
        in.skip(in.remaining() + 1);
        return name;
      }
      ByteReader there{message.subspan(target)};
      const ByteString rest = take_name(there, message, target);
      name.insert(name.end(), rest.begin(), rest.end());
      return name;
    }
    name.push_back(length);
    if (length == 0) return name;
    for (const std::uint8_t octet : in.take(length)) {
      name.push_back(octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet + 32) : octet);
    }
  }
  return name;
}

struct FoundTsig {
  std::size_t at;  // where the record starts
  ByteString owner;
  ByteString algorithm;
  TsigFields fields;
};

// To the end of a name, which is a zero or a pointer.
void skip_name(ByteReader& in) {
  constexpr std::uint8_t pointer = 0xc0;
  while (in.ok()) {
    const auto length = in.read<std::uint8_t>();
    if (length >= pointer) return in.skip(1);
    if (length == 0) return;
    in.skip(length);
  }
}

void skip_questions(ByteReader& in, unsigned count) {
  for (; count > 0 && in.ok(); --count) {
    skip_name(in);
    in.skip(4);
  }
}

// What stands in a TSIG record after the algorithm's name.
Result<TsigFields> read_fields(ByteReader& in) {
  TsigFields fields;
  fields.time = std::uint64_t{in.read<std::uint16_t>()} << 32;
  fields.time |= in.read<std::uint32_t>();
  fields.fudge = in.read<std::uint16_t>();
  fields.mac = to_byte_string(in.take(in.read<std::uint16_t>()));
  fields.original_id = in.read<std::uint16_t>();
  fields.error = in.read<std::uint16_t>();
  fields.other = to_byte_string(in.take(in.read<std::uint16_t>()));
  if (!in.finished()) return Error{Errc::Malformed, "TSIG record"};
  return fields;
}

// RFC 8945 section 5.1: the last record of the message, or nowhere.
Result<std::optional<FoundTsig>> find_tsig(Bytes message) {
  ByteReader in{message};
  in.skip(4);
  std::array<std::uint16_t, 4> counts{};
  for (std::uint16_t& count : counts) count = in.read<std::uint16_t>();
  skip_questions(in, counts[0]);
  std::optional<FoundTsig> found;
  const unsigned records = unsigned{counts[1]} + counts[2] + counts[3];
  for (unsigned i = 0; i < records && in.ok(); ++i) {
    const std::size_t at = message.size() - in.remaining();
    ByteReader owner{message.subspan(at)};
    skip_name(in);
    const auto type = in.read<std::uint16_t>();
    const auto in_class = in.read<std::uint16_t>();
    const auto ttl = in.read<std::uint32_t>();
    ByteReader rdata{in.take(in.read<std::uint16_t>())};
    if (type != tsig_type) continue;
    if (i + 1 != records || counts[3] == 0) return Error{Errc::Malformed, "TSIG not at the end"};
    if (in_class != class_any || ttl != 0) return Error{Errc::Malformed, "TSIG class or TTL"};
    // The algorithm's name is not compressed (RFC 8945 section 4.2): no octet to point at.
    ByteString algorithm = take_name(rdata, message, 0);
    auto fields = read_fields(rdata);
    if (!fields) return fields.error();
    found = FoundTsig{at, take_name(owner, message, at), std::move(algorithm), std::move(*fields)};
  }
  if (!in.ok()) return Error{Errc::Truncated, "DNS message"};
  return found;
}

// The message as it was when it was signed.
ByteString without_tsig(Bytes message, const FoundTsig& tsig) {
  ByteString out = to_byte_string(message.first(tsig.at));
  ByteWriter patch{out};
  patch.patch(0, tsig.fields.original_id);
  ByteReader count{message.subspan(additional_count_at)};
  patch.patch(additional_count_at, static_cast<std::uint16_t>(count.read<std::uint16_t>() - 1));
  return out;
}

std::optional<UnixTime> server_time_of(const TsigFields& fields) {
  constexpr std::size_t time_length = 6;
  if (fields.other.size() != time_length) return std::nullopt;
  ByteReader in{fields.other};
  const std::uint64_t high = in.read<std::uint16_t>();
  return UnixTime{high << 32 | in.read<std::uint32_t>()};
}

bool is_now(const TsigFields& fields, UnixTime now) {
  const std::uint64_t difference =
      fields.time > now.seconds ? fields.time - now.seconds : now.seconds - fields.time;
  return difference <= std::min<std::uint64_t>(fields.fudge, tsig_fudge.count());
}

}  // namespace

std::string_view to_string(TsigAlgorithm algorithm) {
  return algorithm == TsigAlgorithm::HmacSha256 ? "hmac-sha256" : "hmac-sha512";
}

Result<TsigAlgorithm> parse_tsig_algorithm(std::string_view text) {
  for (const TsigAlgorithm known : {TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha512}) {
    if (text == to_string(known)) return known;
  }
  return Error{Errc::Unsupported, "TSIG algorithm"};
}

ByteString hmac(TsigAlgorithm algorithm, Bytes secret, Bytes message) {
  return algorithm == TsigAlgorithm::HmacSha256 ? hmac_with<Sha256>(secret, message)
                                                : hmac_with<Sha512>(secret, message);
}

SignedMessage sign_request(Bytes message, const TsigKey& key, UnixTime now) {
  ByteReader header{message};
  TsigFields fields;
  fields.time = now.seconds;
  fields.fudge = static_cast<std::uint16_t>(tsig_fudge.count());
  fields.original_id = header.read<std::uint16_t>();
  fields.mac = hmac(key.algorithm, key.secret, digest_of({}, message, key, fields));

  SignedMessage out{to_byte_string(message), fields.mac};
  ByteWriter writer{out.bytes};
  ByteReader count{message.subspan(additional_count_at)};
  writer.patch(additional_count_at, static_cast<std::uint16_t>(count.read<std::uint16_t>() + 1));
  writer.write(key.name.wire());
  writer.write(tsig_type);
  writer.write(class_any);
  writer.write(std::uint32_t{0});
  LengthField<std::uint16_t> length{writer, writer.size() + sizeof(std::uint16_t)};
  writer.write(algorithm_wire(key.algorithm));
  write_time(writer, fields.time);
  writer.write(fields.fudge);
  writer.write(static_cast<std::uint16_t>(fields.mac.size()));
  writer.write(fields.mac);
  writer.write(fields.original_id);
  writer.write(std::uint16_t{0});  // error
  writer.write(std::uint16_t{0});  // no other data
  length.close();
  return out;
}

Result<TsigVerdict> verify_response(Bytes message, const TsigKey& key, Bytes request_mac,
                                    UnixTime now) {
  using Proof = TsigVerdict::Proof;
  if (message.size() < header_length) return Error{Errc::Truncated, "DNS message"};
  const auto found = find_tsig(message);
  if (!found) return found.error();
  if (!*found) return TsigVerdict{Proof::Absent};
  const FoundTsig& tsig = **found;
  const auto error = static_cast<TsigError>(tsig.fields.error);
  if (tsig.fields.mac.empty()) return TsigVerdict{Proof::Absent, error};
  const ByteString digest = digest_of(request_mac, without_tsig(message, tsig), key, tsig.fields);
  if (tsig.owner != key.name.wire() || tsig.algorithm != algorithm_wire(key.algorithm) ||
      !is_equal(tsig.fields.mac, hmac(key.algorithm, key.secret, digest))) {
    return TsigVerdict{Proof::Wrong, error};
  }
  // A server that finds our time wrong answers under the time of the request and tells its own.
  if (error == TsigError::BadTime) {
    return TsigVerdict{Proof::Genuine, error, server_time_of(tsig.fields)};
  }
  return TsigVerdict{is_now(tsig.fields, now) ? Proof::Genuine : Proof::Wrong, error};
}

}  // namespace godwit
