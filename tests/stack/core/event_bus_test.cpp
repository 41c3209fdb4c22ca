#include "stack/core/event_bus.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace godwit {
namespace {

TEST(EventBus, TellsWatchersUntilTheyLeave) {
  EventBus<int> bus;
  std::vector<int> seen;
  auto first = bus.watch([&](int event) { seen.push_back(event); });
  {
    const auto second = bus.watch([&](int event) { seen.push_back(event * 10); });
    bus.publish(1);
  }
  bus.publish(2);
  EXPECT_EQ(seen, (std::vector<int>{1, 10, 2}));
}

TEST(EventBus, AWatcherMayEndItsOwnWatchAndOutliveTheBus) {
  std::optional<EventBus<int>> bus{std::in_place};
  int seen = 0;
  std::optional<Subscription> own;
  own = bus->watch([&](int) {
    ++seen;
    own.reset();
  });
  auto survivor = bus->watch([](int) {});
  bus->publish(1);
  bus->publish(2);
  bus.reset();
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace godwit
