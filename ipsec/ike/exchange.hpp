// The two windows of an IKE SA (RFC 7296 sections 2.1 to 2.3). RequestWindow: our requests, each
// with a message id of its own, repeated bit by bit until answered. AnswerWindow: the peer's
// requests, each carried out once, its answer kept for repetitions.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ipsec/ike/ike_output.hpp"
#include "ipsec/ike/registry.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/time.hpp"

namespace godwit::ike {

// How many requests of the peer we take at once, and the most of ours that we send at once. A
// move must not wait behind unanswered ones.
inline constexpr std::uint32_t window_size = 16;

struct RepeatSchedule {
  Duration first;    // then doubling
  Duration longest;  // between two repetitions
  Duration give_up;  // after the first transmission
};

// What the owner asked for.
struct OwnersRequest {
  ExchangeId exchange;
  std::vector<Notify> notifies;
  Repeat repeat;
  std::optional<Path> via{};  // of the first transmission; none: the session's path
};

struct SentRequest {
  std::uint32_t message_id;
  ExchangeType type;
  ByteString message;
  std::optional<OwnersRequest> owners;  // none: the session's own, or forgotten
  Instant first_sent;
  Instant last_sent;
  unsigned transmissions = 1;
  Duration longest{};
  Duration interval{};
  std::optional<Instant> repeat_at;  // none: on demand, or given up
  std::optional<Instant> give_up_at;
};

class RequestWindow {
 public:
  // Until the peer announces more, one at a time (section 2.3).
  void set_peer_window(std::uint32_t size);
  bool has_room() const;
  std::uint32_t next_message_id() const { return next_; }

  // `schedule`: none for what the owner repeats. has_room() must hold.
  SentRequest& add(ExchangeType type, ByteString message, std::optional<OwnersRequest> owners,
                   const std::optional<RepeatSchedule>& schedule, Instant now);
  // The request that this response answers, taken out.
  std::optional<SentRequest> take(std::uint32_t message_id, ExchangeType type);
  SentRequest* find(ExchangeId exchange);
  std::span<SentRequest> unanswered() { return requests_; }
  std::span<const SentRequest> unanswered() const { return requests_; }
  // IKE_SA_INIT is sent anew under message id 0 (sections 1.3 and 2.6).
  void start_again();

  std::optional<Instant> next_event() const;

 private:
  std::uint32_t next_ = 0;
  std::uint32_t peer_window_ = 1;
  std::vector<SentRequest> requests_;  // by message id
};

class AnswerWindow {
 public:
  enum class Verdict {
    New,
    Waiting,   // being carried out
    Answered,  // response() has the answer
    Outside,   // older or newer than the window
  };

  explicit AnswerWindow(std::uint32_t first_message_id) : lowest_open_{first_message_id} {}

  Verdict classify(std::uint32_t message_id) const;
  // The request is being carried out; its answer goes back by `path`.
  void begin(std::uint32_t message_id, ExchangeType type, const Path& path);
  // It came again, by another path perhaps: the latest path is the best one.
  void came_again(std::uint32_t message_id, const Path& path);
  struct Pending {
    ExchangeType type;
    Path path;
  };
  std::optional<Pending> pending(std::uint32_t message_id) const;
  void answered(std::uint32_t message_id, ByteString response);
  Bytes response(std::uint32_t message_id) const;
  // Did the request come first from the address that this path leads to, outermost?
  bool came_from_there(std::uint32_t message_id, const Path& path) const;

 private:
  struct Entry {
    Pending pending;
    std::optional<ByteString> response;
  };
  std::uint32_t lowest_open_;  // the lowest message id that has no answer yet
  std::map<std::uint32_t, Entry> entries_;
};

// RFC 6298 over exchanges that needed no repetition (Karn).
class RoundTripEstimator {
 public:
  void handle_sample(Duration sample);
  std::optional<RoundTrip> estimate() const { return estimate_; }

 private:
  std::optional<RoundTrip> estimate_;
};

}  // namespace godwit::ike
