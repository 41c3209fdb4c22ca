// Flows of one port: how they begin and end, without a network.
#include "apps/shim_server/flow_port.hpp"

#include <gmock/gmock.h>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/stream.hpp"
#include "apps/shim_server/flow_ages.hpp"

namespace godwit::shim {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

Endpoint partner(unsigned number) {
  return {IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(number >> 8)}),
          static_cast<std::uint16_t>(1 + (number & 0xff))};
}

const IpAddress nobody_may = IpAddress::v4({203, 0, 113, 13});

// A place to wait at, for both fakes.
class Place {
  template <class Token>
  auto async_wait(Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this](auto handler) { place_.fill(std::move(handler), io_); }, token);
  }

 public:
  explicit Place(asio::any_io_executor io) : io_{std::move(io)} {}
  asio::awaitable<asio::error_code> wait() {
    asio::error_code error;
    co_await async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  void wake() { place_.complete({}); }
  void cancel() { place_.cancel(); }

 private:
  asio::any_io_executor io_;
  WaitingPlace place_;
};

struct World {
  asio::io_context io;
  std::vector<Endpoint> opened;
  std::vector<std::string> sent;
  std::map<Endpoint, std::vector<std::string>> coming;
  std::map<Endpoint, Place*> waiting;
  std::vector<Endpoint> strangers;
  Place* listener = nullptr;
  bool taken = false;  // by somebody else
  int living = 0;

  void come(const Endpoint& from, std::string payload) {
    coming[from].push_back(std::move(payload));
    if (waiting.contains(from)) waiting[from]->wake();
    run();
  }
  void run() {
    io.restart();
    io.poll();
  }
};

class FakeFlow final : public DatagramFlow {
 public:
  FakeFlow(World& world, const Endpoint& remote)
      : world_{world}, remote_{remote}, place_{world.io.get_executor()} {
    world_.waiting[remote] = &place_;
    ++world_.living;
  }
  ~FakeFlow() override {
    if (world_.waiting[remote_] == &place_) world_.waiting.erase(remote_);
    --world_.living;
  }
  Endpoint remote() const override { return remote_; }
  Endpoint local() const override { return {IpAddress::v4({198, 51, 100, 1}), 5000}; }
  std::size_t largest() const override { return 1400; }
  asio::error_code send(Bytes payload) override {
    world_.sent.push_back(to_string(remote_) + ' ' + std::string(payload.begin(), payload.end()));
    return {};
  }
  asio::awaitable<asio::error_code> wait() override { co_return co_await place_.wait(); }
  std::optional<std::size_t> receive_now(MutableBytes into) override {
    auto& queue = world_.coming[remote_];
    if (queue.empty()) return std::nullopt;
    const std::string first = queue.front();
    queue.erase(queue.begin());
    std::copy(first.begin(), first.end(), into.begin());
    return first.size();
  }
  void cancel() override { place_.cancel(); }

 private:
  World& world_;
  Endpoint remote_;
  Place place_;
};

class FakeSource final : public FlowSource {
 public:
  explicit FakeSource(World& world) : world_{world}, place_{world.io.get_executor()} {
    world_.listener = &place_;
  }
  Endpoint local() const override { return {IpAddress::v4({}), 5000}; }
  FlowResult open(const Endpoint& remote) override {
    if (remote.address == nobody_may) return asio::error_code{asio::error::access_denied};
    world_.opened.push_back(remote);
    return std::make_unique<FakeFlow>(world_, remote);
  }
  asio::awaitable<asio::error_code> wait() override {
    if (released_) co_return asio::error::operation_aborted;
    co_return co_await place_.wait();
  }
  std::unique_ptr<DatagramFlow> accept_now() override {
    if (released_ || world_.strangers.empty()) return nullptr;
    const Endpoint first = world_.strangers.front();
    world_.strangers.erase(world_.strangers.begin());
    return std::make_unique<FakeFlow>(world_, first);
  }
  void release() override {
    released_ = true;
    place_.cancel();
  }
  bool claim() override {
    if (world_.taken) return false;
    released_ = false;
    return true;
  }

 private:
  World& world_;
  Place place_;
  bool released_ = false;
};

class FlowPortTest : public ::testing::Test {
 protected:
  void TearDown() override {
    port_.reset();
    world_.run();
    EXPECT_EQ(world_.living, 0) << "flows that outlive their port";
    EXPECT_EQ(budget_->left, FlowBudget{}.left);
  }
  void send(const Endpoint& to, std::string_view payload) {
    const ByteString octets(payload.begin(), payload.end());
    last_ = port_->send(octets, to);
    world_.run();
  }
  void stranger(const Endpoint& from, std::string payload) {
    world_.coming[from].push_back(std::move(payload));
    world_.strangers.push_back(from);
    world_.listener->wake();
    world_.run();
  }

  World world_;
  std::vector<std::string> heard_;
  std::shared_ptr<FlowBudget> budget_ = std::make_shared<FlowBudget>();
  asio::error_code last_;
  std::unique_ptr<FlowPort> port_ = std::make_unique<FlowPort>(
      world_.io.get_executor(), std::make_unique<FakeSource>(world_), budget_,
      [this](const Endpoint& from, Bytes payload) {
        heard_.push_back(to_string(from) + ' ' + std::string(payload.begin(), payload.end()));
      });
};

