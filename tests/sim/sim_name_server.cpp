#include "tests/sim/sim_name_server.hpp"

#include <cstdlib>
#include <memory>

#include <ldns/ldns.h>

#include "tests/sim/sim_host.hpp"

namespace godwit::sim {
namespace {

constexpr std::uint64_t begin_of_time = 1'800'000'000;
constexpr std::uint16_t port = 53;
constexpr std::uint32_t negative_ttl = 5;
constexpr unsigned no_error = 0, not_understood = 4, name_unknown = 3, refused = 5, not_auth = 9;
constexpr std::uint16_t bad_signature = 16;

struct Free {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
  void operator()(char* text) const { std::free(text); }
};
using Text = std::unique_ptr<char, Free>;

// Without the last dot, as DnsName has it.
std::string text_of(const ldns_rdf* data) {
  std::string text = Text{ldns_rdf2str(data)}.get();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

bool is_reverse(const DnsName& name) {
  return name.is_within(dns_test::name("in-addr.arpa")) ||
         name.is_within(dns_test::name("ip6.arpa"));
}

}  // namespace

UnixTime wall_clock(Instant now) {
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return {begin_of_time + static_cast<std::uint64_t>(since.count())};
}

struct SimNameServer::Judged {
  explicit Judged(Bytes message) {
    ldns_pkt* read = nullptr;
    if (ldns_wire2pkt(&read, message.data(), message.size()) == LDNS_STATUS_OK) packet.reset(read);
  }
  // The question of a query, or the zone of an update.
  const ldns_rr* subject() const {
    const ldns_rr_list* list = packet ? ldns_pkt_question(packet.get()) : nullptr;
    return list != nullptr && ldns_rr_list_rr_count(list) == 1 ? ldns_rr_list_rr(list, 0) : nullptr;
  }

  std::unique_ptr<ldns_pkt, Free> packet;
};

SimNameServer::SimNameServer(SimNetwork& network, const IpAddress& address, DnsName zone)
    : network_{network},
      endpoint_{address, port},
      zone_{std::move(zone)},
      key_{dns_test::name("update-key"), TsigAlgorithm::HmacSha256, ByteString(32, 0x53)} {}

UpdateSettings SimNameServer::settings_for(const std::string& host, bool right_key) const {
  UpdateSettings settings{endpoint_, dns_test::name(host), zone_};
  settings.reverse_zones = {dns_test::name("in-addr.arpa"), dns_test::name("ip6.arpa")};
  settings.key = key_;
  if (!right_key) settings.key->secret.front() ^= 1;
  return settings;
}

void SimNameServer::ask(SimHost& host, DnsQuery query) {
  std::optional<SimAddress> source;
  for (const SimAddress& one : host.addresses()) {
    if (!source && one.address.family() == endpoint_.address.family()) source = one;
  }
  if (!source) {
    network_.at(network_.now(), [&host, id = query.id, server = endpoint_] {
      host.receive_dns(id, server, std::nullopt);
    });
    return;
  }
  network_.at(network_.now() + delay_, [this, &host, source, query = std::move(query)] {
    if (mood_ == Mood::IsSilent) return;
    network_.at(network_.now() + delay_,
                [this, &host, source, id = query.id, reply = handle(query.bytes)] {
                  if (host.is_at(source->address, source->access))
                    host.receive_dns(id, endpoint_, reply);
                });
  });
}

ByteString SimNameServer::handle(Bytes message) {
  const Judged read{message};
  if (read.subject() == nullptr) return dns_test::reply_to(message, {.rcode = 1});
  const auto opcode = ldns_pkt_get_opcode(read.packet.get());
  if (opcode == LDNS_PACKET_QUERY) return dns_test::reply_to(message, answer(read));
  if (opcode == LDNS_PACKET_UPDATE) return update(read, message);
  return dns_test::reply_to(message, {.rcode = not_understood});
}

dns_test::Reply SimNameServer::answer(const Judged& query) const {
  const auto owner = DnsName::parse(text_of(ldns_rr_owner(query.subject())));
  if (!owner || !(owner->is_within(zone_) || is_reverse(*owner))) return {.rcode = refused};
  const DnsQuestion question{*owner, static_cast<DnsType>(ldns_rr_get_type(query.subject()))};
  dns_test::Reply reply;
  const auto known = records_.find(question);
  if (known == records_.end()) {
    reply.rcode = name_unknown;
    reply.authority.push_back(dns_test::soa(zone_.text(), negative_ttl, negative_ttl));
    return reply;
  }
  for (const std::string& value : known->second.values) {
    reply.answers.push_back(
        question.type == DnsType::Ptr
            ? dns_test::Record{owner->text(), 12, known->second.ttl, dns_test::name(value).wire()}
            : dns_test::address(owner->text(), known->second.ttl, value));
  }
  return reply;
}

ByteString SimNameServer::update(const Judged& request, Bytes message) {
  const bool is_signed = ldns_pkt_tsig(request.packet.get()) != nullptr;
  const bool genuine =
      is_signed && ldns_pkt_tsig_verify(request.packet.get(), message.data(), message.size(),
                                        (key_.name.text() + '.').c_str(),
                                        to_base64(key_.secret).c_str(), nullptr);
  const std::uint64_t time = wall_clock(network_.now()).seconds;
  if (!genuine) {
    ++refusals_;
    const ByteString reply = dns_test::reply_to(message, {.rcode = is_signed ? not_auth : refused});
    if (!is_signed) return reply;
    return dns_test::stamped(reply, key_, {},
                             {.time = time, .error = bad_signature, .with_mac = false});
  }
  const bool taken = mood_ != Mood::RefusesUpdates && apply(request);
  ++(taken ? updates_ : refusals_);
  return dns_test::stamped(dns_test::reply_to(message, {.rcode = taken ? no_error : refused}), key_,
                           dns_test::mac_of(message, key_), {.time = time});
}

// RFC 2136 section 3.4.2: class ANY deletes a set, class NONE one record, class IN adds one. All,
// or nothing.
bool SimNameServer::apply(const Judged& request) {
  auto after = records_;
  const ldns_rr_list* changes = ldns_pkt_authority(request.packet.get());
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(changes); ++i) {
    const ldns_rr* change = ldns_rr_list_rr(changes, i);
    const auto owner = DnsName::parse(text_of(ldns_rr_owner(change)));
    if (!owner || !(owner->is_within(zone_) || is_reverse(*owner))) return false;
    const DnsQuestion place{*owner, static_cast<DnsType>(ldns_rr_get_type(change))};
    if (ldns_rr_get_class(change) == LDNS_RR_CLASS_ANY) {
      after.erase(place);
      continue;
    }
    const std::string value = text_of(ldns_rr_rdf(change, 0));
    if (ldns_rr_get_class(change) == LDNS_RR_CLASS_NONE) {
      after[place].values.erase(value);
      if (after[place].values.empty()) after.erase(place);
    } else {
      after[place].values.insert(value);
      after[place].ttl = ldns_rr_ttl(change);
    }
  }
  records_ = std::move(after);
  return true;
}

std::set<std::string> SimNameServer::values(const DnsName& owner, DnsType type) const {
  const auto known = records_.find({owner, type});
  return known == records_.end() ? std::set<std::string>{} : known->second.values;
}

}  // namespace godwit::sim
