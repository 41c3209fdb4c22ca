#include "ipsec/crypto/secret.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace godwit {
namespace {

const ByteString octets{1, 2, 3};

TEST(SecretBytes, IsCopiedByNameOnly) {
  static_assert(!std::is_copy_constructible_v<SecretBytes> &&
                !std::is_copy_assignable_v<SecretBytes>);
  const SecretBytes secret = SecretBytes::copy_of(octets);
  const SecretBytes copy = secret.copy();
  EXPECT_TRUE(equal_in_constant_time(secret.bytes(), copy.bytes()));
  EXPECT_NE(secret.bytes().data(), copy.bytes().data());
}

TEST(SecretBytes, MovesWithoutLeavingAnythingBehind) {
  SecretBytes from = SecretBytes::copy_of(octets);
  const SecretBytes to = std::move(from);
  // NOLINTBEGIN(bugprone-use-after-move, clang-analyzer-cplusplus.Move): what the test is about
  EXPECT_TRUE(from.empty());
  EXPECT_TRUE(from.bytes().empty());
  // NOLINTEND(bugprone-use-after-move, clang-analyzer-cplusplus.Move)
  EXPECT_TRUE(equal_in_constant_time(to.bytes(), octets));
}

TEST(SecretBytes, IsWipedWhenItIsOverwritten) {
  SecretBytes secret = SecretBytes::copy_of(octets);
  secret = SecretBytes{5};
  EXPECT_EQ(secret.size(), 5u);
  for (const std::uint8_t octet : secret.bytes()) EXPECT_EQ(octet, 0);
}

TEST(SecretBytes, MayBeEmpty) {
  const SecretBytes nothing;
  EXPECT_TRUE(nothing.empty());
  EXPECT_TRUE(nothing.copy().empty());
}

TEST(EqualInConstantTime, ComparesContentsAndLengths) {
  EXPECT_TRUE(equal_in_constant_time({}, {}));
  EXPECT_TRUE(equal_in_constant_time(octets, ByteString{1, 2, 3}));
  EXPECT_FALSE(equal_in_constant_time(octets, ByteString{1, 2, 4}));
  EXPECT_FALSE(equal_in_constant_time(octets, ByteString{1, 2}));
  EXPECT_FALSE(equal_in_constant_time(octets, ByteString{1, 2, 3, 0}));
}

TEST(Wipe, OverwritesWithZeros) {
  ByteString bytes = octets;
  wipe(bytes);
  EXPECT_EQ(bytes, ByteString(3, 0));
}

}  // namespace
}  // namespace godwit