// S20: each partner has a flow, which is what moves.
TEST_F(FlowPortTest, EachPartnerHasOneFlow) {
  send(partner(1), "a");
  send(partner(2), "b");
  send(partner(1), "c");
  EXPECT_THAT(world_.opened, ElementsAre(partner(1), partner(2)));
  EXPECT_THAT(world_.sent, ElementsAre("192.0.2.0:2 a", "192.0.2.0:3 b", "192.0.2.0:2 c"));
  world_.come(partner(2), "back");
  EXPECT_THAT(heard_, ElementsAre("192.0.2.0:3 back"));
}

TEST_F(FlowPortTest, WhatMayNotBeReachedIsSaid) {
  const Endpoint refused{nobody_may, 13};
  send(refused, "a");
  EXPECT_EQ(last_, asio::error::access_denied);
  EXPECT_EQ(std::get<asio::error_code>(port_->reach(refused)), asio::error::access_denied);
  const auto reached = std::get<DatagramPort::Reached>(port_->reach(partner(1)));
  EXPECT_EQ(reached.largest, 1400u);
  EXPECT_EQ(reached.local.port, 5000);
}

TEST_F(FlowPortTest, StrangersAreHeardByServersOnly) {
  stranger(partner(1), "knock");
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(world_.living, 0);
  port_->hear_strangers();
  stranger(partner(2), "hello");
  EXPECT_THAT(heard_, ElementsAre("192.0.2.0:3 hello"));
  send(partner(2), "answer");
  EXPECT_TRUE(world_.opened.empty()) << "the answer goes by the flow it came by";
  EXPECT_THAT(world_.sent, ElementsAre("192.0.2.0:3 answer"));
}

TEST_F(FlowPortTest, TheFlowUsedLongestAgoMakesRoom) {
  for (unsigned i = 0; i < FlowPort::most_flows; ++i) send(partner(i), "x");
  send(partner(0), "again");
  send(partner(FlowPort::most_flows), "one more");
  EXPECT_EQ(world_.living, static_cast<int>(FlowPort::most_flows));
  EXPECT_TRUE(world_.waiting.contains(partner(0)));
  EXPECT_FALSE(world_.waiting.contains(partner(1)));
}

TEST_F(FlowPortTest, AllPortsTogetherHaveALimit) {
  budget_->left = 2;
  send(partner(1), "a");
  send(partner(2), "b");
  send(partner(3), "c");
  EXPECT_EQ(world_.living, 2);
  port_->connect(partner(3));
  budget_->left = 0;
  send(partner(4), "d");
  EXPECT_EQ(last_, asio::error::no_buffer_space) << "the connected flow is not given up";
  budget_->left = FlowBudget{}.left - 1;
}

// A server that connects its socket to its first client opens the next one at the same port.
TEST_F(FlowPortTest, AConnectedPortHearsItsPartnerAndLeavesThePortToOthers) {
  port_->hear_strangers();
  stranger(partner(1), "first");
  stranger(partner(2), "second");
  EXPECT_TRUE(std::holds_alternative<DatagramPort::Reached>(port_->connect(partner(1))));
  world_.run();
  EXPECT_EQ(world_.living, 1);
  world_.strangers.push_back(partner(3));
  world_.run();
  EXPECT_EQ(world_.strangers.size(), 1u) << "for somebody else";
  world_.strangers.clear();
  world_.come(partner(1), "more");
  port_->disconnect();
  world_.run();
  stranger(partner(4), "again");
  EXPECT_THAT(heard_, ElementsAre("192.0.2.0:2 first", "192.0.2.0:3 second", "192.0.2.0:2 more",
                                  "192.0.2.0:5 again"));
}

// The times of flows, told and not waited for.
TEST(FlowAges, SilentFlowsEndAndTheKeptOneDoesNot) {
  const FlowAges::Time start{};
  FlowAges ages{5min};
  ages.touch(partner(1), start);
  ages.touch(partner(2), start + 1min);
  ages.touch(partner(3), start + 2min);
  ages.touch(partner(1), start + 3min);
  EXPECT_EQ(ages.oldest(std::nullopt), partner(2));
  EXPECT_EQ(ages.oldest(partner(2)), partner(3));
  EXPECT_EQ(ages.next_deadline(std::nullopt), start + 6min);
  EXPECT_EQ(ages.next_deadline(partner(2)), start + 7min);
  EXPECT_EQ(ages.idle(std::nullopt, start + 6min - 1ns), std::nullopt);
  EXPECT_EQ(ages.idle(std::nullopt, start + 6min), partner(2));
  EXPECT_EQ(ages.idle(partner(2), start + 6min), std::nullopt);
  ages.remove(partner(2));
  ages.remove(partner(2));
  EXPECT_EQ(ages.size(), 2u);
  EXPECT_EQ(ages.idle(std::nullopt, start + 8min), partner(3));
}

}  // namespace
}  // namespace godwit::shim
