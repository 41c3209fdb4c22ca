// How the configuration calls hosts and peers.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace godwit {

// Letters, digits, '.', '-' and '_': what a DNS name has (RFC 1123 section 2.1; '_' is found in the
// wild), without saying that DNS knows it.
inline bool is_host_name(std::string_view text) {
  constexpr std::size_t longest = 253;  // RFC 1035 section 2.3.4, as text
  const auto allowed = [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '.' || letter == '-' || letter == '_';
  };
  return !text.empty() && text.size() <= longest && std::all_of(text.begin(), text.end(), allowed);
}

// Names have no case (RFC 4343).
inline std::string lower(std::string_view text) {
  std::string result{text};
  for (char& letter : result) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return result;
}

}  // namespace godwit
