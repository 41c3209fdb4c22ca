#include "stack/dns/dns_message.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include <ldns/ldns.h>

namespace godwit {
namespace {

struct FreePacket {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using LdnsPacket = std::unique_ptr<ldns_pkt, FreePacket>;

// RFC 2181 section 8: a TTL with its top bit set is to be taken as 0.
std::uint32_t ttl_of(const ldns_rr* record) {
  const std::uint32_t ttl = ldns_rr_ttl(record);
  return ttl > INT32_MAX ? 0 : ttl;
}

ldns_rdf* to_ldns(const DnsName& name) {
  const ByteString wire = name.wire();
  return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wire.size(), wire.data());
}

ldns_rdf* to_ldns(const IpAddress& address) {
  const Bytes octets = address.octets();
  return ldns_rdf_new_frm_data(address.is_v4() ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
                               octets.size(), octets.data());
}

// A name as a host may have it; others are of no use here.
std::optional<DnsName> from_ldns(const ldns_rdf* name) {
  if (!name) return std::nullopt;
  const std::unique_ptr<char, decltype(&std::free)> text{ldns_rdf2str(name), &std::free};
  if (!text) return std::nullopt;
  const auto parsed = DnsName::parse(text.get());
  if (!parsed) return std::nullopt;
  return *parsed;
}

ldns_rr* new_record(const DnsName& owner, DnsType type, ldns_rr_class in_class, std::uint32_t ttl) {
  ldns_rr* record = ldns_rr_new();
  ldns_rr_set_owner(record, to_ldns(owner));
  ldns_rr_set_type(record, static_cast<ldns_rr_type>(type));
  ldns_rr_set_class(record, in_class);
  ldns_rr_set_ttl(record, ttl);
  return record;
}

ldns_rr* new_record(const DnsRecord& record, ldns_rr_class in_class, std::uint32_t ttl) {
  ldns_rr* out = new_record(record.owner, record.type, in_class, ttl);
  ldns_rr_push_rdf(out, std::visit([](const auto& value) { return to_ldns(value); }, record.value));
  return out;
}

// RFC 2136 sections 2.5.1, 2.5.2 and 2.5.4: the class says what is to be done.
struct ChangeWriter {
  ldns_rr* operator()(const DeleteRrset& change) const {
    return new_record(change.owner, change.type, LDNS_RR_CLASS_ANY, 0);
  }
  ldns_rr* operator()(const DeleteRecord& change) const {
    return new_record(change.record, LDNS_RR_CLASS_NONE, 0);
  }
  ldns_rr* operator()(const AddRecord& change) const {
    return new_record(change.record, LDNS_RR_CLASS_IN, change.record.ttl);
  }
};

ByteString to_bytes(const ldns_pkt& packet) {
  std::uint8_t* wire = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&wire, &packet, &size) != LDNS_STATUS_OK) return {};
  ByteString bytes{wire, wire + size};
  std::free(wire);
  return bytes;
}

ldns_rr* new_question(const DnsName& name, ldns_rr_type type) {
  ldns_rr* question = ldns_rr_new();
  ldns_rr_set_question(question, true);
  ldns_rr_set_owner(question, to_ldns(name));
  ldns_rr_set_type(question, type);
  ldns_rr_set_class(question, LDNS_RR_CLASS_IN);
  return question;
}

bool is_known(ldns_rr_type type) {
  return type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA || type == LDNS_RR_TYPE_CNAME ||
         type == LDNS_RR_TYPE_PTR;
}

std::optional<DnsQuestion> question_of(const ldns_pkt& packet) {
  const ldns_rr_list* questions = ldns_pkt_question(&packet);
  if (ldns_rr_list_rr_count(questions) != 1) return std::nullopt;
  const ldns_rr* question = ldns_rr_list_rr(questions, 0);
  if (ldns_rr_get_class(question) != LDNS_RR_CLASS_IN) return std::nullopt;
  if (!is_known(ldns_rr_get_type(question))) return std::nullopt;
  auto name = from_ldns(ldns_rr_owner(question));
  if (!name) return std::nullopt;
  return DnsQuestion{std::move(*name), static_cast<DnsType>(ldns_rr_get_type(question))};
}

