// Reads the files of this folder.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "stack/core/bytes.hpp"

namespace godwit {

class Vector {
 public:
  // What the file says, or an empty string and a failed test.
  std::string text(const std::string& name) const {
    const auto found = fields_.find(name);
    if (found != fields_.end()) return found->second;
    ADD_FAILURE() << "no '" << name << "' in vector '" << fields_.at("name") << "'";
    return {};
  }
  ByteString octets(const std::string& name) const {
    const auto octets = from_hex(text(name));
    if (octets) return *octets;
    ADD_FAILURE() << "'" << name << "' in vector '" << fields_.at("name") << "' is not hexadecimal";
    return {};
  }

 private:
  friend std::vector<Vector> read_vectors(const std::string& file);
  std::map<std::string, std::string> fields_;
};

// `file`: its name in this folder. GODWIT_VECTORS is the folder's path, from CMake.
inline std::vector<Vector> read_vectors(const std::string& file) {
  std::ifstream in{std::string{GODWIT_VECTORS} + '/' + file};
  std::vector<Vector> vectors;
  Vector vector;
  const auto finish = [&] {
    if (!vector.fields_.empty()) vectors.push_back(std::move(vector));
    vector = {};
  };
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) finish();
    const std::size_t equals = line.find(" =");
    if (line.starts_with('#') || equals == std::string::npos) continue;
    std::string value = line.substr(equals + 2);
    if (value.starts_with(' ')) value.erase(0, 1);
    vector.fields_[line.substr(0, equals)] = std::move(value);
  }
  finish();
  EXPECT_FALSE(vectors.empty()) << file << " cannot be read, or is empty";
  return vectors;
}

}  // namespace godwit
