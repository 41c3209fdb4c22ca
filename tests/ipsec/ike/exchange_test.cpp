// The windows of an IKE SA, beside the sessions that use them.
#include <gtest/gtest.h>

#include "ipsec/ike/exchange.hpp"

namespace godwit::ike {
namespace {

using namespace std::chrono_literals;

const Path somewhere{
    {IpAddress::v4({192, 0, 2, 7}), 500}, {IpAddress::v4({203, 0, 113, 5}), 500}, std::nullopt};

// RFC 7296 section 2.3: one at a time until the peer says that it takes more.
TEST(RequestWindow, HoldsWhatThePeerTakes) {
  RequestWindow window;
  const auto add = [&] {
    window.add(ExchangeType::Informational, {}, std::nullopt, std::nullopt, Instant{});
  };
  add();
  EXPECT_FALSE(window.has_room());
  window.set_peer_window(3);
  add();
  add();
  EXPECT_FALSE(window.has_room());
  EXPECT_TRUE(window.take(1, ExchangeType::Informational));
  EXPECT_FALSE(window.has_room());  // the lowest one without an answer counts
  EXPECT_FALSE(window.take(0, ExchangeType::IkeAuth));
  EXPECT_TRUE(window.take(0, ExchangeType::Informational));
  EXPECT_FALSE(window.take(0, ExchangeType::Informational));
  EXPECT_TRUE(window.has_room());
  add();
  add();
  EXPECT_FALSE(window.has_room());
  window.set_peer_window(0);  // nonsense is taken for 1
  EXPECT_FALSE(window.has_room());
}

TEST(AnswerWindow, EachRequestIsNewOnce) {
  using Verdict = AnswerWindow::Verdict;
  AnswerWindow window{0};
  EXPECT_EQ(window.classify(15), Verdict::New);
  EXPECT_EQ(window.classify(16), Verdict::Outside);
  window.begin(15, ExchangeType::Informational, somewhere);
  EXPECT_EQ(window.classify(15), Verdict::Waiting);
  window.answered(15, {7});
  EXPECT_EQ(window.classify(15), Verdict::Answered);
  EXPECT_EQ(window.response(15)[0], 7);
  EXPECT_EQ(window.classify(16), Verdict::Outside);  // 0 has no answer yet
  for (std::uint32_t id = 0; id < 15; ++id) {
    EXPECT_EQ(window.classify(id), Verdict::New);
    window.begin(id, ExchangeType::Informational, somewhere);
    window.answered(id, {static_cast<std::uint8_t>(id)});
  }
  EXPECT_EQ(window.classify(16), Verdict::New);
  EXPECT_EQ(window.classify(31), Verdict::New);
  EXPECT_EQ(window.classify(32), Verdict::Outside);
  EXPECT_EQ(window.classify(0), Verdict::Answered);  // a whole window back is still known
}

TEST(AnswerWindow, ForgetsWhatNobodyCanAskForAgain) {
  AnswerWindow window{0};
  for (std::uint32_t id = 0; id < 1000; ++id) {
    ASSERT_EQ(window.classify(id), AnswerWindow::Verdict::New);
    window.begin(id, ExchangeType::Informational, somewhere);
    window.answered(id, ByteString(100));
  }
  EXPECT_EQ(window.classify(983), AnswerWindow::Verdict::Outside);
  EXPECT_EQ(window.classify(984), AnswerWindow::Verdict::Answered);
  EXPECT_TRUE(window.response(900).empty());
}

TEST(AnswerWindow, KeepsTheLatestPath) {
  AnswerWindow window{2};
  EXPECT_EQ(window.classify(1), AnswerWindow::Verdict::Outside);
  window.begin(2, ExchangeType::Informational, somewhere);
  Path elsewhere = somewhere;
  elsewhere.remote.port = 4500;
  window.came_again(2, elsewhere);
  EXPECT_EQ(window.pending(2)->path, elsewhere);
  window.answered(2, {});
  EXPECT_FALSE(window.pending(2));
  window.answered(3, {});  // never begun: nothing happens
}

// RFC 6298 section 2.
TEST(RoundTripEstimator, FollowsTheRfc) {
  RoundTripEstimator estimator;
  EXPECT_FALSE(estimator.estimate());
  estimator.handle_sample(100ms);
  EXPECT_EQ(estimator.estimate()->smoothed, 100ms);
  EXPECT_EQ(estimator.estimate()->variation, 50ms);
  estimator.handle_sample(180ms);
  EXPECT_EQ(estimator.estimate()->smoothed, 110ms);
  EXPECT_EQ(estimator.estimate()->variation, 57'500us);
}

}  // namespace
}  // namespace godwit::ike