std::optional<DnsRecord> record_of(const ldns_rr* record) {
  const ldns_rr_type type = ldns_rr_get_type(record);
  if (ldns_rr_get_class(record) != LDNS_RR_CLASS_IN || !is_known(type)) return std::nullopt;
  const ldns_rdf* value = ldns_rr_rdf(record, 0);
  auto owner = from_ldns(ldns_rr_owner(record));
  if (!owner || !value) return std::nullopt;
  if (type == LDNS_RR_TYPE_CNAME || type == LDNS_RR_TYPE_PTR) {
    auto name = from_ldns(value);
    if (!name) return std::nullopt;
    return DnsRecord{std::move(*owner), static_cast<DnsType>(type), ttl_of(record),
                     std::move(*name)};
  }
  const std::size_t expected = type == LDNS_RR_TYPE_A ? IpAddress::v4_length : IpAddress::v6_length;
  if (ldns_rdf_size(value) != expected) return std::nullopt;
  return DnsRecord{std::move(*owner), static_cast<DnsType>(type), ttl_of(record),
                   IpAddress::from_octets({ldns_rdf_data(value), expected})};
}

std::optional<std::uint32_t> negative_ttl_of(const ldns_pkt& packet) {
  constexpr std::size_t minimum_field = 6;  // of SOA's seven
  const ldns_rr_list* authority = ldns_pkt_authority(&packet);
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(authority); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(authority, i);
    if (ldns_rr_get_type(record) != LDNS_RR_TYPE_SOA) continue;
    const ldns_rdf* minimum = ldns_rr_rdf(record, minimum_field);
    if (!minimum || ldns_rdf_size(minimum) != sizeof(std::uint32_t)) continue;
    return std::min(ttl_of(record), ldns_rdf2native_int32(minimum));
  }
  return std::nullopt;
}

}  // namespace

std::string to_string(DnsRcode rcode) {
  constexpr std::array<std::string_view, 11> names{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                                   "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                                   "NXRRSET", "NOTAUTH", "NOTZONE"};
  const auto number = static_cast<std::size_t>(rcode);
  if (number < names.size()) return std::string{names[number]};
  return "RCODE " + std::to_string(number);
}

ByteString write_query(std::uint16_t id, const DnsQuestion& question) {
  const LdnsPacket packet{ldns_pkt_new()};
  ldns_pkt_set_id(packet.get(), id);
  ldns_pkt_set_rd(packet.get(), true);
  ldns_pkt_push_rr(packet.get(), LDNS_SECTION_QUESTION,
                   new_question(question.name, static_cast<ldns_rr_type>(question.type)));
  return to_bytes(*packet);
}

ByteString write_update(std::uint16_t id, const DnsName& zone,
                        const std::vector<DnsChange>& changes) {
  const LdnsPacket packet{ldns_pkt_new()};
  ldns_pkt_set_id(packet.get(), id);
  ldns_pkt_set_opcode(packet.get(), LDNS_PACKET_UPDATE);
  ldns_pkt_push_rr(packet.get(), LDNS_SECTION_QUESTION, new_question(zone, LDNS_RR_TYPE_SOA));
  for (const DnsChange& change : changes) {
    ldns_pkt_push_rr(packet.get(), LDNS_SECTION_AUTHORITY, std::visit(ChangeWriter{}, change));
  }
  return to_bytes(*packet);
}

Result<DnsResponse> parse_response(Bytes message) {
  ldns_pkt* parsed = nullptr;
  const ldns_status status = ldns_wire2pkt(&parsed, message.data(), message.size());
  const LdnsPacket packet{parsed};
  if (status != LDNS_STATUS_OK || !packet) return Error{Errc::Malformed, "DNS message"};
  if (!ldns_pkt_qr(packet.get())) return Error{Errc::Malformed, "DNS message that asks"};
  DnsResponse response{ldns_pkt_id(packet.get()),
                       static_cast<DnsOpcode>(ldns_pkt_get_opcode(packet.get())),
                       static_cast<DnsRcode>(ldns_pkt_get_rcode(packet.get())),
                       ldns_pkt_tc(packet.get()),
                       question_of(*packet),
                       {},
                       negative_ttl_of(*packet)};
  const ldns_rr_list* answers = ldns_pkt_answer(packet.get());
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(answers); ++i) {
    if (auto record = record_of(ldns_rr_list_rr(answers, i))) {
      response.answers.push_back(std::move(*record));
    }
  }
  return response;
}

}  // namespace godwit
