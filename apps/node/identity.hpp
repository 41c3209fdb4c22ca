// Who this host is: one Ed25519 key in a file that only its owner can read, and the text by
// which people hand the public half to each other ("ed25519:BASE64").
#pragma once

#include <string>
#include <string_view>

#include "apps/node/outcome.hpp"
#include "ipsec/crypto/signer.hpp"
#include "stack/core/bytes.hpp"

namespace godwit {

// Refuses a file that others can read or write: a key that leaked once is no identity.
Outcome<Ed25519PrivateKey> load_identity(const std::string& file);

// Writes a new key with mode 0600; a file that is there already is an error, never overwritten.
Outcome<Ed25519PrivateKey> create_identity(const std::string& file);

std::string public_key_text(Bytes public_key);
Result<ByteString> parse_public_key(std::string_view text);

}  // namespace godwit
