// Two hosts that do what apps/node does, without packets, and a network between them that loses,
// delays, reorders and duplicates by seed. For convergence_test.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "mobility/mobility_service.hpp"
#include "stack/ip/address_manager.hpp"
#include "stack/ip/route_table.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit::convergence {

using namespace std::chrono_literals;

inline constexpr PeerId the_peer{1};

// A datagram of the control channel, the first packet of a connection, or its data.
struct Datagram {
  enum Kind { Request, Response, Opening, Data } kind;
  IpAddress source, destination;     // the inner ones
  std::optional<Path::Outer> outer;  // as the receiver sees it: local is its own
  std::uint32_t number;
  std::optional<Notice> notice;
};

struct Network;

// What apps/node does, without packets: carries out outputs, in order.
struct Host {
  Network& network;
  std::size_t index;
  SeededRng rng;
  MobilityService service;
  AddressManager addresses;
  RouteTable routes;
  std::set<IpAddress> assigned;
  // The control channel: its path, its exchanges, its cache of answers.
  IpAddress local, remote;
  std::uint32_t next_message = 1;
  std::map<std::uint32_t, std::pair<NoticeId, Notice>> unanswered;
  std::map<NoticeId, std::uint32_t> exchanges;
  std::map<std::uint32_t, std::optional<Notice>> answers;
  std::optional<Datagram> being_answered;
  // The rows of the connection table: number to pair of addresses.
  struct Row {
    IpAddress local, remote;
    bool established;
  };
  std::map<std::uint32_t, Row> rows;
  struct Alias {
    AddressRewrite rewrite;
    Instant until;
  };
  std::vector<Alias> aliases;
  std::size_t data_sent = 0, data_admitted = 0;
  std::optional<IpAddress> unproven;
  bool down = false;
  std::string trouble;

  Host(Network& its_network, std::size_t its_index, std::uint64_t seed, const IpAddress& own,
       const IpAddress& other)
      : network{its_network},
        index{its_index},
        rng{seed},
        service{rng},
        local{own},
        remote{other} {}

  Instant now() const;
  void emit(Datagram datagram, std::optional<Path::Outer> outer);
  void transmit(Datagram datagram);
  void settle();
  void handle(const Datagram& datagram);
  void open(std::uint32_t number);
  void retry_openings();
  void send_by(const MobilityService::Way& way, std::uint32_t message, const Notice& notice);
  void repeat_later(std::uint32_t message);
  void send_data(std::uint32_t number);
  bool admits(const Datagram& datagram) const;
  void gain(const IpAddress& address);
  void lose(const IpAddress& address);

  void carry_out(const AddressPreferred& preferred);
  void carry_out(const AddressDeprecated& deprecated);
  void carry_out(const AddressRemoved& removed);
  void carry_out(const MobilityService::SendNotice& send);
  void carry_out(const MobilityService::Answer& answer);
  void carry_out(const MobilityService::AddTunnel& tunnel) {
    routes.add_tunnel({tunnel.key, tunnel.inner, tunnel.outer, tunnel.peer});
  }
  void carry_out(const MobilityService::RemoveTunnel& tunnel) {
    if (!routes.remove_tunnel(tunnel.key, tunnel.inner)) trouble = "no such tunnel entry";
  }
  void carry_out(const MobilityService::Rewrite& rewrite);
  void carry_out(const MobilityService::AcceptAlso& also) {
    aliases.push_back({also.alias, also.until});
  }
  void carry_out(const MobilityService::ResolvePeer&);
  void carry_out(const MobilityService::NewPath&) {}
  void carry_out(const MobilityService::PathUnproven& claim) { unproven = claim.address; }
  void carry_out(const MobilityService::PathProven& proven) {
    if (unproven != proven.address) trouble = "proven without a claim";
    unproven.reset();
  }
  void carry_out(const MobilityService::PathDown&) { down = true; }
  void carry_out(const MobilityService::PathUp&) { down = false; }
  void carry_out(const MobilityService::PeerLost& lost) {
    trouble = "peer lost: " + std::string{to_string(lost.reason)};
  }
  void carry_out(const MobilityService::AddressReleased& released) {
    addresses.release(released.address);
  }
};

struct Network {
  explicit Network(std::uint64_t seed) : random{seed} {
    loss = chance(4) ? 0.0 : static_cast<double>(random() % 30) / 100.0;
  }
  std::mt19937_64 random;
  double loss;
  bool is_duplicating = true;
  Instant now{1000s};
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };
  std::priority_queue<Event> events;
  std::uint64_t order = 0;
  std::unique_ptr<Host> hosts[2];

  std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  void at(Instant when, std::function<void()> what) {
    events.push({when, ++order, std::move(what)});
  }
  void after(Duration pause, std::function<void()> what) { at(now + pause, std::move(what)); }

  // A packet leaves only from an address its sender has (ingress filtering), and arrives only at
  // one its receiver has when it gets there.
  void carry(std::size_t from, Datagram datagram, IpAddress source, IpAddress destination) {
    if (!hosts[from]->assigned.contains(source)) return;
    for (int copies = is_duplicating && chance(20) ? 2 : 1; copies-- > 0;) {
      if (static_cast<double>(below(1000)) < loss * 1000) continue;
      after(Duration{1000 + below(chance(10) ? 400000 : 30000)},
            [this, from, datagram, destination] {
              Host& receiver = *hosts[1 - from];
              if (!receiver.assigned.contains(destination)) return;
              receiver.handle(datagram);
              receiver.settle();
            });
    }
  }

  void run_until(Instant end) {
    for (;;) {
      std::optional<Instant> next;
      if (!events.empty()) next = events.top().at;
      for (const auto& host : hosts) {
        for (const auto& deadline :
             {host->service.next_deadline(), host->addresses.next_deadline()}) {
          if (deadline && (!next || deadline->at < *next)) next = deadline->at;
        }
      }
      if (!next || *next > end) break;
      now = std::max(now, *next);
      for (const auto& host : hosts) {
        host->addresses.handle_timeout(now);
        host->service.handle_timeout(now);
        host->settle();
      }
      while (!events.empty() && events.top().at <= now) {
        const auto what = events.top().what;
        events.pop();
        what();
      }
    }
    now = end;
  }
};

}  // namespace godwit::convergence
