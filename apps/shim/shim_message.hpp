// What the preloaded library and the daemon say to each other: one connection of a Unix socket for
// each call, one request, one reply. Nothing here allocates, because calls such as connect() may
// be made where nothing may: a parsed message borrows from the frame it was read from.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/result.hpp"

namespace godwit::shim {

// One message on the wire: version, kind, length of the body (16 bits, big-endian), body.
class Frame {
 public:
  static constexpr std::size_t header_length = 4;
  static constexpr std::size_t longest = 2048;

  Bytes bytes() const { return Bytes{octets_}.first(size_); }
  MutableBytes storage() { return octets_; }
  void set_size(std::size_t size) { size_ = size; }

 private:
  std::array<std::uint8_t, longest> octets_;
  std::size_t size_ = 0;
};

// How many octets the frame has that begins like this; none: not yet enough to say. Errors:
// Unsupported (another version), Malformed (longer than a frame may be).
Result<std::optional<std::size_t>> frame_length(Bytes begin);

enum class Transport : std::uint8_t { Stream = 1, Datagram = 2 };
// What a call does when its result is not there yet.
enum class Waiting : std::uint8_t { Blocks = 1, Returns = 2 };

// SO_COOKIE of the application's end: survives dup, fork, exec and being passed on.
struct SocketId {
  std::uint64_t cookie;
  friend bool operator==(const SocketId&, const SocketId&) = default;
};

// --- requests -------------------------------------------------------------------------------

struct OpenSocket {  // answered by Done, with the application's end beside it
  IpFamily family;
  Transport transport;
  Waiting waiting;
  friend bool operator==(const OpenSocket&, const OpenSocket&) = default;
};
// A new end in place of one that a failed connect() has used up; options stay.
struct ReopenSocket {
  SocketId socket;
  Waiting waiting;
  friend bool operator==(const ReopenSocket&, const ReopenSocket&) = default;
};
struct Connect {
  SocketId socket;
  Endpoint remote;
  Waiting waiting;
  friend bool operator==(const Connect&, const Connect&) = default;
};
struct Bind {
  SocketId socket;
  Endpoint local;
  friend bool operator==(const Bind&, const Bind&) = default;
};
struct Listen {
  SocketId socket;
  std::uint32_t backlog;
  friend bool operator==(const Listen&, const Listen&) = default;
};
struct AskLocalName {
  SocketId socket;
  friend bool operator==(const AskLocalName&, const AskLocalName&) = default;
};
struct AskPeerName {
  SocketId socket;
  friend bool operator==(const AskPeerName&, const AskPeerName&) = default;
};
// `level` and `name` are the numbers of this host's ABI, as `value` is its bytes.
struct GetOption {
  SocketId socket;
  std::uint32_t level;
  std::uint32_t name;
  friend bool operator==(const GetOption&, const GetOption&) = default;
};
struct SetOption {
  static constexpr std::size_t longest = 256;
  SocketId socket;
  std::uint32_t level;
  std::uint32_t name;
  Bytes value;
  friend bool operator==(const SetOption& one, const SetOption& two);
};
struct FindAddresses {
  static constexpr std::size_t longest = 253;  // RFC 1035 section 2.3.4, as text
  std::string_view name;
  friend bool operator==(const FindAddresses&, const FindAddresses&) = default;
};
struct FindName {
  IpAddress address;
  friend bool operator==(const FindName&, const FindName&) = default;
};

// connect() of a datagram socket to no partner any more.
struct Disconnect {
  SocketId socket;
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};
// May datagrams go there, and how large may they be? Answered by Largest. The socket has a port
// and a flow from then on.
struct Reach {
  SocketId socket;
  Endpoint remote;
  friend bool operator==(const Reach&, const Reach&) = default;
};
// The same for the connected partner.
struct ReachPartner {
  SocketId socket;
  friend bool operator==(const ReachPartner&, const ReachPartner&) = default;
};

using Request =
    std::variant<OpenSocket, ReopenSocket, Connect, Bind, Listen, AskLocalName, AskPeerName,
                 GetOption, SetOption, FindAddresses, FindName, Disconnect, Reach, ReachPartner>;

// --- replies --------------------------------------------------------------------------------

struct Done {
  friend bool operator==(const Done&, const Done&) = default;
};
struct Failure {
  std::uint32_t number;  // errno
  friend bool operator==(const Failure&, const Failure&) = default;
};
// connect() failed before on this socket, and its pair went with it: ReopenSocket.
struct UsedUp {
  friend bool operator==(const UsedUp&, const UsedUp&) = default;
};
struct Name {
  Endpoint endpoint;
  friend bool operator==(const Name&, const Name&) = default;
};
struct OptionValue {
  Bytes value;
  friend bool operator==(const OptionValue& one, const OptionValue& two);
};
class AddressList {
 public:
  static constexpr std::size_t most = 64;

  AddressList() = default;
  // Octets of a message that were checked.
  explicit AddressList(Bytes checked) : octets_{checked} {}

  Bytes octets() const { return octets_; }
  // Calls `take` with each address.
  template <class Taker>
  void for_each(Taker take) const {
    for (Bytes rest = octets_; !rest.empty();) {
      const std::size_t length = rest[0] == static_cast<std::uint8_t>(IpFamily::V4)
                                     ? IpAddress::v4_length
                                     : IpAddress::v6_length;
      take(address_of(rest.subspan(1, length)));
      rest = rest.subspan(1 + length);
    }
  }
  friend bool operator==(const AddressList& one, const AddressList& two);

 private:
  static IpAddress address_of(Bytes octets);
  Bytes octets_;
};
struct Text {
  std::string_view text;
  friend bool operator==(const Text&, const Text&) = default;
};

struct Largest {
  std::uint32_t octets;  // of a datagram's payload
  friend bool operator==(const Largest&, const Largest&) = default;
};

using Reply = std::variant<Done, Failure, UsedUp, Name, OptionValue, AddressList, Text, Largest>;

// What does not fit is cut by the caller: a message that is too long is a broken promise.
Frame encode(const Request& request);
Frame encode(const Reply& reply);
// Addresses as AddressList holds them, as many of them as it may have.
class AddressListWriter {
 public:
  bool add(const IpAddress& address);  // false: full
  AddressList list() const { return AddressList{Bytes{octets_}.first(size_)}; }

 private:
  std::array<std::uint8_t, AddressList::most*(1 + IpAddress::v6_length)> octets_;
  std::size_t size_ = 0;
  std::size_t count_ = 0;
};

// A whole frame. Errors: Truncated, Malformed, Unsupported.
Result<Request> parse_request(Bytes frame);
Result<Reply> parse_reply(Bytes frame);

}  // namespace godwit::shim
