// The calls of a script that are about datagrams.
#pragma once

#include <istream>
#include <map>
#include <optional>
#include <string>

// None: no such verb. `words` are those behind the socket's name.
std::optional<std::string> datagram_call(const std::string& verb, const std::string& name,
                                         std::istream& words, std::map<std::string, int>& sockets);
