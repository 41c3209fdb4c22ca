#include "apps/shim/shim_message.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "stack/core/byte_reader.hpp"

namespace godwit::shim {
namespace {

constexpr std::uint8_t version = 1;

enum class Code : std::uint8_t {
  OpenSocket = 1,
  ReopenSocket,
  Connect,
  Bind,
  Listen,
  AskLocalName,
  AskPeerName,
  GetOption,
  SetOption,
  FindAddresses,
  FindName,
  Disconnect,
  Reach,
  ReachPartner,
  Done = 65,
  Failure,
  UsedUp,
  Name,
  OptionValue,
  AddressList,
  Text,
  Largest,
};

// ByteWriter's words, on storage that is there already.
class FrameWriter {
 public:
  FrameWriter(Frame& frame, Code code) : frame_{frame} {
    write(version);
    write(static_cast<std::uint8_t>(code));
    write(std::uint16_t{0});
  }
  template <std::unsigned_integral T>
  void write(T value) {
    for (std::size_t i = sizeof(T); i-- > 0;) {
      put(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
  void write(Bytes bytes) {
    for (const std::uint8_t octet : bytes) put(octet);
  }
  void write(SocketId socket) { write(socket.cookie); }
  void write(const IpAddress& address) {
    write(static_cast<std::uint8_t>(address.family()));
    write(address.octets());
  }
  void write(const Endpoint& endpoint) {
    write(endpoint.address);
    write(endpoint.port);
  }
  template <class E>
  requires std::is_enum_v<E>
  void write(E value) { write(static_cast<std::uint8_t>(value)); }
  void write_text(std::string_view text) {
    for (const char letter : text) put(static_cast<std::uint8_t>(letter));
  }
  void close() {
    const std::size_t body = size_ - Frame::header_length;
    frame_.storage()[2] = static_cast<std::uint8_t>(body >> 8);
    frame_.storage()[3] = static_cast<std::uint8_t>(body);
    frame_.set_size(size_);
  }

 private:
  void put(std::uint8_t octet) {
    assert(size_ < Frame::longest);
    frame_.storage()[size_++] = octet;
  }
  Frame& frame_;
  std::size_t size_ = 0;
};

Code code_of(const OpenSocket&) { return Code::OpenSocket; }
Code code_of(const ReopenSocket&) { return Code::ReopenSocket; }
Code code_of(const Connect&) { return Code::Connect; }
Code code_of(const Bind&) { return Code::Bind; }
Code code_of(const Listen&) { return Code::Listen; }
Code code_of(const AskLocalName&) { return Code::AskLocalName; }
Code code_of(const AskPeerName&) { return Code::AskPeerName; }
Code code_of(const GetOption&) { return Code::GetOption; }
Code code_of(const SetOption&) { return Code::SetOption; }
Code code_of(const FindAddresses&) { return Code::FindAddresses; }
Code code_of(const FindName&) { return Code::FindName; }
Code code_of(const Disconnect&) { return Code::Disconnect; }
Code code_of(const Reach&) { return Code::Reach; }
Code code_of(const ReachPartner&) { return Code::ReachPartner; }
Code code_of(const Done&) { return Code::Done; }
Code code_of(const Failure&) { return Code::Failure; }
Code code_of(const UsedUp&) { return Code::UsedUp; }
Code code_of(const Name&) { return Code::Name; }
Code code_of(const OptionValue&) { return Code::OptionValue; }
Code code_of(const AddressList&) { return Code::AddressList; }
Code code_of(const Text&) { return Code::Text; }
Code code_of(const Largest&) { return Code::Largest; }

void write(FrameWriter& out, const OpenSocket& open) {
  out.write(open.family);
  out.write(open.transport);
  out.write(open.waiting);
}
void write(FrameWriter& out, const ReopenSocket& reopen) {
  out.write(reopen.socket);
  out.write(reopen.waiting);
}
void write(FrameWriter& out, const Connect& connect) {
  out.write(connect.socket);
  out.write(connect.remote);
  out.write(connect.waiting);
}
void write(FrameWriter& out, const Bind& bind) {
  out.write(bind.socket);
  out.write(bind.local);
}
void write(FrameWriter& out, const Listen& listen) {
  out.write(listen.socket);
  out.write(listen.backlog);
}
void write(FrameWriter& out, const AskLocalName& ask) { out.write(ask.socket); }
void write(FrameWriter& out, const AskPeerName& ask) { out.write(ask.socket); }
void write(FrameWriter& out, const GetOption& option) {
  out.write(option.socket);
  out.write(option.level);
  out.write(option.name);
}
void write(FrameWriter& out, const SetOption& option) {
  out.write(option.socket);
  out.write(option.level);
  out.write(option.name);
  out.write(option.value);
}
void write(FrameWriter& out, const FindAddresses& find) { out.write_text(find.name); }
void write(FrameWriter& out, const FindName& find) { out.write(find.address); }
void write(FrameWriter& out, const Disconnect& disconnect) { out.write(disconnect.socket); }
void write(FrameWriter& out, const Reach& reach) {
  out.write(reach.socket);
  out.write(reach.remote);
}
void write(FrameWriter& out, const ReachPartner& reach) { out.write(reach.socket); }
void write(FrameWriter&, const Done&) {}
void write(FrameWriter& out, const Failure& failure) { out.write(failure.number); }
void write(FrameWriter&, const UsedUp&) {}
void write(FrameWriter& out, const Name& name) { out.write(name.endpoint); }
void write(FrameWriter& out, const OptionValue& option) { out.write(option.value); }
void write(FrameWriter& out, const AddressList& list) { out.write(list.octets()); }
void write(FrameWriter& out, const Text& text) { out.write_text(text.text); }
void write(FrameWriter& out, const Largest& largest) { out.write(largest.octets); }

template <class Message>
Frame encode_any(const Message& message) {
  Frame frame;
  std::visit(
      [&frame](const auto& some) {
        FrameWriter out{frame, code_of(some)};
        write(out, some);
        out.close();
      },
      message);
  return frame;
}

// A sticky reader of the fields of a body: what is no value of its type marks it like a missing
// octet does.
class BodyReader {
 public:
  explicit BodyReader(Bytes body) : in_{body} {}

  template <std::unsigned_integral T>
  T read() {
    return in_.read<T>();
  }
  SocketId socket() { return {read<std::uint64_t>()}; }
  IpFamily family() {
    const auto octet = read<std::uint8_t>();
    if (octet != static_cast<std::uint8_t>(IpFamily::V4) &&
        octet != static_cast<std::uint8_t>(IpFamily::V6)) {
      bad_ = true;
      return IpFamily::V4;
    }
    return IpFamily{octet};
  }
  template <class E>
  E one_or_two() {
    const auto octet = read<std::uint8_t>();
    if (octet != 1 && octet != 2) bad_ = true;
    return E{static_cast<std::uint8_t>(octet == 2 ? 2 : 1)};
  }
  IpAddress address() {
    const bool v4 = family() == IpFamily::V4;
    const std::size_t length = v4 ? IpAddress::v4_length : IpAddress::v6_length;
    const Bytes octets = in_.take(length);
    std::array<std::uint8_t, IpAddress::v6_length> copy{};
    std::copy(octets.begin(), octets.end(), copy.begin());
    return v4 ? IpAddress::v4({copy[0], copy[1], copy[2], copy[3]}) : IpAddress::v6(copy);
  }
  Endpoint endpoint() {
    const IpAddress where = address();
    return {where, read<std::uint16_t>()};
  }
  Bytes rest() { return in_.take_rest(); }
  std::string_view text() {
    const Bytes octets = in_.take_rest();
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  void refuse_unless(bool holds) { bad_ = bad_ || !holds; }
  AddressList addresses() {
    const Bytes all = in_.take_rest();
    BodyReader inner{all};
    std::size_t count = 0;
    while (inner.in_.ok() && !inner.bad_ && inner.in_.remaining() > 0) {
      (void)inner.address();
      ++count;
    }
    refuse_unless(inner.in_.ok() && !inner.bad_ && count <= AddressList::most);
    return bad_ ? AddressList{} : AddressList{all};
  }

  template <class Message, class Value>
  Result<Message> finish(Value value) const {
    if (!in_.ok()) return Error{Errc::Truncated, "shim message"};
    if (bad_ || !in_.finished()) return Error{Errc::Malformed, "shim message"};
    return Message{value};
  }

 private:
  ByteReader in_;
  bool bad_ = false;
};

bool is_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char letter) { return letter > ' ' && letter < 0x7f; });
}

struct Parsed {
  Code code;
  Bytes body;
};

Result<Parsed> open_frame(Bytes frame) {
  const auto length = frame_length(frame);
  if (!length) return length.error();
  if (!*length || **length > frame.size()) return Error{Errc::Truncated, "shim message"};
  if (**length < frame.size()) return Error{Errc::Malformed, "more than one shim message"};
  return Parsed{Code{frame[1]}, frame.subspan(Frame::header_length)};
}

bool equal(Bytes one, Bytes two) {
  return std::equal(one.begin(), one.end(), two.begin(), two.end());
}

}  // namespace

bool operator==(const SetOption& one, const SetOption& two) {
  return one.socket == two.socket && one.level == two.level && one.name == two.name &&
         equal(one.value, two.value);
}
bool operator==(const OptionValue& one, const OptionValue& two) {
  return equal(one.value, two.value);
}
bool operator==(const AddressList& one, const AddressList& two) {
  return equal(one.octets_, two.octets_);
}

Result<std::optional<std::size_t>> frame_length(Bytes begin) {
  if (!begin.empty() && begin[0] != version) {
    return Error{Errc::Unsupported, "a shim of another version"};
  }
  if (begin.size() < Frame::header_length) return std::optional<std::size_t>{};
  const std::size_t body = static_cast<std::size_t>(begin[2]) << 8 | begin[3];
  if (body > Frame::longest - Frame::header_length) {
    return Error{Errc::Malformed, "a shim message that is too long"};
  }
  return std::optional{Frame::header_length + body};
}

IpAddress AddressList::address_of(Bytes octets) {
  std::array<std::uint8_t, IpAddress::v6_length> copy{};
  std::copy(octets.begin(), octets.end(), copy.begin());
  if (octets.size() == IpAddress::v6_length) return IpAddress::v6(copy);
  return IpAddress::v4({copy[0], copy[1], copy[2], copy[3]});
}

bool AddressListWriter::add(const IpAddress& address) {
  if (count_ == AddressList::most) return false;
  octets_[size_++] = static_cast<std::uint8_t>(address.family());
  for (const std::uint8_t octet : address.octets()) octets_[size_++] = octet;
  ++count_;
  return true;
}

Frame encode(const Request& request) { return encode_any(request); }
Frame encode(const Reply& reply) { return encode_any(reply); }

Result<Request> parse_request(Bytes frame) {
  const auto parsed = open_frame(frame);
  if (!parsed) return parsed.error();
  BodyReader in{parsed->body};
  switch (parsed->code) {
    case Code::OpenSocket: {
      const IpFamily family = in.family();
      const auto transport = in.one_or_two<Transport>();
      return in.finish<Request>(OpenSocket{family, transport, in.one_or_two<Waiting>()});
    }
    case Code::ReopenSocket: {
      const SocketId socket = in.socket();
      return in.finish<Request>(ReopenSocket{socket, in.one_or_two<Waiting>()});
    }
    case Code::Connect: {
      const SocketId socket = in.socket();
      const Endpoint remote = in.endpoint();
      return in.finish<Request>(Connect{socket, remote, in.one_or_two<Waiting>()});
    }
    case Code::Bind: {
      const SocketId socket = in.socket();
      return in.finish<Request>(Bind{socket, in.endpoint()});
    }
    case Code::Listen: {
      const SocketId socket = in.socket();
      return in.finish<Request>(Listen{socket, in.read<std::uint32_t>()});
    }
    case Code::AskLocalName: return in.finish<Request>(AskLocalName{in.socket()});
    case Code::AskPeerName: return in.finish<Request>(AskPeerName{in.socket()});
    case Code::GetOption: {
      const SocketId socket = in.socket();
      const auto level = in.read<std::uint32_t>();
      return in.finish<Request>(GetOption{socket, level, in.read<std::uint32_t>()});
    }
    case Code::SetOption: {
      const SocketId socket = in.socket();
      const auto level = in.read<std::uint32_t>();
      const auto name = in.read<std::uint32_t>();
      const Bytes value = in.rest();
      in.refuse_unless(value.size() <= SetOption::longest);
      return in.finish<Request>(SetOption{socket, level, name, value});
    }
    case Code::FindAddresses: {
      const std::string_view name = in.text();
      in.refuse_unless(!name.empty() && name.size() <= FindAddresses::longest && is_text(name));
      return in.finish<Request>(FindAddresses{name});
    }
    case Code::FindName: return in.finish<Request>(FindName{in.address()});
    case Code::Disconnect: return in.finish<Request>(Disconnect{in.socket()});
    case Code::Reach: {
      const SocketId socket = in.socket();
      return in.finish<Request>(Reach{socket, in.endpoint()});
    }
    case Code::ReachPartner: return in.finish<Request>(ReachPartner{in.socket()});
    default: return Error{Errc::Unsupported, "a request this daemon does not know"};
  }
}

Result<Reply> parse_reply(Bytes frame) {
  const auto parsed = open_frame(frame);
  if (!parsed) return parsed.error();
  BodyReader in{parsed->body};
  switch (parsed->code) {
    case Code::Done: return in.finish<Reply>(Done{});
    case Code::Failure: return in.finish<Reply>(Failure{in.read<std::uint32_t>()});
    case Code::UsedUp: return in.finish<Reply>(UsedUp{});
    case Code::Name: return in.finish<Reply>(Name{in.endpoint()});
    case Code::OptionValue: return in.finish<Reply>(OptionValue{in.rest()});
    case Code::AddressList: return in.finish<Reply>(in.addresses());
    case Code::Text: {
      const std::string_view text = in.text();
      in.refuse_unless(is_text(text));
      return in.finish<Reply>(Text{text});
    }
    case Code::Largest: return in.finish<Reply>(Largest{in.read<std::uint32_t>()});
    default: return Error{Errc::Unsupported, "a reply this library does not know"};
  }
}

}  // namespace godwit::shim
