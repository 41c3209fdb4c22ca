#include "tests/stack/tcpip/tcp_script.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

namespace godwit::test {
namespace {

struct Problem {
  std::string what;
};

// The words of one line; brackets hold theirs together.
class Words {
 public:
  explicit Words(std::string_view line) : rest_{line} {}

  bool at_end() {
    skip();
    return rest_.empty();
  }
  std::string_view next() {
    skip();
    std::size_t length = 0;
    if (rest_.starts_with('[') || (rest_.starts_with('<') && rest_.size() > 1 && rest_[1] != ' ')) {
      length = rest_.find(rest_[0] == '[' ? ']' : '>');
      if (length == std::string_view::npos) throw Problem{"a bracket is not closed"};
      ++length;
    } else {
      length = std::min(rest_.find_first_of(" \t"), rest_.size());
    }
    const auto word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return word;
  }
  std::string_view need(std::string_view what) {
    if (at_end()) throw Problem{std::string{what} + " is missing"};
    return next();
  }
  bool take(std::string_view word) {
    skip();
    const bool is_it =
        rest_.starts_with(word) && (rest_.size() == word.size() || rest_[word.size()] == ' ');
    if (is_it) rest_.remove_prefix(word.size());
    return is_it;
  }

 private:
  void skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }
  std::string_view rest_;
};

template <class T>
T number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    throw Problem{"'" + std::string{text} + "' is no number that fits here"};
  }
  return value;
}

Duration seconds(std::string_view text) {
  try {
    std::size_t used = 0;
    const double value = std::stod(std::string{text}, &used);
    if (used == text.size() && value >= 0) {
      return Duration{static_cast<Duration::rep>(std::llround(value * 1e6))};
    }
  } catch (const std::exception&) {}
  throw Problem{"'" + std::string{text} + "' is no time in seconds"};
}

// "+0", "+.04" or "+.01~+.03".
void read_time(std::string_view text, TcpEvent& event) {
  const std::size_t between = text.find('~');
  const auto part = [](std::string_view one) {
    if (!one.starts_with('+')) throw Problem{"a time begins with '+'"};
    return seconds(one.substr(1));
  };
  event.after = part(text.substr(0, between));
  if (between != std::string_view::npos) event.to = part(text.substr(between + 1));
}

std::uint8_t read_flags(std::string_view text) {
  static const std::map<char, std::uint8_t> flags{
      {'F', 0x01}, {'S', 0x02}, {'R', 0x04}, {'P', 0x08}, {'.', 0x10}, {'E', 0x40}, {'C', 0x80}};
  std::uint8_t value = 0;
  for (const char letter : text) {
    const auto found = flags.find(letter);
    if (found == flags.end()) throw Problem{"'" + std::string{text} + "' has a flag that is none"};
    value |= found->second;
  }
  return value;
}

std::uint8_t read_codepoint(std::string_view text) {
  static const std::map<std::string_view, std::uint8_t> names{
      {"[noecn]", 0}, {"[ect1]", 1}, {"[ect0]", 2}, {"[ce]", 3}};
  const auto found = names.find(text);
  if (found == names.end()) throw Problem{std::string{text} + " is no codepoint of ECN"};
  return found->second;
}

// "<mss 1460,sackOK,wscale 7,TS val 1 ecr 0,sack 1:2 3:4>"; padding is nobody's concern.
TcpOptions read_options(std::string_view text) {
  TcpOptions options;
  std::istringstream parts{std::string{text.substr(1, text.size() - 2)}};
  for (std::string part; std::getline(parts, part, ',');) {
    Words words{part};
    const auto name = words.need("an option");
    if (name == "mss") {
      options.mss = number<std::uint16_t>(words.need("the size"));
    } else if (name == "sackOK") {
      options.sack_permitted = true;
    } else if (name == "wscale") {
      options.window_scale = number<std::uint8_t>(words.need("the scale"));
    } else if (name == "TS") {
      if (!words.take("val")) throw Problem{"TS val N ecr N"};
      const auto value = number<std::uint32_t>(words.need("val"));
      if (!words.take("ecr")) throw Problem{"TS val N ecr N"};
      options.timestamps = {value, number<std::uint32_t>(words.need("ecr"))};
    } else if (name == "sack") {
      while (!words.at_end()) {
        const auto block = words.next();
        const std::size_t colon = block.find(':');
        if (colon == std::string_view::npos) throw Problem{"sack BEGIN:END"};
        options.blocks.push_back({number<std::uint32_t>(block.substr(0, colon)),
                                  number<std::uint32_t>(block.substr(colon + 1))});
      }
    } else if (name != "nop" && name != "eol") {
      throw Problem{"option '" + std::string{name} + "'"};
    }
    if (!words.at_end()) throw Problem{"more than an option in '" + part + "'"};
  }
  return options;
}

