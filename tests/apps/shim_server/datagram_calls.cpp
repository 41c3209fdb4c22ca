#include "tests/apps/shim_server/datagram_calls.hpp"

#include <array>
#include <functional>
#include <vector>

#include <poll.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/shim_server/script_address.hpp"

namespace {

constexpr int patience_ms = 10000;

// "-" is nothing, "*70000" that many octets, anything else itself.
std::string payload_of(std::istream& words) {
  std::string word;
  words >> word;
  if (word == "-") return {};
  if (word.front() == '*') return std::string(std::stoul(word.substr(1)), 'y');
  return word;
}

std::string shown(const std::string& payload) {
  if (payload.size() <= 64) return '"' + payload + '"';
  return std::to_string(payload.size()) + " octets";
}

int flags_of(std::istream& words) {
  std::string letters;
  words >> letters;
  int flags = 0;
  for (const char letter : letters) {
    if (letter == 'p') flags |= MSG_PEEK;
    if (letter == 't') flags |= MSG_TRUNC;
    if (letter == 'd') flags |= MSG_DONTWAIT;
    if (letter == 'w') flags |= MSG_WAITALL;
    if (letter == 'o') flags |= MSG_OOB;
  }
  return flags;
}

Address destination(std::istream& words) {
  std::string host;
  int port = 0;
  words >> host >> port;
  return address_of(host, port);
}

std::string send_to(int socket, Address to, const std::string& payload) {
  return result(
      ::sendto(socket, payload.data(), payload.size(), MSG_NOSIGNAL, to.get(), to.length));
}

// What came: how many octets the call says, those that are there, and from whom.
std::string came(long count, const std::string& buffer, const Address& from) {
  if (count < 0) return result(count);
  const auto there = std::min(static_cast<std::size_t>(count), buffer.size());
  return std::to_string(count) + ' ' + shown(buffer.substr(0, there)) + " from " +
         text_of(from, true);
}

std::string take(int socket, std::istream& words) {
  std::size_t room = 0;
  words >> room;
  const int flags = flags_of(words);
  std::string buffer(room, '.');
  Address from;
  from.length = sizeof from.storage;
  const ssize_t count =
      ::recvfrom(socket, buffer.data(), buffer.size(), flags, from.get(), &from.length);
  return came(count, buffer, from);
}

// Into two parts, with room for control messages that must not come.
std::string take_message(int socket, std::istream& words) {
  std::size_t room = 0;
  words >> room;
  const int flags = flags_of(words);
  std::string first(room / 2, '.'), second(room - room / 2, '.');
  std::array<iovec, 2> parts{iovec{first.data(), first.size()},
                             iovec{second.data(), second.size()}};
  alignas(cmsghdr) char control[256];
  Address from;
  msghdr message{};
  message.msg_name = from.get();
  message.msg_namelen = sizeof from.storage;
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t count = ::recvmsg(socket, &message, flags);
  from.length = message.msg_namelen;
  return came(count, first + second, from) + " flags " + std::to_string(message.msg_flags) +
         " control " + std::to_string(count < 0 ? 0 : message.msg_controllen);
}

std::string take_many(int socket, std::istream& words) {
  std::size_t most = 0;
  words >> most;
  std::vector<std::string> buffers(most, std::string(256, '.'));
  std::vector<Address> from(most);
  std::vector<iovec> parts(most);
  std::vector<mmsghdr> messages(most);
  for (std::size_t i = 0; i < most; ++i) {
    parts[i] = {buffers[i].data(), buffers[i].size()};
    messages[i].msg_hdr.msg_name = from[i].get();
    messages[i].msg_hdr.msg_namelen = sizeof from[i].storage;
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int count =
      ::recvmmsg(socket, messages.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
  std::string text = result(count);
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    from[at].length = messages[at].msg_hdr.msg_namelen;
    text += "; " + came(messages[at].msg_len, buffers[at], from[at]);
  }
  return text;
}

std::string send_many(int socket, std::istream& words) {
  Address to = destination(words);
  std::vector<std::string> payloads;
  for (std::string word; words >> word;) payloads.push_back(word);
  std::vector<iovec> parts(payloads.size());
  std::vector<mmsghdr> messages(payloads.size());
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    parts[i] = {payloads[i].data(), payloads[i].size()};
    messages[i].msg_hdr.msg_name = to.get();
    messages[i].msg_hdr.msg_namelen = to.length;
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  return result(::sendmmsg(socket, messages.data(), static_cast<unsigned>(messages.size()), 0));
}

// In three parts, the first of them empty.
std::string send_parts(int socket, std::istream& words) {
  Address to = destination(words);
  std::string payload = payload_of(words);
  const std::size_t half = payload.size() / 2;
  std::array<iovec, 3> parts{iovec{payload.data(), 0}, iovec{payload.data(), half},
                             iovec{payload.data() + half, payload.size() - half}};
  msghdr message{};
  message.msg_name = to.get();
  message.msg_namelen = to.length;
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return result(::sendmsg(socket, &message, 0));
}

std::string read_some(int socket, std::istream& words, bool in_parts) {
  std::size_t room = 0;
  words >> room;
  std::string buffer(room, '.');
  const std::array<iovec, 2> parts{iovec{buffer.data(), room / 2},
                                   iovec{buffer.data() + room / 2, room - room / 2}};
  const ssize_t count =
      in_parts ? ::readv(socket, parts.data(), 2) : ::read(socket, buffer.data(), buffer.size());
  if (count < 0) return result(count);
  return std::to_string(count) + ' ' + shown(buffer.substr(0, static_cast<std::size_t>(count)));
}

std::string write_some(int socket, std::istream& words, bool in_parts) {
  std::string payload = payload_of(words);
  const std::size_t half = payload.size() / 2;
  const std::array<iovec, 2> parts{iovec{payload.data(), half},
                                   iovec{payload.data() + half, payload.size() - half}};
  return result(in_parts ? ::writev(socket, parts.data(), 2)
                         : ::write(socket, payload.data(), payload.size()));
}

std::string in_child(const std::function<std::string()>& call) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = call();
    ::_exit(::write(ends[1], said.data(), said.size()) < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  std::string said(256, '.');
  const ssize_t count = ::read(ends[0], said.data(), said.size());
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return said.substr(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
}

std::string open(const std::string& name, std::istream& words,
                 std::map<std::string, int>& sockets) {
  int family = 0;
  std::string more;
  words >> family >> more;
  const int type = SOCK_DGRAM | SOCK_CLOEXEC | (more == "nonblock" ? SOCK_NONBLOCK : 0);
  sockets[name] = ::socket(family == 6 ? AF_INET6 : AF_INET, type, 0);
  return sockets[name] >= 0 ? "open" : result(-1);
}

// Where `other` is bound, at loopback.
Address place_of(int other) {
  Address address;
  address.length = sizeof address.storage;
  ::getsockname(other, address.get(), &address.length);
  const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
  return address_of("127.0.0.1", ntohs(in->sin_port));
}

}  // namespace

std::optional<std::string> datagram_call(const std::string& verb, const std::string& name,
                                         std::istream& words, std::map<std::string, int>& sockets) {
  if (verb == "open-udp") return open(name, words, sockets);
  const int socket = sockets[name];
  if (verb == "send-to") {
    const Address to = destination(words);
    return send_to(socket, to, payload_of(words));
  }
  if (verb == "send-to-socket") {
    std::string other;
    words >> other;
    return send_to(socket, place_of(sockets[other]), payload_of(words));
  }
  if (verb == "child-sends-to") {
    const Address to = destination(words);
    const std::string payload = payload_of(words);
    return in_child([&] { return send_to(socket, to, payload); });
  }
  if (verb == "send-one") {
    const std::string payload = payload_of(words);
    return result(::send(socket, payload.data(), payload.size(), MSG_NOSIGNAL));
  }
  if (verb == "take") return take(socket, words);
  if (verb == "take-message") return take_message(socket, words);
  if (verb == "take-many") return take_many(socket, words);
  if (verb == "send-many-to") return send_many(socket, words);
  if (verb == "send-parts-to") return send_parts(socket, words);
  if (verb == "read") return read_some(socket, words, false);
  if (verb == "readv") return read_some(socket, words, true);
  if (verb == "write") return write_some(socket, words, false);
  if (verb == "writev") return write_some(socket, words, true);
  if (verb == "disconnect") {
    const sockaddr nobody{AF_UNSPEC, {}};
    return result(::connect(socket, &nobody, sizeof nobody));
  }
  if (verb == "silence") {  // nothing comes to be read
    pollfd in{socket, POLLIN, 0};
    return ::poll(&in, 1, patience_ms / 200) == 0 ? "silence" : "something";
  }
  return std::nullopt;
}
