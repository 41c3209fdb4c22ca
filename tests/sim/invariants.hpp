// What must hold at every moment of every run, whatever the network does: nothing in clear on the
// wire, a filter row for exactly the connections there are, and ESP sequence numbers that only
// grow (S12). And what must hold once everything is over.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/sim_host.hpp"

namespace godwit::sim {

class Invariants {
 public:
  using Complain = std::function<void(const std::string& what)>;
  explicit Invariants(Complain complain) : complain_{std::move(complain)} {}

  // A packet that leaves `from`.
  void check_packet(const SimHost& from, Bytes packet);
  void check_host(SimHost& host);
  // Policy lets some traffic pass unprotected.
  void expect_clear_text() { clear_text_expected_ = true; }

 private:
  Complain complain_;
  bool clear_text_expected_ = false;
  std::map<std::pair<const SimHost*, std::uint32_t>, std::uint32_t> last_sequence_;
};

// No tunnel entry, no address and no connection on its way out.
std::vector<std::string> unsettled(SimHost& host);
// Both name the same pair of addresses, and the connections stand on it. Empty: they agree, or
// there is no session between them.
std::vector<std::string> disagreements(SimHost& one, SimHost& other);

}  // namespace godwit::sim
