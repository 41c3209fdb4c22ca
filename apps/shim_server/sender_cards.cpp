#include "apps/shim_server/sender_cards.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/shim/pair_marks.hpp"

namespace godwit::shim {
namespace {

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

FileDescriptor make_card(const Endpoint& sender) {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int descriptor = ::memfd_create("godwit-sender", flags | MFD_NOEXEC_SEAL);
  if (descriptor < 0 && errno == EINVAL) descriptor = ::memfd_create("godwit-sender", flags);
  FileDescriptor card{descriptor};
  if (!card) return card;
  const auto octets = Accepted{sender}.encode();
  constexpr int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::write(card.get(), octets.data(), octets.size()) != static_cast<ssize_t>(octets.size()) ||
      ::fcntl(card.get(), F_ADD_SEALS, seals) != 0) {
    return FileDescriptor{};
  }
  return card;
}

}  // namespace

const FileDescriptor& SenderCards::card_of(const Endpoint& sender) {
  if (const auto found = places_.find(sender); found != places_.end()) {
    order_.splice(order_.end(), order_, found->second);
    return found->second->card;
  }
  FileDescriptor card = make_card(sender);
  if (!card) return none_;
  if (order_.size() >= most_kept) {
    places_.erase(order_.front().sender);
    order_.pop_front();
  }
  const auto at = order_.insert(order_.end(), Entry{sender, std::move(card)});
  places_.emplace(sender, at);
  return at->card;
}

}  // namespace godwit::shim
