#include "apps/shim_server/connect_state.hpp"

#include <gtest/gtest.h>

namespace godwit::shim {
namespace {

using Phase = ConnectState::Phase;

int number(const ConnectState::Answer& answer) {
  const int* said = std::get_if<int>(&answer);
  return said != nullptr ? *said : -1;
}

// C7: what Linux says to a second connect(), and a third.
TEST(ConnectState, ConnectsOnceAndSaysSo) {
  ConnectState state;
  EXPECT_TRUE(std::holds_alternative<ConnectState::Begin>(state.handle_connect(Waiting::Returns)));
  EXPECT_EQ(number(state.handle_connect(Waiting::Returns)), EALREADY);
  EXPECT_TRUE(std::holds_alternative<ConnectState::Wait>(state.handle_connect(Waiting::Blocks)));
  state.handle_established();
  EXPECT_TRUE(state.is_open());
  EXPECT_EQ(state.take_error(), 0);
  EXPECT_EQ(number(state.handle_connect(Waiting::Returns)), 0);
  EXPECT_EQ(number(state.handle_connect(Waiting::Returns)), EISCONN);
  state.handle_over();
  EXPECT_EQ(number(state.handle_connect(Waiting::Blocks)), EISCONN);
  EXPECT_FALSE(state.is_open());
}

TEST(ConnectState, AFailureIsSaidOnceByWhoIsAskedFirst) {
  ConnectState by_option;
  by_option.handle_connect(Waiting::Returns);
  by_option.handle_failed(ECONNREFUSED);
  EXPECT_EQ(by_option.take_error(), ECONNREFUSED);
  EXPECT_EQ(by_option.take_error(), 0);
  EXPECT_EQ(number(by_option.handle_connect(Waiting::Returns)), ECONNABORTED);
  EXPECT_TRUE(
      std::holds_alternative<ConnectState::Reopen>(by_option.handle_connect(Waiting::Returns)));

  ConnectState by_connect;
  by_connect.handle_connect(Waiting::Returns);
  by_connect.handle_failed(ETIMEDOUT);
  EXPECT_EQ(number(by_connect.handle_connect(Waiting::Blocks)), ETIMEDOUT);
  EXPECT_EQ(by_connect.take_error(), 0);
  by_connect.handle_reopened();
  EXPECT_EQ(by_connect.phase(), Phase::Idle);
}

TEST(ConnectState, ACallThatWaitedMayTryAgainAtOnce) {
  ConnectState state;
  state.handle_connect(Waiting::Blocks);
  state.handle_failed_in_call();
  EXPECT_EQ(state.take_error(), 0);
  EXPECT_TRUE(std::holds_alternative<ConnectState::Begin>(state.handle_connect(Waiting::Blocks)));
}

TEST(ConnectState, AListenerDoesNotConnectNorAConnectionListen) {
  ConnectState listener;
  EXPECT_EQ(listener.handle_listen(), 0);
  EXPECT_EQ(listener.handle_listen(), 0);
  EXPECT_EQ(number(listener.handle_connect(Waiting::Blocks)), EISCONN);
  ConnectState connection;
  connection.handle_connect(Waiting::Blocks);
  EXPECT_EQ(connection.handle_listen(), EINVAL);
}

}  // namespace
}  // namespace godwit::shim
