#include "ipsec/policy/selector.hpp"

#include <charconv>

namespace godwit {
namespace {

constexpr IpProtocol named_protocols[] = {
    IpProtocol::Tcp,    IpProtocol::Udp,      IpProtocol::Icmp, IpProtocol::Icmpv6,
    IpProtocol::IpInIp, IpProtocol::Ipv6InIp, IpProtocol::Esp,
};

std::optional<unsigned> parse_number(std::string_view text, unsigned limit) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > limit)
    return std::nullopt;
  return value;
}

// The words of a sentence, one after the other.
class Words {
 public:
  explicit Words(std::string_view text) : rest_{text} { advance(); }

  std::string_view peek() const { return word_; }  // empty at the end
  bool at_end() const { return word_.empty(); }
  std::string_view take() {
    const std::string_view word = word_;
    advance();
    return word;
  }
  bool take_if(std::string_view expected) {
    if (word_ != expected) return false;
    advance();
    return true;
  }

 private:
  void advance() {
    constexpr std::string_view blanks = " \t";
    rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size()));
    word_ = rest_.substr(0, rest_.find_first_of(blanks));
    rest_.remove_prefix(word_.size());
  }

  std::string_view rest_;
  std::string_view word_;
};

struct SelectorSide {
  std::optional<IpPrefix> prefix;
  PortRange ports;
};

Result<PortRange> parse_ports(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash), 65535);
  const auto last =
      dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1), 65535);
  if (!first || !last || *first > *last) {
    return Error{Errc::Malformed, "after 'port' comes a number or a range such as 1-1024"};
  }
  return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

Result<SelectorSide> parse_side(Words& words) {
  SelectorSide side;
  if (!words.take_if("any")) {
    const auto prefix = IpPrefix::parse(words.take());
    if (!prefix) {
      return Error{
          Errc::Malformed,
          "after 'from' and 'to' comes 'any', an address or a prefix such as 192.0.2.0/24"};
    }
    side.prefix = *prefix;
  }
  if (words.take_if("port")) {
    const auto ports = parse_ports(words.take());
    if (!ports) return ports.error();
    side.ports = *ports;
  }
  return side;
}

// Nothing, if the next word is where a side begins.
Result<std::optional<IpProtocol>> parse_protocol(Words& words) {
  if (words.peek() == "from" || words.peek() == "to" || words.take_if("any")) {
    return std::optional<IpProtocol>{};
  }
  if (words.take_if("protocol")) {
    const auto number = parse_number(words.take(), 255);
    if (!number) return Error{Errc::Malformed, "after 'protocol' comes its number, 0 to 255"};
    return std::optional{static_cast<IpProtocol>(*number)};
  }
  const std::string_view name = words.take();
  for (const IpProtocol protocol : named_protocols) {
    if (name == to_string(protocol)) return std::optional{protocol};
  }
  return Error{Errc::Malformed,
               "a selector begins with any, tcp, udp, icmp, icmpv6, 'protocol' and a number, "
               "'from' or 'to'"};
}

bool has_ports(std::optional<IpProtocol> protocol) {
  return protocol == IpProtocol::Tcp || protocol == IpProtocol::Udp;
}

std::string side_text(const std::optional<IpPrefix>& prefix, const PortRange& ports) {
  std::string text = "any";
  if (prefix) {
    const bool host = *prefix == IpPrefix::host(prefix->address);
    text = host ? to_string(prefix->address) : to_string(*prefix);
  }
  if (!ports.is_any()) {
    text += " port " + std::to_string(ports.first);
    if (ports.last != ports.first) text += '-' + std::to_string(ports.last);
  }
  return text;
}

}  // namespace

Result<Selector> Selector::parse(std::string_view text) {
  Words words{text};
  if (words.at_end()) {
    return Error{Errc::Malformed, "a selector cannot be empty; 'any' is every flow"};
  }
  const auto protocol = parse_protocol(words);
  if (!protocol) return protocol.error();
  Selector selector;
  selector.protocol = *protocol;
  if (words.take_if("from")) {
    const auto side = parse_side(words);
    if (!side) return side.error();
    selector.local = side->prefix;
    selector.local_ports = side->ports;
  }
  if (words.take_if("to")) {
    const auto side = parse_side(words);
    if (!side) return side.error();
    selector.remote = side->prefix;
    selector.remote_ports = side->ports;
  }
  if (!words.at_end()) {
    return Error{Errc::Malformed, "a selector is PROTOCOL from ADDRESS port N to ADDRESS port N"};
  }
  if (!has_ports(selector.protocol) &&
      !(selector.local_ports.is_any() && selector.remote_ports.is_any())) {
    return Error{Errc::Malformed, "only tcp and udp have ports; name one of them"};
  }
  if (selector.local && selector.remote &&
      selector.local->address.family() != selector.remote->address.family()) {
    return Error{Errc::Malformed, "'from' and 'to' are of different families; no packet is"};
  }
  return selector;
}

bool Selector::matches(const FiveTuple& flow) const {
  return (!protocol || *protocol == flow.protocol) &&
         (!local || local->contains(flow.local.address)) &&
         (!remote || remote->contains(flow.remote.address)) &&
         local_ports.contains(flow.local.port) && remote_ports.contains(flow.remote.port);
}

std::string to_string(const Selector& selector) {
  std::string text = selector.protocol ? to_string(*selector.protocol) : "any";
  if (selector.local || !selector.local_ports.is_any()) {
    text += " from " + side_text(selector.local, selector.local_ports);
  }
  if (selector.remote || !selector.remote_ports.is_any()) {
    text += " to " + side_text(selector.remote, selector.remote_ports);
  }
  return text;
}

}  // namespace godwit