// "[ce] P. 1:1001(1000) ack 1 win 257 <...>"
TcpSegment read_segment(Words& words, std::optional<std::size_t>* count) {
  TcpSegment segment;
  auto word = words.need("flags");
  if (word.starts_with('[')) {
    segment.codepoint = read_codepoint(word);
    word = words.need("flags");
  }
  segment.flags = read_flags(word);
  const auto range = words.need("BEGIN:END(LENGTH)");
  const std::size_t colon = range.find(':'), open = range.find('(');
  if (colon == std::string_view::npos || open == std::string_view::npos || !range.ends_with(')')) {
    throw Problem{"'" + std::string{range} + "' is not BEGIN:END(LENGTH)"};
  }
  segment.begin = number<std::uint32_t>(range.substr(0, colon));
  segment.end = number<std::uint32_t>(range.substr(colon + 1, open - colon - 1));
  const auto length = number<std::uint32_t>(range.substr(open + 1, range.size() - open - 2));
  if (segment.length() != length) throw Problem{std::string{range} + " has another length"};
  while (!words.at_end()) {
    const auto name = words.next();
    if (name == "ack") {
      segment.ack = number<std::uint32_t>(words.need("the number"));
    } else if (name == "win") {
      segment.window = number<std::uint32_t>(words.need("the window"));
    } else if (name == "in" && count != nullptr) {
      *count = number<std::size_t>(words.need("how many"));
    } else if (name.starts_with('<')) {
      segment.options = read_options(name);
    } else {
      throw Problem{"'" + std::string{name} + "' in a segment"};
    }
  }
  return segment;
}

Call read_call(std::string_view name, Words& words) {
  using Kind = Call::Kind;
  static const std::map<std::string_view, Kind> plain{
      {"listen", Kind::Listen},     {"accept", Kind::Accept}, {"connect", Kind::Connect},
      {"shutdown", Kind::Shutdown}, {"close", Kind::Close},   {"abort", Kind::Abort}};
  if (const auto found = plain.find(name); found != plain.end()) return {found->second};
  if (name == "write") return {Kind::Write, number<std::uint32_t>(words.need("how much"))};
  if (name == "read") return {Kind::Read, number<std::uint32_t>(words.need("how much"))};
  throw Problem{"'" + std::string{name} + "' is nothing that happens"};
}

TcpEvent read_event(std::string_view line, std::size_t at) {
  Words words{line};
  TcpEvent event{.line = at, .after = {}, .to = {}, .what = Silence{}};
  read_time(words.need("a time"), event);
  const auto what = words.need("what happens");
  if (what == "<") {
    event.what = Arrives{read_segment(words, nullptr)};
  } else if (what == ">") {
    Leaves leaves;
    leaves.segment = read_segment(words, &leaves.count);
    event.what = leaves;
  } else if (what == "nothing") {
    event.what = Silence{};
  } else if (what == "anything") {
    event.what = Anything{};
  } else if (what == "state") {
    event.what = State{std::string{words.need("which")}};
  } else {
    event.what = read_call(what, words);
  }
  if (event.to && !std::holds_alternative<Leaves>(event.what)) {
    throw Problem{"only what leaves has a range of time"};
  }
  if (!words.at_end()) throw Problem{"what is '" + std::string{words.next()} + "' for?"};
  return event;
}

// "with reno", "with ecn", "with timestamps", "with mtu 576".
void read_setting(std::string_view line, TcpScript& script) {
  Words words{line};
  words.next();
  const auto name = words.need("what with");
  if (name == "ecn") {
    script.ecn = true;
  } else if (name == "timestamps") {
    script.timestamps = true;
  } else if (name == "mtu") {
    script.mtu = number<std::size_t>(words.need("how large"));
  } else if (const auto congestion = parse_congestion(name)) {
    script.congestion = *congestion;
  } else {
    throw Problem{"'" + std::string{name} + "' is no setting"};
  }
  if (!words.at_end()) throw Problem{"what is '" + std::string{words.next()} + "' for?"};
}

}  // namespace

std::variant<TcpScript, TcpScriptError> parse_tcp_script(std::string_view text) {
  TcpScript script;
  std::istringstream lines{std::string{text}};
  std::size_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    ++at;
    line.resize(std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      if (line.starts_with("with ")) {
        read_setting(line, script);
      } else {
        script.events.push_back(read_event(line, at));
      }
    } catch (const Problem& problem) {
      return TcpScriptError{at, problem.what};
    }
  }
  return script;
}

std::string to_string(const TcpSegment& segment) {
  std::ostringstream out;
  static constexpr std::string_view codepoints[] = {"", "[ect1] ", "[ect0] ", "[ce] "};
  out << codepoints[segment.codepoint.value_or(0) & 3];
  static constexpr std::pair<std::uint8_t, char> flags[] = {
      {0x02, 'S'}, {0x01, 'F'}, {0x04, 'R'}, {0x08, 'P'}, {0x40, 'E'}, {0x80, 'C'}, {0x10, '.'}};
  for (const auto& [bit, letter] : flags) {
    if ((segment.flags & bit) != 0) out << letter;
  }
  out << ' ' << segment.begin << ':' << segment.end << '(' << segment.length() << ')';
  if (segment.ack) out << " ack " << *segment.ack;
  if (segment.window) out << " win " << *segment.window;
  if (!segment.options) return out.str();
  const TcpOptions& options = *segment.options;
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ",") + part; };
  if (options.mss) add("mss " + std::to_string(*options.mss));
  if (options.sack_permitted) add("sackOK");
  if (options.timestamps) {
    add("TS val " + std::to_string(options.timestamps->value) + " ecr " +
        std::to_string(options.timestamps->echo));
  }
  if (options.window_scale) add("wscale " + std::to_string(*options.window_scale));
  if (!options.blocks.empty()) {
    std::string blocks = "sack";
    for (const auto& block : options.blocks) {
      blocks += " " + std::to_string(block.begin) + ":" + std::to_string(block.end);
    }
    add(blocks);
  }
  if (!text.empty()) out << " <" << text << '>';
  return out.str();
}

}  // namespace godwit::test
