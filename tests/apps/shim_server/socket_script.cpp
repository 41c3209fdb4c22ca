// Makes the socket calls it reads, one a line, and says what each returned. The tests give the
// same lines to it with the kernel's sockets and through the preloaded library, and compare.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/shim_server/datagram_calls.hpp"
#include "tests/apps/shim_server/script_address.hpp"

// NOLINTBEGIN(concurrency-mt-unsafe): one thread, and the old resolver functions are among the
// calls.
namespace {

constexpr int patience_ms = 10000;

std::map<std::string, int> sockets;

std::string events_text(unsigned events) {
  std::string text;
  for (const auto& [bit, name] :
       {std::pair{POLLIN, "IN"}, std::pair{POLLOUT, "OUT"}, std::pair{POLLERR, "ERR"},
        std::pair{POLLHUP, "HUP"}, std::pair{POLLRDHUP, "RDHUP"}}) {
    if ((events & static_cast<unsigned>(bit)) != 0)
      text += std::string{text.empty() ? "" : "+"} + name;
  }
  return text.empty() ? "nothing" : text;
}

unsigned bits_of(const std::string& events) {
  return static_cast<unsigned>((events.find("in") != std::string::npos ? POLLIN : 0) |
                               (events.find("out") != std::string::npos ? POLLOUT : 0) |
                               (events.find("hup") != std::string::npos ? POLLRDHUP : 0));
}

std::string await(int socket, const std::string& events) {
  pollfd wanted{socket, static_cast<short>(bits_of(events)), 0};
  // A pair that breaks says so a moment before there is room in it.
  for (int turn = 0; turn < patience_ms; ++turn) {
    if (::poll(&wanted, 1, patience_ms) != 1) break;
    if ((wanted.revents & wanted.events) != 0) {
      return events_text(static_cast<unsigned>(wanted.revents));
    }
  }
  return "nothing";
}

// The edge that a program which waits with epoll sees: registered first, then waited for.
std::map<int, int> epolls;
std::string watch(int socket) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLIN | EPOLLRDHUP | EPOLLET;
  const int done = ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
  epolls[socket] = epoll;
  epoll_event first{};
  ::epoll_wait(epoll, &first, 1, 0);  // how a fresh socket polls is told elsewhere
  return result(done);
}
std::string edge(int socket, unsigned wanted) {
  // Room to write may be told in between, or with it.
  for (;;) {
    epoll_event event{};
    if (::epoll_wait(epolls[socket], &event, 1, patience_ms) != 1) return "nothing";
    if ((event.events & wanted) != 0)
      return events_text(event.events & (wanted | POLLERR | POLLHUP));
  }
}

std::string receive(int socket, std::size_t wanted) {
  std::string got;
  while (got.size() < wanted) {
    char block[4096];
    const ssize_t count = ::recv(socket, block, std::min(sizeof block, wanted - got.size()), 0);
    if (count < 0 && errno == EAGAIN) {
      pollfd in{socket, POLLIN, 0};
      if (::poll(&in, 1, patience_ms) == 1) continue;
    }
    if (count <= 0) return got + ' ' + (count == 0 ? "end" : result(count));
    got.append(block, static_cast<std::size_t>(count));
  }
  return got;
}

std::string get_option(int socket, int level, int name) {
  unsigned char value[256] = {};
  socklen_t length = sizeof value;
  const int done = ::getsockopt(socket, level, name, value, &length);
  if (done != 0) return result(done);
  std::string text = "0";
  for (socklen_t i = 0; i < length; ++i) text += ' ' + std::to_string(value[i]);
  return text;
}

std::string set_option(int socket, int level, int name, std::istream& words) {
  unsigned char value[256] = {};
  socklen_t length = 0;
  for (int octet = 0; words >> octet;) value[length++] = static_cast<unsigned char>(octet);
  return result(::setsockopt(socket, level, name, value, length));
}

std::string resolve(const std::string& host, const std::string& service, int family) {
  addrinfo hints{};
  hints.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &list);
  if (error != 0) return ::gai_strerror(error);
  std::string text;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Address address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    text += text_of(address, false) + "; ";
  }
  ::freeaddrinfo(list);
  return text;
}

std::string host_by_name(const std::string& name) {
  const hostent* entry = ::gethostbyname(name.c_str());
  if (entry == nullptr) return "h_errno " + std::to_string(h_errno);
  std::string text = entry->h_name;
  for (char** at = entry->h_addr_list; *at != nullptr; ++at) {
    char host[INET6_ADDRSTRLEN];
    text += std::string{" "} + ::inet_ntop(entry->h_addrtype, *at, host, sizeof host);
  }
  return text;
}

std::string name_of(const std::string& host, int flags) {
  Address address = address_of(host, 80);
  char name[256];
  const int error =
      ::getnameinfo(address.get(), address.length, name, sizeof name, nullptr, 0, flags);
  return error == 0 ? name : ::gai_strerror(error);
}

std::string execute(const std::string& path, char* const* environment) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execle(path.c_str(), path.c_str(), nullptr, environment);
    ::_exit(errno == EACCES ? 126 : 127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return std::to_string(WEXITSTATUS(status));
}

