#include "ipsec/crypto/sha1.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace godwit {
namespace {

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The examples of FIPS 180, appendices A.1 and A.2.
TEST(Sha1, AgreesWithTheStandard) {
  EXPECT_EQ(to_hex(sha1({bytes_of("abc")})), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(sha1({bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklm"),
                         bytes_of("klmnlmnomnopnopq")})),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

}  // namespace
}  // namespace godwit
