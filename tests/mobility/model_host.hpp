// One host of the exploration: the real service, address manager and route table, and a control
// channel that behaves as ipsec/ike does. Requests have a window and are repeated bit by bit; a
// request is carried out once, and its repetition gets the same answer, by the way it came; what
// finds no room waits; who gave a request up has to use up its answer all the same. It carries
// outputs out as apps/node does, in order, and says at once when one of them cannot be right.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mobility/mobility_service.hpp"
#include "stack/ip/address_manager.hpp"
#include "stack/ip/route_table.hpp"

namespace godwit::model {

inline constexpr PeerId the_peer{1};

struct Message {
  enum class Kind : std::uint8_t { Request, Response } kind;
  std::size_t sender;
  IpAddress source, destination;     // the inner ones
  std::optional<Path::Outer> outer;  // as the sender sees it: local is its own
  std::uint32_t number;
  std::optional<Notice> notice;

  const IpAddress& leaves_from() const { return outer ? outer->local : source; }
  const IpAddress& goes_to() const { return outer ? outer->remote : destination; }
  friend bool operator==(const Message&, const Message&) = default;
};

// Every value is told from every other octet string by its first octets, so that a digest can
// find the nonces in whatever carries them.
class NumberedRng final : public Rng {
 public:
  static constexpr std::array<std::uint8_t, 4> mark{0xa7, 0x5e, 0xd1, 0x93};
  explicit NumberedRng(std::uint8_t owner) : owner_{owner} {}
  void fill(MutableBytes out) override;

 private:
  std::uint8_t owner_;
  std::uint16_t number_ = 0;
};

class ModelHost {
 public:
  static constexpr std::uint32_t narrow = 8;
  // `window`: of the control channel, requests of ours that may be unanswered. If it is not
  // narrow it is never used up; that is seen to.
  ModelHost(std::size_t index, const IpAddress& own, const IpAddress& other, std::uint32_t window);
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;

  void handle(const Message& message);
  void gain(const IpAddress& address);    // and it is to be used
  void lose(const IpAddress& address);    // another one is used, if there is one
  void prefer(const IpAddress& address);  // one of those it has
  void give_up(std::size_t exchange);     // index in exchanges()
  void hint(const IpAddress& address);    // the name service answers
  void doubt();                           // is the peer there?
  bool can_repeat() const;
  bool is_busy() const { return can_time_out() || can_repeat(); }
  void repeat();  // the channel, what it repeats by itself
  bool can_time_out() const;
  void time_out();

  std::optional<Message> poll();  // what leaves
  // What nobody may ever see; empty: nothing.
  const std::string& trouble() const { return trouble_; }

  struct Exchange {
    std::uint32_t number;
    std::optional<NoticeId> owner;  // none: given up
    Notice notice;
    MobilityService::Pacing pacing;
  };
  // A connection that is there from the beginning.
  struct Row {
    IpAddress local, remote;
  };
  const MobilePeer* peer() const { return service_.peers().find(the_peer); }
  MobilityService& service() { return service_; }
  const AddressManager& addresses() const { return addresses_; }
  std::optional<IpAddress> chosen() const { return addresses_.source_for(IpFamily::V4); }
  const std::set<IpAddress>& assigned() const { return assigned_; }
  const RouteTable& routes() const { return routes_; }
  const std::vector<Exchange>& exchanges() const { return exchanges_; }
  const std::deque<Exchange>& waiting() const { return waiting_; }
  const std::map<std::uint32_t, std::optional<Notice>>& answers() const { return answers_; }
  const IpAddress& local() const { return local_; }  // of the control channel
  const IpAddress& remote() const { return remote_; }
  const Row& row() const { return row_; }
  std::uint32_t room_taken() const;
  // So little room that it may be used up: which of several requests is answered matters then.
  bool is_narrow() const { return window_ < narrow; }
  std::uint32_t age_of(const Exchange& exchange) const { return next_number_ - exchange.number; }
  std::uint32_t announced() const { return announced_; }  // the newest of our counters
  std::uint32_t followed() const { return followed_; }    // the newest of the peer's
  bool wants_hint() const { return wants_hint_; }
  bool is_down() const { return is_down_; }
  const std::optional<IpAddress>& unproven() const { return unproven_; }
  Instant now() const { return now_; }
  // Settled, by an acknowledgement or for want of a move.
  bool is_settled() const;

 private:
  void settle();
  void carry_out(const AddressPreferred& preferred);
  void carry_out(const AddressDeprecated& deprecated);
  void carry_out(const AddressRemoved& removed);
  void carry_out(const MobilityService::SendNotice& send);
  void carry_out(const MobilityService::Answer& answer);
  void carry_out(const MobilityService::AddTunnel& tunnel);
  void carry_out(const MobilityService::RemoveTunnel& tunnel);
  void carry_out(const MobilityService::Rewrite& rewrite);
  void carry_out(const MobilityService::NewPath&) {}
  void carry_out(const MobilityService::PathUnproven& claim) { unproven_ = claim.address; }
  void carry_out(const MobilityService::PathProven& proven);
  void carry_out(const MobilityService::PathDown&) { is_down_ = true; }
  void carry_out(const MobilityService::PathUp&) { is_down_ = false; }
  void carry_out(const MobilityService::AcceptAlso&) {}
  void carry_out(const MobilityService::ResolvePeer&) { wants_hint_ = true; }
  void carry_out(const MobilityService::PeerLost& lost);
  void carry_out(const MobilityService::AddressReleased& released);

  void handle_request(const Message& message);
  void handle_response(const Message& message);
  bool has_room() const { return room_taken() < window_; }
  void send_waiting();
  void repeat_forgotten();
  void transmit(const Exchange& exchange, const MobilityService::Way& way = {});
  void emit(Message message);
  void complain(std::string what);

  std::size_t index_;
  std::uint32_t window_;
  NumberedRng rng_;
  Instant now_{std::chrono::seconds{1000}};
  MobilityService service_;
  AddressManager addresses_;
  RouteTable routes_;
  std::set<IpAddress> assigned_;
  std::set<IpAddress> ever_ours_;
  IpAddress local_, remote_;
  Row row_;
  std::uint32_t next_number_ = 1;
  std::vector<Exchange> exchanges_;  // by number
  std::deque<Exchange> waiting_;     // for room
  std::map<std::uint32_t, std::optional<Notice>> answers_;
  std::optional<Message> being_answered_;
  std::deque<Message> outgoing_;
  std::uint32_t announced_ = 0, followed_ = 0;
  std::set<NoticeId> given_up_;
  bool wants_hint_ = false;
  bool is_down_ = false;
  std::optional<IpAddress> unproven_;
  std::string trouble_;
};

}  // namespace godwit::model
