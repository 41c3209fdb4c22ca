#include "apps/node/json_scanner.hpp"

namespace godwit {
namespace {

constexpr std::string_view white = " \t\r\n";
constexpr std::string_view structural = "{}[],:\"/ \t\r\n";

// Where the comment that starts at `at` ends; npos: nowhere.
std::size_t end_of_comment(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) == "//") {
    const std::size_t end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end;
  }
  const std::size_t end = text.find("*/", at + 2);
  return end == std::string_view::npos ? end : end + 2;
}

std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

JsonToken::Kind kind_of(char first) {
  switch (first) {
    case '{':
    case '[': return JsonToken::Kind::Open;
    case '}':
    case ']': return JsonToken::Kind::Close;
    case ',': return JsonToken::Kind::Comma;
    case ':': return JsonToken::Kind::Colon;
    case '"': return JsonToken::Kind::String;
    default: return JsonToken::Kind::Word;
  }
}

}  // namespace

Outcome<std::vector<JsonToken>> scan_json(std::string_view text) {
  std::vector<JsonToken> tokens;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(white, at)) != std::string_view::npos) {
    if (text.substr(at, 2) == "//" || text.substr(at, 2) == "/*") {
      at = end_of_comment(text, at);
      if (at == std::string_view::npos) return Problem{"a comment without an end"};
      continue;
    }
    JsonToken token{kind_of(text[at]), at, at + 1};
    if (token.kind == JsonToken::Kind::String) {
      token.end = end_of_string(text, at);
      if (token.end == std::string_view::npos) return Problem{"a text without an end"};
    } else if (token.kind == JsonToken::Kind::Word) {
      token.end = std::min(text.size(), text.find_first_of(structural, at + 1));
    }
    tokens.push_back(token);
    at = token.end;
  }
  return tokens;
}

}  // namespace godwit
