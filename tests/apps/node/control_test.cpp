#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/node/control_client.hpp"
#include "apps/node/control_server.hpp"
#include "tests/support/temporary_folder.hpp"

namespace godwit {
namespace {

using ::testing::HasSubstr;

// The server runs in a thread of its own, as in the daemon; the test is the command line.
class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto open = server_.listen(path_);
    ASSERT_TRUE(open) << open.problem();
    thread_ = std::thread{[this] { io_.run(); }};
  }
  void TearDown() override {
    asio::post(io_, [this] { server_.stop(); });
    thread_.join();
    EXPECT_EQ(server_.active(), 0u);
    EXPECT_NE(::access(path_.c_str(), F_OK), 0);
  }

  ControlSubject subject() {
    return {events_,
            [] {
              NodeStatus status;
              status.name = "laptop";
              return status;
            },
            [](PeerId) { return std::string{"server"}; }, "godwitd test"};
  }
  void publish(const EventDetail& detail) {
    asio::post(io_, [this, detail] { events_.publish({Instant{}, detail}); });
  }
  std::string say(const std::string& line) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    const FileDescriptor socket{::socket(AF_UNIX, SOCK_STREAM, 0)};
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_GT(::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL), 0);
    ::shutdown(socket.get(), SHUT_WR);
    const auto reply = read_all(socket, 1 << 20);
    return reply ? *reply : reply.problem();
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("run/control.sock");
  asio::io_context io_;
  EventBus<Event> events_;
  ControlServer server_{io_, subject(), [](const std::string&) {}};
  std::thread thread_;
};

TEST_F(ControlTest, IsForItsOwnerAlone) {
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(ControlTest, TellsTheStatus) {
  auto client = ControlClient::connect(path_);
  ASSERT_TRUE(client) << client.problem();
  const auto json = client->status(ControlFormat::Json);
  ASSERT_TRUE(json) << json.problem();
  EXPECT_THAT(*json, HasSubstr(R"({"name":"laptop","uptime_ms":0.0,)"));
  const auto text = client->status(ControlFormat::Text);
  ASSERT_TRUE(text) << text.problem();
  EXPECT_THAT(*text, HasSubstr("laptop, up 0 s"));
}

TEST_F(ControlTest, StreamsEventsToEveryWatcher) {
  auto json = ControlClient::connect(path_);
  auto text = ControlClient::connect(path_);
  ASSERT_TRUE(json && text);
  ASSERT_TRUE(json->watch(ControlFormat::Json));
  ASSERT_TRUE(text->watch(ControlFormat::Text));
  publish(PeerLostEvent{{0}, "silent"});
  EXPECT_EQ(json->next_line(),
            R"({"event":"peer_lost","peer":"server","reason":"silent","at_ms":0.0})");
  EXPECT_EQ(text->next_line(), "peer_lost peer=server reason=silent at_ms=0.0");
}

// A watcher that sleeps costs a bounded amount of memory, and learns what it missed.
TEST_F(ControlTest, CountsWhatASlowWatcherLost) {
  auto client = ControlClient::connect(path_);
  ASSERT_TRUE(client && client->watch(ControlFormat::Json));
  const std::string reason(1000, 'x');
  constexpr std::size_t many = 20'000;
  asio::post(io_, [&] {
    for (std::size_t i = 0; i < many; ++i) events_.publish({Instant{}, PeerLostEvent{{0}, reason}});
  });
  std::size_t seen = 0;
  while (const auto line = client->next_line()) {
    if (line->starts_with("{\"event\":\"peer_lost\"")) {
      ++seen;
      continue;
    }
    EXPECT_EQ(*line, "{\"count\":" + std::to_string(many - seen) + ",\"event\":\"lost\"}");
    break;
  }
  EXPECT_EQ(seen, ControlServer::most_waiting_events);
}

TEST_F(ControlTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(say("{\"request\":\"explode\"}\n"),
            "{\"error\":\"no such request; there are: status, watch, version\",\"ok\":false}\n");
  for (const char* line :
       {"hello\n", "[]\n", "{\"request\":5}\n", "{\"reqest\":\"status\"}\n",
        "{\"request\":\"status\",\"as\":\"xml\"}\n", "{}\n", "\n", "{\"request\":\"\xff\"}\n"}) {
    EXPECT_THAT(say(line), HasSubstr("\"ok\":false")) << line;
  }
  EXPECT_THAT(say(std::string(100'000, 'x') + '\n'), HasSubstr("too long"));
  EXPECT_EQ(say("{\"request\":\"version\"}\n"), "{\"ok\":true,\"text\":\"godwitd test\"}\n");
}

TEST_F(ControlTest, DoesNotTakeOverASocketThatIsAnswered) {
  asio::io_context io;
  ControlServer second{io, subject(), [](const std::string&) {}};
  const auto open = second.listen(path_);
  ASSERT_FALSE(open);
  EXPECT_THAT(open.problem(),
              HasSubstr(path_ + ": another program answers there; stop the other godwitd"));
}

TEST(Control, TakesOverWhatACrashLeftBehind) {
  const TemporaryFolder folder;
  const std::string path = folder.file("control.sock");
  asio::io_context io;
  {
    asio::local::stream_protocol::acceptor crashed{io,
                                                   asio::local::stream_protocol::endpoint{path}};
  }
  ASSERT_EQ(::access(path.c_str(), F_OK), 0);
  EventBus<Event> events;
  ControlServer server{
      io, {events, [] { return NodeStatus{}; }, {}, ""}, [](const std::string&) {}};
  const auto open = server.listen(path);
  EXPECT_TRUE(open) << open.problem();
}

TEST(Control, SaysThatNoDaemonRuns) {
  const TemporaryFolder folder;
  const auto client = ControlClient::connect(folder.file("control.sock"));
  ASSERT_FALSE(client);
  EXPECT_THAT(client.problem(), HasSubstr("godwitd does not run here"));
  EXPECT_FALSE(ControlClient::connect(std::string(200, 'x')));
}

}  // namespace
}  // namespace godwit
