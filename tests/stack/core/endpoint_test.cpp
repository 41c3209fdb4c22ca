#include "stack/core/endpoint.hpp"

#include <gtest/gtest.h>

#include "stack/core/address_rewrite.hpp"

namespace godwit {
namespace {

TEST(Endpoint, ReadsAndWritesText) {
  EXPECT_EQ(to_string(*Endpoint::parse("192.0.2.7:80")), "192.0.2.7:80");
  EXPECT_EQ(to_string(*Endpoint::parse("[2001:db8::1]:443")), "[2001:db8::1]:443");
  for (const char* bad : {"192.0.2.7", "192.0.2.7:", "192.0.2.7:65536", "2001:db8::1:80", ":80",
                          "[::1]", "[::1]80", "192.0.2.7:8o"}) {
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
  }
}

// S9, S11: a rewrite touches the side it names and the address it names, nothing else.
TEST(AddressRewrite, ChangesOneAddressOfTheFlow) {
  const auto a = *IpAddress::parse("192.0.2.7");
  const auto b = *IpAddress::parse("198.51.100.9");
  const auto peer = *IpAddress::parse("203.0.113.5");
  const FiveTuple flow{IpProtocol::Tcp, {a, 40000}, {peer, 80}};
  EXPECT_EQ((AddressRewrite{Side::Local, a, b}.applied_to(flow)),
            (FiveTuple{IpProtocol::Tcp, {b, 40000}, {peer, 80}}));
  EXPECT_EQ((AddressRewrite{Side::Remote, a, b}.applied_to(flow)), flow);
  EXPECT_EQ((AddressRewrite{Side::Remote, peer, b}.applied_to(flow)),
            (FiveTuple{IpProtocol::Tcp, {a, 40000}, {b, 80}}));
}

}  // namespace
}  // namespace godwit
