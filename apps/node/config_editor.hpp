// Changes the text of a configuration without reading it as a whole: comments, order and white
// space of everything else stay as their author wrote them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/node/config.hpp"
#include "apps/node/outcome.hpp"

namespace godwit {

// The text with `element` as the last of the array `key` at the top level; an array that is not
// there is added. `element` is JSON on one line. A pure function of any text.
Outcome<std::string> with_element_added(std::string_view text, std::string_view key,
                                        std::string_view element);

// Does that to a file that is valid before and after; no reader ever sees anything in between.
// Returns the new configuration.
Outcome<Config> add_to_config_file(const std::string& file, std::string_view key,
                                   std::string_view element);

// Elements of the arrays that grow by command, whatever the words are: add_to_config_file()
// checks what they mean.
std::string peer_element(const std::string& name, const std::string& key,
                         const std::vector<std::string>& addresses);
struct PublishWords {
  std::string port;  // or a range
  std::string to;
  bool udp = false;
  std::vector<std::string> peers{};  // none: every peer
  bool proxy_protocol = false;
};
std::string publish_element(const PublishWords& words);
std::string forward_element(const std::string& listen, const std::string& to);

}  // namespace godwit
