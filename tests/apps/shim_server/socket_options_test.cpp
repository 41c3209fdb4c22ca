#include "apps/shim_server/socket_options.hpp"

#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace godwit::shim {
namespace {

ByteString bytes_of(int value) {
  ByteString bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

int get(const SocketOptions& options, int level, int name) {
  const auto said =
      options.get(static_cast<std::uint32_t>(level), static_cast<std::uint32_t>(name));
  const auto* value = std::get_if<ByteString>(&said);
  int number = -1;
  if (value != nullptr && value->size() == sizeof number)
    std::memcpy(&number, value->data(), sizeof number);
  return number;
}

struct Case {
  int level;
  int name;
};
const Case shared[] = {
    {SOL_SOCKET, SO_REUSEADDR},      {SOL_SOCKET, SO_REUSEPORT},   {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_SNDBUF},         {SOL_SOCKET, SO_RCVBUF},      {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_KEEPIDLE},     {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_IP, IP_TOS}};

// C7: each value is set here and on a socket of the kernel, and what is said then is the same.
TEST(SocketOptions, SayWhatTheKernelSays) {
  for (const Case& option : shared) {
    for (const int value : {0, 1, 2, 3, 16, 100, 184, 255, 256, 4608, 40000, -1}) {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      ASSERT_GE(socket, 0);
      SocketOptions options{IpFamily::V4, Transport::Stream};
      const int kernel =
          ::setsockopt(socket, option.level, option.name, &value, sizeof value) == 0 ? 0 : errno;
      const int ours = options.set(static_cast<std::uint32_t>(option.level),
                                   static_cast<std::uint32_t>(option.name), bytes_of(value));
      EXPECT_EQ(ours, kernel) << option.level << ' ' << option.name << " = " << value;
      int kernel_value = 0;
      socklen_t length = sizeof kernel_value;
      ::getsockopt(socket, option.level, option.name, &kernel_value, &length);
      ::close(socket);
      // Buffers as large as may be are as large as this host's settings say.
      const bool is_size = option.name == SO_SNDBUF || option.name == SO_RCVBUF;
      if (kernel == 0 && !(is_size && value < 0)) {
        EXPECT_EQ(get(options, option.level, option.name), kernel_value)
            << option.level << ' ' << option.name << " = " << value;
      }
    }
  }
}

TEST(SocketOptions, UnknownOnesAreRefusedNeverTakenInSilence) {
  SocketOptions options{IpFamily::V4, Transport::Stream};
  for (const auto& [level, name] :
       {Case{SOL_SOCKET, SO_BINDTODEVICE}, Case{SOL_SOCKET, SO_MARK},
        Case{IPPROTO_TCP, TCP_FASTOPEN}, Case{IPPROTO_TCP, TCP_CORK}, Case{IPPROTO_IP, IP_TTL},
        Case{IPPROTO_IP, IP_RECVERR}, Case{IPPROTO_IPV6, IPV6_V6ONLY}, Case{12345, 1}}) {
    const auto as_level = static_cast<std::uint32_t>(level);
    const auto as_name = static_cast<std::uint32_t>(name);
    EXPECT_EQ(options.set(as_level, as_name, bytes_of(1)), ENOPROTOOPT) << level << ' ' << name;
    EXPECT_EQ(std::get<int>(options.get(as_level, as_name)), ENOPROTOOPT) << level << ' ' << name;
  }
}

// C7: what the stack does not do for datagrams is refused on their sockets.
TEST(SocketOptions, DatagramsHaveTheirOwn) {
  SocketOptions options{IpFamily::V6, Transport::Datagram};
  EXPECT_EQ(get(options, SOL_SOCKET, SO_RCVBUF), 212992);
  EXPECT_EQ(get(options, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
  EXPECT_EQ(options.set(IPPROTO_IPV6, IPV6_V6ONLY, bytes_of(1)), 0);
  EXPECT_TRUE(options.only_v6());
  for (const auto& [level, name] :
       {Case{IPPROTO_IP, IP_TOS}, Case{IPPROTO_IPV6, IPV6_TCLASS}, Case{IPPROTO_TCP, TCP_NODELAY},
        Case{SOL_SOCKET, SO_BROADCAST}, Case{IPPROTO_IP, IP_PKTINFO}}) {
    EXPECT_EQ(options.set(static_cast<std::uint32_t>(level), static_cast<std::uint32_t>(name),
                          bytes_of(1)),
              ENOPROTOOPT)
        << level << ' ' << name;
  }
}

TEST(SocketOptions, TooFewOctetsAreInvalid) {
  SocketOptions options{IpFamily::V4, Transport::Stream};
  const ByteString one{1};
  EXPECT_EQ(options.set(IPPROTO_TCP, TCP_NODELAY, one), EINVAL);
  EXPECT_EQ(options.set(SOL_SOCKET, SO_LINGER, bytes_of(1)), EINVAL);
  EXPECT_EQ(options.set(IPPROTO_IP, IP_TOS, one), 0) << "one octet is enough for this one";
}

TEST(SocketOptions, TellTheStackWhatItCanDo) {
  SocketOptions options{IpFamily::V4, Transport::Stream};
  EXPECT_FALSE(options.for_channel().no_delay);
  EXPECT_FALSE(options.closes_with_reset());
  EXPECT_EQ(options.set(IPPROTO_TCP, TCP_NODELAY, bytes_of(1)), 0);
  EXPECT_EQ(options.set(IPPROTO_IP, IP_TOS, bytes_of(0xb8)), 0);
  ByteString linger = bytes_of(1);
  linger.resize(8);
  EXPECT_EQ(options.set(SOL_SOCKET, SO_LINGER, linger), 0);
  EXPECT_TRUE(options.for_channel().no_delay);
  EXPECT_EQ(options.for_channel().traffic_class, 0xb8);
  EXPECT_TRUE(options.closes_with_reset());
  EXPECT_EQ(get(options, SOL_SOCKET, SO_DOMAIN), AF_INET);
  EXPECT_EQ(get(options, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
}

// By the names that Linux has; what nobody has chosen is the stack's own choice.
TEST(SocketOptions, CongestionControlIsChosenByName) {
  SocketOptions options{IpFamily::V6, Transport::Stream, Congestion::Bbr};
  const auto set = [&](std::string_view name) {
    return options.set(IPPROTO_TCP, TCP_CONGESTION,
                       Bytes{reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
  };
  const auto said = [&] {
    const auto value = std::get<ByteString>(options.get(IPPROTO_TCP, TCP_CONGESTION));
    EXPECT_EQ(value.size(), 16u);
    return std::string{reinterpret_cast<const char*>(value.data())};
  };
  EXPECT_EQ(said(), "bbr");
  EXPECT_FALSE(options.for_channel().congestion);
  EXPECT_EQ(set("reno"), 0);
  EXPECT_EQ(said(), "reno");
  EXPECT_EQ(options.for_channel().congestion, Congestion::Reno);
  EXPECT_EQ(set("vegas"), ENOENT);
  EXPECT_EQ(set(""), ENOENT);
  EXPECT_EQ(said(), "reno");
}

}  // namespace
}  // namespace godwit::shim
