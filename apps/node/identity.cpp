#include "apps/node/identity.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/node/file.hpp"
#include "ipsec/crypto/system_rng.hpp"

namespace godwit {
namespace {

constexpr std::string_view key_prefix = "ed25519:";
constexpr std::size_t key_length = 32;
constexpr mode_t others = S_IRWXG | S_IRWXO;
constexpr std::size_t largest_key_file = 16 * 1024;

// The file as it is opened, not as its name stood a moment before.
std::string trouble_with(const FileDescriptor& file) {
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return system_text(errno);
  if (!S_ISREG(about.st_mode)) return "is not a regular file";
  if (about.st_uid != ::geteuid() && about.st_uid != 0) {
    return "belongs to another user (uid " + std::to_string(about.st_uid) + ')';
  }
  if ((about.st_mode & others) != 0) {
    return "can be read or written by others than its owner (mode " +
           octal_text(about.st_mode & 07777) + ')';
  }
  return {};
}

}  // namespace

Outcome<Ed25519PrivateKey> load_identity(const std::string& file) {
  FileDescriptor opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!opened) {
    const std::string why = file + ": cannot read the private key: " + system_text(errno);
    return Problem{errno == ENOENT ? why + "; 'godwit init' makes one" : why};
  }
  if (const std::string trouble = trouble_with(opened); !trouble.empty()) {
    return Problem{file + ": the private key " + trouble + "; run: chmod 600 " + file +
                   ", and if others had access, make a new key"};
  }
  auto text = read_all(opened, largest_key_file);
  if (!text) return Problem{file + ": " + text.problem()};
  auto key = Ed25519PrivateKey::load_pem(*text);
  wipe(*text);
  if (!key) {
    return Problem{file + ": is no Ed25519 private key in PEM (" + std::string{key.error().what} +
                   ')'};
  }
  return std::move(*key);
}

Outcome<Ed25519PrivateKey> create_identity(const std::string& file) {
  SystemRng rng;
  auto key = Ed25519PrivateKey::generate(rng);
  std::string text{key.to_pem()};
  const auto written = create_file(file, text, S_IRUSR | S_IWUSR);
  wipe(text);
  if (!written) return Problem{written.problem()};
  return key;
}

std::string public_key_text(Bytes public_key) {
  return std::string{key_prefix} + to_base64(public_key);
}

Result<ByteString> parse_public_key(std::string_view text) {
  if (!text.starts_with(key_prefix)) {
    return Error{Errc::Malformed, "a key starts with \"ed25519:\""};
  }
  auto key = from_base64(text.substr(key_prefix.size()));
  if (!key) return key.error();
  if (key->size() != key_length) return Error{Errc::Malformed, "an Ed25519 key has 32 octets"};
  return key;
}

}  // namespace godwit
