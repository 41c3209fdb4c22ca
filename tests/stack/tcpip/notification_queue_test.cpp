#include "stack/tcpip/notification_queue.hpp"

#include <optional>

#include <gtest/gtest.h>

namespace godwit {
namespace {

TEST(NotificationQueue, CallsAHandlerOnceHoweverOftenItIsRaised) {
  unsigned first = 0, calls = 0;
  NotificationQueue queue{[&] { ++first; }};
  ChangeSignal signal{queue};
  signal.set_handler([&] { ++calls; });
  signal.raise();
  signal.raise();
  EXPECT_EQ(first, 1u);
  queue.run([] {});
  EXPECT_EQ(calls, 1u);
  EXPECT_TRUE(queue.empty());
}

TEST(NotificationQueue, AHandlerMayReplaceAndRaiseItself) {
  unsigned calls = 0;
  NotificationQueue queue{[] {}};
  ChangeSignal signal{queue};
  signal.set_handler([&] {
    ++calls;
    signal.raise();
    signal.set_handler([&] { calls += 10; });
  });
  signal.raise();
  queue.run([] {});
  EXPECT_EQ(calls, 1u);
  queue.run([] {});
  EXPECT_EQ(calls, 11u);
  EXPECT_TRUE(queue.empty());
}

TEST(NotificationQueue, ADestroyedSignalIsNotCalled) {
  unsigned calls = 0;
  NotificationQueue queue{[] {}};
  std::optional<ChangeSignal> victim{std::in_place, queue};
  ChangeSignal killer{queue};
  killer.set_handler([&] { victim.reset(); });
  victim->set_handler([&] { ++calls; });
  killer.raise();
  victim->raise();
  queue.run([] {});
  EXPECT_EQ(calls, 0u);
  EXPECT_FALSE(victim);
}

}  // namespace
}  // namespace godwit
