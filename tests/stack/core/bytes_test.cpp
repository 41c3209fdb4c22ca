#include "stack/core/bytes.hpp"

#include <gtest/gtest.h>

#include "stack/core/byte_reader.hpp"
#include "stack/core/byte_writer.hpp"
#include "stack/core/sequence.hpp"

namespace godwit {
namespace {

TEST(Hex, GoesThereAndBack) {
  const ByteString bytes{0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(to_hex(bytes), "000fa5ff");
  EXPECT_EQ(*from_hex("000FA5ff"), bytes);
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(from_hex("0g"));
}

// The vectors of RFC 4648 section 10.
TEST(Base64, AgreesWithTheStandard) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    const std::string_view text = plain;
    const ByteString bytes(text.begin(), text.end());
    EXPECT_EQ(to_base64(bytes), coded);
    const auto decoded = from_base64(coded);
    ASSERT_TRUE(decoded) << coded;
    EXPECT_EQ(*decoded, bytes);
  }
  for (const char* bad : {"Z", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9$", "Zh=="}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
}

TEST(ByteReader, StaysFailedOnceItRanOut) {
  const ByteString bytes{1, 2, 3};
  ByteReader in{bytes};
  EXPECT_EQ(in.read<std::uint16_t>(), 0x0102);
  EXPECT_EQ(in.read<std::uint16_t>(), 0);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.read<std::uint8_t>(), 0);
  EXPECT_FALSE(in.finished());
}

TEST(ByteWriter, PatchesALengthWhenItIsClosed) {
  ByteString out;
  ByteWriter writer{out};
  const std::size_t start = writer.size();
  writer.write(std::uint8_t{7});
  LengthField<std::uint16_t> length{writer, start};
  writer.write(std::uint32_t{0xdeadbeef});
  length.close();
  EXPECT_EQ(to_hex(out), "070007deadbeef");
}

TEST(Sequence, ComparesAcrossTheWrap) {
  EXPECT_TRUE(sequence_before(1, 2));
  EXPECT_FALSE(sequence_before(2, 2));
  EXPECT_TRUE(sequence_before(0xfffffff0, 3));
  EXPECT_FALSE(sequence_before(3, 0xfffffff0));
}

}  // namespace
}  // namespace godwit
