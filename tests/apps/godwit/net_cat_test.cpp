#include "apps/godwit/net_cat.hpp"

#include <cerrno>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/temporary_folder.hpp"

namespace godwit {
namespace {

struct Pair {
  FileDescriptor ours;
  FileDescriptor theirs;
};

Pair socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

Pair pipe_pair() {  // theirs is read, ours is written
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  return {FileDescriptor{ends[1]}, FileDescriptor{ends[0]}};
}

std::string read_to_end(int from) {
  std::string text;
  std::array<char, 65536> block;
  ssize_t count = 0;
  while ((count = ::read(from, block.data(), block.size())) > 0) {
    text.append(block.data(), static_cast<std::size_t>(count));
  }
  return text;
}

void write_all(int to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(to, text.data(), text.size());
    ASSERT_GT(count, 0);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 >> 3);
  return text;
}

// Between a program that reads and writes pipes, and a far side.
class RelayDescriptorsTest : public ::testing::Test {
 protected:
  void start(std::string early = {}) {
    thread_ = std::thread{[this, early = std::move(early)]() mutable {
      result_ = relay_descriptors({std::move(net_.ours), std::move(early)}, in_.theirs.get(),
                                  std::move(out_.ours));
    }};
  }
  void TearDown() override {
    if (thread_.joinable()) thread_.join();
  }

  Pair net_ = socket_pair();
  Pair in_ = pipe_pair();
  Pair out_ = pipe_pair();
  std::thread thread_;
  Outcome<Done> result_ = Problem{"not run"};
};

// What the program has said arrives before its end, and the answer after it.
TEST_F(RelayDescriptorsTest, EndsEachDirectionByItself) {
  start("early, ");
  write_all(in_.ours.get(), "question");
  in_.ours = FileDescriptor{};
  EXPECT_EQ(read_to_end(net_.theirs.get()), "question");
  write_all(net_.theirs.get(), "answer");
  net_.theirs = FileDescriptor{};
  EXPECT_EQ(read_to_end(out_.theirs.get()), "early, answer");
  thread_.join();
  EXPECT_TRUE(result_) << result_.problem();
}

TEST_F(RelayDescriptorsTest, TheOtherSideMayEndFirst) {
  start();
  write_all(net_.theirs.get(), "bye");
  ::shutdown(net_.theirs.get(), SHUT_WR);
  EXPECT_EQ(read_to_end(out_.theirs.get()), "bye");
  write_all(in_.ours.get(), "still here");
  in_.ours = FileDescriptor{};
  EXPECT_EQ(read_to_end(net_.theirs.get()), "still here");
  thread_.join();
  EXPECT_TRUE(result_) << result_.problem();
}

// Neither direction waits for the other: here nobody reads back before all is sent.
TEST_F(RelayDescriptorsTest, CarriesMuchBothWaysAtOnce) {
  const std::string all = pattern(3'000'000);
  start();
  std::thread writer{[&] {
    write_all(in_.ours.get(), all);
    in_.ours = FileDescriptor{};
  }};
  std::thread far_writer{[&] {
    write_all(net_.theirs.get(), all);
    ::shutdown(net_.theirs.get(), SHUT_WR);
  }};
  EXPECT_TRUE(read_to_end(net_.theirs.get()) == all);
  EXPECT_TRUE(read_to_end(out_.theirs.get()) == all);
  writer.join();
  far_writer.join();
  thread_.join();
  EXPECT_TRUE(result_) << result_.problem();
}

TEST_F(RelayDescriptorsTest, EndsWhenNobodyReadsTheOutput) {
  start();
  out_.theirs = FileDescriptor{};
  thread_.join();
  ASSERT_FALSE(result_);
  EXPECT_THAT(result_.problem(), ::testing::HasSubstr("nobody reads"));
}

// A proxy of one client that says what it is told to say and keeps what it hears.
class NetCatTest : public ::testing::Test {
 protected:
  void proxy_says(std::string answers, std::size_t hears) {
    FileDescriptor listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path_.copy(at.sun_path, sizeof at.sun_path - 1);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    thread_ = std::thread{[this, listener = std::move(listener), answers, hears] {
      const FileDescriptor client{::accept(listener.get(), nullptr, nullptr)};
      write_all(client.get(), answers);
      std::string text(hears, '\0');
      const ssize_t count = ::recv(client.get(), text.data(), text.size(), MSG_WAITALL);
      heard_ = text.substr(0, count > 0 ? static_cast<std::size_t>(count) : 0);
    }};
  }
  Outcome<NetCatConnection> connect(std::optional<ProxyUser> user = {}) {
    return connect_through_proxy({UnixPath{path_}, "peer", 22, std::move(user)});
  }
  void TearDown() override {
    if (thread_.joinable()) thread_.join();
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("socks.sock");
  std::string heard_;
  std::thread thread_;
};

using namespace std::string_literals;

TEST_F(NetCatTest, GetsAConnectionAndWhatCameWithIt) {
  proxy_says("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50SSH-2.0"s, 14);
  const auto connection = connect();
  ASSERT_TRUE(connection) << connection.problem();
  EXPECT_EQ(connection->early, "SSH-2.0");
  thread_.join();
  EXPECT_EQ(heard_, "\x05\x01\x00\x05\x01\x00\x03\x04peer\x00\x16"s);
}

TEST_F(NetCatTest, SaysWhyThereIsNoConnection) {
  proxy_says("\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"s, 3);
  const auto refused = connect();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.problem(), ::testing::StartsWith("peer port 22: connection refused; "));
}

TEST_F(NetCatTest, SaysThatThereIsNoProxy) {
  const auto nobody = connect();
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.problem(),
              ::testing::HasSubstr("cannot reach the proxy at unix:" + path_ + ": No such file"));
  proxy_says("", 0);
  const auto gone = connect();
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.problem(), ::testing::HasSubstr("the proxy "));
}

}  // namespace
}  // namespace godwit
