#include "apps/publish/proxy_protocol.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

Endpoint at(const char* text) { return *Endpoint::parse(text); }

// Octet by octet as the format's description counts them.
TEST(ProxyProtocol, IntroducesAPeer) {
  EXPECT_EQ(to_hex(proxy_protocol_header(at("192.0.2.1:40000"), at("198.51.100.2:22"), "desk")),
            "0d0a0d0a000d0a515549540a"  // signature
            "2111"
            "0013"  // version 2, PROXY; TCP over IPv4; 19 octets follow
            "c0000201"
            "c6336402"
            "9c40"
            "0016"
            "e0"
            "0004"
            "6465736b");
  EXPECT_EQ(to_hex(proxy_protocol_header(at("[2001:db8::1]:1"), at("[2001:db8::2]:2"), "")),
            "0d0a0d0a000d0a515549540a"
            "2121"
            "0024"
            "20010db8000000000000000000000001"
            "20010db8000000000000000000000002"
            "0001"
            "0002");
}

}  // namespace
}  // namespace godwit
