// Is the peer really where it says? Its announcement is authentic, but an authentic peer may name
// a victim's address (RFC 9000 section 21.5.4 tells the attack). Until what was told to that place
// alone has come back from it, the address is unproven, and only a credit may be sent there (B5).
#pragma once

#include <optional>

#include "mobility/notice.hpp"

namespace godwit {

class PathProof {
 public:
  // The control channel was set up from there: that took a round trip.
  explicit PathProof(const IpAddress& address) : proven_{address} {}

  // The peer stands at `address` from here on. False: that is where it is proven to be.
  bool handle_moved(const IpAddress& address, const Nonce& fresh) {
    if (address == proven_ && !unproven_) return false;
    if (unproven_ && unproven_->address == address) return true;  // asked already
    unproven_ = Unproven{address, fresh};
    return true;
  }

  // What came back, and where from. True: the address is proven by it.
  bool handle_echo(const Nonce& echo, const IpAddress& source) {
    if (!unproven_ || source != unproven_->address) return false;
    std::uint8_t difference = 0;
    for (std::size_t i = 0; i < echo.size(); ++i) {
      difference = static_cast<std::uint8_t>(difference | (echo[i] ^ unproven_->echo[i]));
    }
    if (difference != 0) return false;
    proven_ = unproven_->address;
    unproven_.reset();
    return true;
  }

  bool is_proven() const { return !unproven_; }
  // The last place that was: while the old path works, what exceeds the credit still goes there.
  const IpAddress& proven() const { return proven_; }
  // What the peer is to return; all zero: nothing.
  Nonce wanted() const { return unproven_ ? unproven_->echo : Nonce{}; }

 private:
  struct Unproven {
    IpAddress address;
    Nonce echo;
  };
  IpAddress proven_;
  std::optional<Unproven> unproven_;
};

}  // namespace godwit
