// The contents of INFORMATIONAL (RFC 7296 section 1.4): notifies, which the session carries
// unread, and deletions, which are its own.
#pragma once

#include <span>
#include <vector>

#include "ipsec/ike/ike_output.hpp"
#include "ipsec/ike/payloads.hpp"

namespace godwit::ike {

struct Informational {
  std::vector<Notify> notifies;
  std::vector<Spi> deleted_esp;  // the sender receives on these no more
  bool deletes_ike = false;

  // Errors: Truncated, Malformed.
  static Result<Informational> parse(std::span<const PayloadView> payloads);
  PayloadChain write() const;
};

}  // namespace godwit::ike
