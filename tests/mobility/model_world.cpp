#include "tests/mobility/model_world.hpp"

#include <algorithm>

#include "tests/mobility/mobility_words.hpp"
#include "tests/mobility/model_digest.hpp"

namespace godwit::model {
namespace {

constexpr std::array<std::array<char, 4>, 2> pools{{{'A', 'B', 'C', 'D'}, {'X', 'Y', 'Z', 'W'}}};

IpAddress pooled(std::size_t host, std::size_t index) { return named(pools[host][index]); }

std::string message_in_words(const Message& message) {
  const bool is_request = message.kind == Message::Kind::Request;
  std::string words = (is_request ? "request " : "response ") + std::to_string(message.number);
  if (message.outer)
    words += " " + name_of(message.outer->local) + ">" + name_of(message.outer->remote);
  words += " " + name_of(message.source) + ">" + name_of(message.destination);
  if (!message.notice) return words;
  if (const auto* change = std::get_if<AddressChange>(&*message.notice)) {
    words += " ADDRESS_CHANGE " + std::to_string(change->counter) + " ";
    for (const IpAddress& from : change->from) words += name_of(from);
    return words + ">" + name_of(change->to);
  }
  if (const auto* done = std::get_if<MigrationCompleted>(&*message.notice)) {
    return words + " MIGRATION_COMPLETED " + std::to_string(done->counter) +
           (done->outcome == MoveOutcome::Moved        ? " moved"
            : done->outcome == MoveOutcome::Superseded ? " superseded"
                                                       : " refused");
  }
  return words + " " + std::string{to_string(type_of(*message.notice))};
}

}  // namespace

World::World(const Bounds& bounds) : bounds_{bounds}, may_doubt_{bounds.doubts > 0} {
  for (const std::size_t i : {0, 1}) {
    hosts_[i] = std::make_unique<ModelHost>(i, pooled(i, 0), pooled(1 - i, 0), bounds.window);
    used_[i].insert(pooled(i, 0));
  }
}

// --- actions ----------------------------------------------------------------------------------

std::vector<Action> World::actions() const {
  std::vector<Action> out;
  const auto add = [&](Action::Kind kind, std::size_t host_index, std::size_t index = 0) {
    out.push_back({kind, static_cast<std::uint8_t>(host_index), static_cast<std::uint8_t>(index)});
  };
  for (std::size_t i = 0; i < flight_.size(); ++i) {
    const std::size_t receiver = 1 - flight_[i].sender;
    if (host(receiver).assigned().contains(flight_[i].goes_to())) {
      add(Action::Kind::Deliver, receiver, i);
      add(Action::Kind::Duplicate, receiver, i);
    }
    add(Action::Kind::Lose, receiver, i);
  }
  for (const std::size_t i : {0, 1}) {
    const ModelHost& it = host(i);
    if (it.can_time_out()) add(Action::Kind::Timeout, i);
    bool had_fresh = false;
    for (std::size_t at = 0; at < pools[i].size(); ++at) {
      const IpAddress address = pooled(i, at);
      if (it.assigned().contains(address)) {
        const bool is_in_use = it.chosen() == address;
        if (is_in_use ? bounds_.moves[i] > 0 : true) add(Action::Kind::LeaveAddress, i, at);
        if (!is_in_use && bounds_.moves[i] > 0) add(Action::Kind::Return, i, at);
        continue;
      }
      // Addresses it never had are all alike.
      if (bounds_.moves[i] == 0 || (had_fresh && !used_[i].contains(address))) continue;
      had_fresh = had_fresh || !used_[i].contains(address);
      add(Action::Kind::Move, i, at);
    }
    for (std::size_t at = 0; at < it.exchanges().size() && bounds_.give_ups > 0; ++at) {
      if (it.exchanges()[at].owner) add(Action::Kind::GiveUp, i, at);
    }
    if (it.can_repeat()) add(Action::Kind::Repeat, i);
    if (it.is_settled() && bounds_.doubts > 0) add(Action::Kind::Doubt, i);
    if (it.wants_hint() && host(1 - i).chosen() && bounds_.hints > 0) {
      add(Action::Kind::Hint, i);
      add(Action::Kind::StaleHint, i);
    }
  }
  return out;
}

void World::apply(const Action& action) {
  ModelHost& it = host(action.host);
  const auto take = [&] {
    const Message message = flight_.at(action.index);
    flight_.erase(flight_.begin() + action.index);
    return message;
  };
  switch (action.kind) {
    case Action::Kind::Deliver: it.handle(take()); break;
    case Action::Kind::Duplicate: it.handle(Message{flight_.at(action.index)}); break;
    case Action::Kind::Lose: take(); break;
    case Action::Kind::Timeout: it.time_out(); break;
    case Action::Kind::Move:
      --bounds_.moves[action.host];
      used_[action.host].insert(pooled(action.host, action.index));
      it.gain(pooled(action.host, action.index));
      break;
    case Action::Kind::Return:
      --bounds_.moves[action.host];
      it.prefer(pooled(action.host, action.index));
      break;
    case Action::Kind::LeaveAddress: it.lose(pooled(action.host, action.index)); break;
    case Action::Kind::GiveUp:
      --bounds_.give_ups;
      it.give_up(action.index);
      break;
    case Action::Kind::Repeat: it.repeat(); break;
    case Action::Kind::Doubt:
      --bounds_.doubts;
      it.doubt();
      break;
    case Action::Kind::Hint:
      --bounds_.hints;
      it.hint(*host(1 - action.host).chosen());
      break;
    case Action::Kind::StaleHint:
      --bounds_.hints;
      it.hint(pooled(1 - action.host, 0));
      break;
  }
  collect();
}

std::string World::in_words(const Action& action) const {
  const std::string who = action.host == 0 ? "MH " : "CH ";
  const std::string address = name_of(pooled(action.host, action.index % 4u));
  switch (action.kind) {
    case Action::Kind::Deliver: return who + "gets " + message_in_words(flight_.at(action.index));
    case Action::Kind::Duplicate:
      return who + "gets, not for the last time, " + message_in_words(flight_.at(action.index));
    case Action::Kind::Lose: return "lost: " + message_in_words(flight_.at(action.index));
    case Action::Kind::Timeout: return who + "waits until a timer fires";
    case Action::Kind::Move: return who + "gains and uses " + address;
    case Action::Kind::Return: return who + "returns to " + address;
    case Action::Kind::LeaveAddress: return who + "loses " + address;
    case Action::Kind::GiveUp:
      return who + "gives up request " +
             std::to_string(host(action.host).exchanges().at(action.index).number);
    case Action::Kind::Repeat: return who + "repeats what its channel repeats by itself";
    case Action::Kind::Doubt: return who + "doubts that the peer is there";
    case Action::Kind::Hint: return who + "is told where the peer is";
    case Action::Kind::StaleHint: return who + "is told where the peer was";
  }
  return who + "?";
}

// A set: what is sent twice is delivered twice by Duplicate.
void World::collect() {
  for (const auto& sender : hosts_) {
    while (auto message = sender->poll()) {
      const bool is_known = std::find(flight_.begin(), flight_.end(), *message) != flight_.end();
      if (!is_known && flight_.size() < bounds_.in_flight) flight_.push_back(std::move(*message));
    }
  }
}

// --- what must hold ---------------------------------------------------------------------------

// What is acknowledged has been followed: who is settled stands where the other side holds it.
std::string World::half_moved(std::size_t index) const {
  const ModelHost& it = host(index);
  const ModelHost& other = host(1 - index);
  const std::string who = index == 0 ? "MH" : "CH";
  if (it.row().local != it.local() || it.row().remote != it.remote()) {
    return who + ": the connection does not stand where the control channel does";
  }
  if (it.peer()->local() != it.local() || it.peer()->remote() != it.remote()) {
    return who + ": service and control channel do not hold the same addresses";
  }
  if (!it.is_settled()) return {};
  if (it.local() != other.remote()) {
    return who + " is settled at " + name_of(it.local()) + ", and is held at " +
           name_of(other.remote());
  }
  // Who was heard while it doubted waits for no acknowledgement.
  if (!may_doubt_ && it.announced() != other.followed()) {
    return who + " is settled by an old acknowledgement";
  }
  if (it.is_down()) return who + " is settled, and its timers rest";
  for (const TunnelEntry& tunnel : it.routes().tunnels()) {
    return who + " is settled, and has a tunnel entry left: " + to_string(tunnel);
  }
  for (const auto& entry : it.addresses().list()) {
    if (entry.state == AddressState::Deprecated) {
      return who + " is settled, and still holds " + name_of(entry.prefix.address);
    }
  }
  return {};
}

std::string World::violation() const {
  for (const std::size_t i : {0, 1}) {
    if (!host(i).trouble().empty()) return host(i).trouble();
    if (!host(i).peer()) return "the peer is lost";
    std::string half = half_moved(i);
    if (!half.empty()) return half;
    for (const TunnelEntry& tunnel : host(i).routes().tunnels()) {
      // S7: only for as long as the acknowledgement takes to leave.
      if (tunnel.key == Side::Remote) return "left over: " + to_string(tunnel);
    }
  }
  return {};
}

std::string World::disagreement() const {
  for (const std::size_t i : {0, 1}) {
    const std::string who = i == 0 ? "MH " : "CH ";
    const ModelHost& it = host(i);
    if (!it.is_settled()) return who + "is not settled";
    if (it.chosen() != it.local()) return who + "does not stand at the address in use";
    if (it.unproven()) return who + "has no proof that the peer is at " + name_of(*it.unproven());
  }
  const auto& [here, there] = std::pair{host(0).row(), host(1).row()};
  const bool is_one_pair = here.local == there.remote && here.remote == there.local;
  return is_one_pair ? std::string{} : "the two rows are not of one pair";
}

std::optional<unsigned> World::heal(unsigned at_most) {
  flight_.clear();
  bounds_.in_flight = SIZE_MAX;
  for (const std::size_t i : {0, 1}) {
    if (host(i).assigned().empty()) host(i).gain(pooled(i, 0));
  }
  for (unsigned fired = 0;; ++fired) {
    for (;;) {
      collect();
      for (const std::size_t i : {0, 1}) {
        if (host(i).wants_hint()) host(i).hint(*host(1 - i).chosen());
      }
      collect();
      if (flight_.empty()) break;
      const Message message = flight_.front();
      flight_.erase(flight_.begin());
      ModelHost& receiver = host(1 - message.sender);
      if (receiver.assigned().contains(message.goes_to())) receiver.handle(message);
    }
    if (!violation().empty()) return std::nullopt;
    if (disagreement().empty()) return fired;
    if (fired == at_most) return std::nullopt;
    // Where all is quiet and something is still missing, traffic stalls, and that is noticed (B6).
    const bool is_quiet = !host(0).is_busy() && !host(1).is_busy();
    for (const std::size_t i : {0, 1}) {
      if (host(i).can_time_out()) host(i).time_out();
      host(i).repeat();
      if (is_quiet) host(i).doubt();
    }
  }
}

Digest World::digest() && {
  return digest_of(
      {hosts_[0].get(), hosts_[1].get()}, flight_,
      {bounds_.moves[0], bounds_.moves[1], bounds_.give_ups, bounds_.doubts, bounds_.hints});
}

}  // namespace godwit::model
