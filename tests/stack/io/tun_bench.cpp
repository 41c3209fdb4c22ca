// What a TUN device costs: nanoseconds of this thread's CPU for each packet written and for each
// packet read, with the host's own addresses, over a veth pair. Root; --json FILE for machines.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include <gtest/gtest.h>
#include <time.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "stack/wire/ipv4.hpp"
#include "tests/stack/io/lab.hpp"

namespace godwit::test {
namespace {

constexpr int rounds = 2000;

double cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

struct Row {
  double write_ns;
  double read_ns;
  double delivered;
};

Row measure(Lab& lab, std::size_t size) {
  Host near{lab.near};
  Host far{lab.far};
  Packet packet = Packet::with_size(size);
  Ipv4Header{.source = *IpAddress::parse("192.0.2.7"),
             .destination = *IpAddress::parse("198.51.100.9"),
             .protocol = IpProtocol::Esp,
             .total_length = static_cast<std::uint16_t>(size)}
      .write_to(packet.bytes().first(Ipv4Header::length));
  double writing = 0;
  double reading = 0;
  std::size_t received = 0;
  for (int round = 0; round < rounds; ++round) {
    PacketBatch batch;
    for (std::size_t i = 0; i < Link::batch_limit; ++i) {
      batch.push_back(Packet::copy_of(packet.bytes()));
    }
    const double start = cpu_ns();
    near.link->transmit(batch);
    const double sent = cpu_ns();
    const auto once = [&]() -> asio::awaitable<void> { (void)co_await far.link->receive(batch); };
    asio::co_spawn(far.io, once, asio::detached);
    far.io.restart();
    far.io.run_for(std::chrono::seconds{1});
    reading += cpu_ns() - sent;
    writing += sent - start;
    received += batch.size();
  }
  const double sent = static_cast<double>(rounds) * Link::batch_limit;
  return {writing / sent, reading / static_cast<double>(received),
          static_cast<double>(received) / sent};
}

int run(const char* json) {
  Lab lab;
  std::printf("%8s %14s %14s %10s\n", "octets", "write ns", "read ns", "delivered");
  std::string rows;
  for (const std::size_t size : {60u, 576u, 1500u}) {
    const Row row = measure(lab, size);
    std::printf("%8zu %14.0f %14.0f %9.1f%%\n", size, row.write_ns, row.read_ns,
                100 * row.delivered);
    for (const auto& [name, value] :
         {std::pair{"write", row.write_ns}, std::pair{"read", row.read_ns}}) {
      char text[200];
      std::snprintf(text, sizeof text,
                    "%s\n  {\"name\": \"tun %s %zu octets\", \"value\": %.0f, \"unit\": "
                    "\"ns/packet\", \"n\": 1, \"min\": %.0f, \"max\": %.0f, \"reference\": null}",
                    rows.empty() ? "" : ",", name, size, value, value, value);
      rows += text;
    }
  }
  if (json == nullptr) return 0;
  FILE* file = std::fopen(json, "w");
  if (file == nullptr) return 1;
  std::fprintf(file, "[%s\n]\n", rows.c_str());
  std::fclose(file);
  return 0;
}

}  // namespace
}  // namespace godwit::test

int main(int count, char** arguments) {
  const bool json = count == 3 && std::strcmp(arguments[1], "--json") == 0;
  return godwit::test::run(json ? arguments[2] : nullptr);
}