std::string carry_out(const std::string& verb, std::istringstream& words) {
  std::string name;
  words >> name;
  if (verb == "open") {
    int family = 0;
    std::string more;
    words >> family >> more;
    const int type = SOCK_STREAM | (more == "nonblock" ? SOCK_NONBLOCK : 0);
    sockets[name] = ::socket(family == 6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    return sockets[name] >= 0 ? "open" : result(-1);
  }
  if (verb == "socket") {  // by numbers, for what is refused
    int type = 0;
    int protocol = 0;
    words >> type >> protocol;
    const int made = ::socket(std::stoi(name), type, protocol);
    if (made >= 0) ::close(made);
    return made >= 0 ? "open" : result(made);
  }
  if (verb == "resolve") {
    std::string service;
    int family = 0;
    words >> service >> family;
    return resolve(name, service, family);
  }
  if (verb == "hostbyname") return host_by_name(name);
  if (verb == "nameof") {
    int flags = 0;
    words >> flags;
    return name_of(name, flags);
  }
  if (verb == "execute") return execute(name, environ);
  if (verb == "execute-bare") {
    char* nothing[] = {nullptr};
    return execute(name, nothing);
  }
  if (const auto said = datagram_call(verb, name, words, sockets)) return *said;
  const int socket = sockets[name];
  if (verb == "connect") {
    std::string host;
    int port = 0;
    words >> host >> port;
    Address address = address_of(host, port);
    return result(::connect(socket, address.get(), address.length));
  }
  if (verb == "connect-to") {  // where another socket of this script is
    std::string other;
    words >> other;
    Address address;
    address.length = sizeof address.storage;
    ::getsockname(sockets[other], address.get(), &address.length);
    return result(::connect(socket, address.get(), address.length));
  }
  if (verb == "listen") return result(::listen(socket, 16));
  if (verb == "accept") {
    std::string other;
    words >> other;
    Address address;
    address.length = sizeof address.storage;
    sockets[other] = ::accept4(socket, address.get(), &address.length, SOCK_CLOEXEC);
    return sockets[other] >= 0 ? "from " + text_of(address, true) : result(-1);
  }
  if (verb == "connect-short") {
    Address address = address_of("127.0.0.1", 1);
    return result(::connect(socket, address.get(), 7));
  }
  if (verb == "bind") {
    std::string host;
    int port = 0;
    words >> host >> port;
    Address address = address_of(host, port);
    return result(::bind(socket, address.get(), address.length));
  }
  std::string word;
  if (verb == "await") return words >> word, await(socket, word);
  if (verb == "watch") return watch(socket);
  if (verb == "edge") return words >> word, edge(socket, bits_of(word));
  if (verb == "send") {
    words >> word;
    return result(::send(socket, word.data(), word.size(), MSG_NOSIGNAL));
  }
  if (verb == "send-many") {  // until all is taken
    std::size_t left = 0;
    words >> left;
    const std::string block(65536, 'x');
    while (left > 0) {
      const ssize_t count =
          ::send(socket, block.data(), std::min(left, block.size()), MSG_NOSIGNAL);
      if (count < 0) return result(count);
      left -= static_cast<std::size_t>(count);
    }
    return "all";
  }
  if (verb == "urgent") return result(::send(socket, "x", 1, MSG_OOB | MSG_NOSIGNAL));
  if (verb == "recv") {
    std::size_t count = 0;
    words >> count;
    return receive(socket, count);
  }
  if (verb == "count") {  // how much came until the end
    std::size_t count = 0;
    words >> count;
    const std::string got = receive(socket, count);
    return std::to_string(got.size());
  }
  if (verb == "shutdown") {
    words >> word;
    return result(::shutdown(socket, word == "r" ? SHUT_RD : word == "w" ? SHUT_WR : SHUT_RDWR));
  }
  if (verb == "dup") {
    words >> word;
    sockets[word] = ::dup(socket);
    return sockets[word] >= 0 ? "open" : result(-1);
  }
  if (verb == "close") return result(::close(socket));
  Address address;
  address.length = sizeof address.storage;
  if (verb == "peerhost") {
    const int done = ::getpeername(socket, address.get(), &address.length);
    return done == 0 ? text_of(address, true) : result(done);
  }
  if (verb == "peername") {
    const int done = ::getpeername(socket, address.get(), &address.length);
    return done == 0 ? text_of(address, false) : result(done);
  }
  if (verb == "sockname") {
    const int done = ::getsockname(socket, address.get(), &address.length);
    return done == 0 ? text_of(address, true) : result(done);
  }
  int level = 0;
  int option = 0;
  words >> level >> option;
  if (verb == "get") return get_option(socket, level, option);
  if (verb == "set") return set_option(socket, level, option, words);
  return "no such command";
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words{line};
    std::string verb;
    if (words >> verb) std::cout << line << ": " << carry_out(verb, words) << std::endl;
  }
}
// NOLINTEND(concurrency-mt-unsafe)
