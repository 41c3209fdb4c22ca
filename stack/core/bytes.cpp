#include "stack/core/bytes.hpp"

#include <array>

namespace godwit {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += hex_digits[byte >> 4];
    text += hex_digits[byte & 0x0f];
  }
  return text;
}

Result<ByteString> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return Error{Errc::Malformed, "hexadecimal text of odd length"};
  ByteString bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return Error{Errc::Malformed, "not a hexadecimal digit"};
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::string to_base64(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = std::uint32_t{bytes[i]} << 16;
    if (have > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
    if (have > 2) group |= bytes[i + 2];
    for (std::size_t digit = 0; digit < 4; ++digit) {
      text += digit <= have ? base64_digits[group >> (18 - 6 * digit) & 0x3f] : '=';
    }
  }
  return text;
}

Result<ByteString> from_base64(std::string_view text) {
  if (text.size() % 4 != 0)
    return Error{Errc::Malformed, "base64 text of a length no encoder makes"};
  ByteString bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding =
        last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
    std::uint32_t group = 0;
    for (std::size_t digit = 0; digit < 4; ++digit) {
      std::size_t value = 0;
      if (digit < 4 - padding) {
        value = base64_digits.find(text[i + digit]);
        if (value == std::string_view::npos) return Error{Errc::Malformed, "not a base64 digit"};
      }
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t octet = 0; octet < 3 - padding; ++octet) {
      bytes.push_back(static_cast<std::uint8_t>(group >> (16 - 8 * octet)));
    }
    if ((group & ((1u << 8 * padding) - 1)) != 0) {
      return Error{Errc::Malformed, "base64 text with bits after its end"};
    }
  }
  return bytes;
}

}  // namespace godwit
