#include "apps/node/config_editor.hpp"

#include <nlohmann/json.hpp>

#include "apps/node/config_parser.hpp"
#include "apps/node/file.hpp"
#include "apps/node/json_scanner.hpp"

namespace godwit {
namespace {

using Kind = JsonToken::Kind;

constexpr std::string_view one_level = "  ";
constexpr std::size_t largest_config = 1024 * 1024;

std::string quoted(const std::string& text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string quoted(const std::vector<std::string>& list) {
  std::string text = "[";
  for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? "" : ", ") + quoted(list[i]);
  return text + ']';
}

// As JSON has them: no sign, and no zero in front.
bool is_number(const std::string& text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit) &&
         (text.size() == 1 || text.front() != '0');
}

// Between an opening bracket and the one that closes it, as indices into the tokens.
struct Span {
  std::size_t open;
  std::size_t close;
  bool is_empty() const { return close == open + 1; }
};

class Edit {
 public:
  Edit(std::string_view text, const std::vector<JsonToken>& tokens)
      : text_{text}, tokens_{tokens} {}

  // The bracket that closes the one at `open`.
  std::optional<Span> span_at(std::size_t open) const {
    std::size_t depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      if (tokens_[i].kind == Kind::Open) ++depth;
      if (tokens_[i].kind == Kind::Close && --depth == 0) return Span{open, i};
    }
    return std::nullopt;
  }

  // The token behind "key": in an object, if the key is there.
  std::optional<std::size_t> value_of(const Span& object, std::string_view key) const {
    const std::string quoted = '"' + std::string{key} + '"';
    std::size_t depth = 0;
    for (std::size_t i = object.open; i + 2 < object.close; ++i) {
      if (tokens_[i].kind == Kind::Open) ++depth;
      if (tokens_[i].kind == Kind::Close) --depth;
      if (depth == 1 && tokens_[i].kind == Kind::String && tokens_[i + 1].kind == Kind::Colon &&
          text_of(i) == quoted) {
        return i + 2;
      }
    }
    return std::nullopt;
  }

  // `item` behind the last one of the span, on a line of its own where the span has lines.
  std::string with_item(const Span& span, std::string_view item) const {
    const std::size_t closing = tokens_[span.close].begin;
    const std::size_t last_end = tokens_[span.close - 1].end;
    const std::string closing_indent = indent_at(closing);
    std::string out{text_.substr(0, last_end)};
    if (!span.is_empty()) out += ',';
    if (stands_first_on_its_line(closing)) {
      const std::size_t line = line_start(closing);
      out += text_.substr(last_end, line - last_end);
      out += item_indent(span) + std::string{item} + '\n';
      out += text_.substr(line);
    } else if (span.is_empty()) {
      out += '\n' + item_indent(span) + std::string{item} + '\n' + closing_indent;
      out += text_.substr(last_end);
    } else {
      out += ' ' + std::string{item};
      out += text_.substr(last_end);
    }
    return out;
  }

  std::string_view text_of(std::size_t token) const {
    return text_.substr(tokens_[token].begin, tokens_[token].end - tokens_[token].begin);
  }

 private:
  std::size_t line_start(std::size_t at) const {
    const std::size_t newline = text_.substr(0, at).rfind('\n');
    return newline == std::string_view::npos ? 0 : newline + 1;
  }
  bool stands_first_on_its_line(std::size_t at) const {
    const std::size_t start = line_start(at);
    return start > 0 &&
           text_.substr(start, at - start).find_first_not_of(" \t") == std::string_view::npos;
  }
  std::string indent_at(std::size_t at) const {
    const std::size_t start = line_start(at);
    const std::size_t end = std::min(text_.find_first_not_of(" \t", start), at);
    return std::string{text_.substr(start, end - start)};
  }
  // As the items that are there, else one level deeper than the bracket.
  std::string item_indent(const Span& span) const {
    const std::size_t first = tokens_[span.open + 1].begin;
    if (!span.is_empty() && stands_first_on_its_line(first)) return indent_at(first);
    return indent_at(tokens_[span.close].begin) + std::string{one_level};
  }

  std::string_view text_;
  const std::vector<JsonToken>& tokens_;
};

}  // namespace

Outcome<std::string> with_element_added(std::string_view text, std::string_view key,
                                        std::string_view element) {
  const auto tokens = scan_json(text);
  if (!tokens) return Problem{tokens.problem()};
  const Edit edit{text, *tokens};
  if (tokens->empty() || edit.text_of(0) != "{") return Problem{"no object {...}"};
  const auto object = edit.span_at(0);
  if (!object) return Problem{"an object without an end"};
  const auto value = edit.value_of(*object, key);
  if (!value) {
    return edit.with_item(*object, '"' + std::string{key} + "\": [\n" + std::string{one_level} +
                                       std::string{one_level} + std::string{element} + '\n' +
                                       std::string{one_level} + ']');
  }
  const auto array = edit.text_of(*value) == "[" ? edit.span_at(*value) : std::nullopt;
  if (!array) return Problem{'"' + std::string{key} + "\" is not a list [...]"};
  return edit.with_item(*array, element);
}

Outcome<Config> add_to_config_file(const std::string& file, std::string_view key,
                                   std::string_view element) {
  const auto lock = FolderLock::take(folder_of(file));
  if (!lock) return Problem{lock.problem()};
  const auto before = read_file(file, largest_config);
  if (!before) return Problem{before.problem()};
  // What was wrong before is not this change's fault, and says so by itself.
  if (auto valid = parse_config(*before, file); !valid) return valid;
  const auto after = with_element_added(*before, key, element);
  if (!after) return Problem{file + ": " + after.problem()};
  auto config = parse_config(*after, file);
  if (!config) return config;
  if (const auto replaced = replace_file(file, *after); !replaced) {
    return Problem{replaced.problem()};
  }
  return config;
}

std::string peer_element(const std::string& name, const std::string& key,
                         const std::vector<std::string>& addresses) {
  std::string element = "{\"name\": " + quoted(name);
  if (!addresses.empty()) element += ", \"addresses\": " + quoted(addresses);
  return element + ", \"key\": " + quoted(key) + '}';
}

std::string publish_element(const PublishWords& words) {
  std::string element = "{\"port\": ";
  element += is_number(words.port) ? words.port : quoted(words.port);
  element += ", \"to\": " + quoted(words.to);
  if (words.udp) element += ", \"protocol\": \"udp\"";
  if (!words.peers.empty()) element += ", \"peers\": " + quoted(words.peers);
  if (words.proxy_protocol) element += ", \"proxy_protocol\": \"v2\"";
  return element + '}';
}

std::string forward_element(const std::string& listen, const std::string& to) {
  return "{\"listen\": " + quoted(listen) + ", \"to\": " + quoted(to) + '}';
}

}  // namespace godwit
