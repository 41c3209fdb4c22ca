// What one packet costs in ESP and what a move costs in the filter table, on one core, by the
// thread's CPU time. Raw Botan, used as sparingly as its interface allows, stands beside it.
//
//   esp_bench [--json FILE]
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ipsec/esp/esp_header.hpp"
#include "ipsec/esp/inbound_sa.hpp"
#include "ipsec/esp/outbound_sa.hpp"
#include "ipsec/policy/filter_table.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/udp.hpp"

#include <botan/aead.h>

namespace {

using namespace godwit;

constexpr std::size_t window = 256;   // packets between two readings of the clock
constexpr std::size_t windows = 200;  // of which the median counts

struct Row {
  std::string name;
  double value;
  const char* unit;
  std::size_t n;
  double min;
  double max;
  std::optional<double> reference;
};

double cpu_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// `prepare` is not timed; `work` is, and does `count` things at a time.
struct Work {
  std::string name;
  std::function<void()> prepare;
  std::function<void()> work;
  std::size_t count = window;
};

// Takes turns, so that whatever else the machine does meets all of them alike. In nanoseconds.
std::vector<Row> measure(const std::vector<Work>& works, std::size_t rounds = windows) {
  constexpr std::size_t warm_up = 3;
  std::vector<std::vector<double>> samples(works.size());
  for (std::size_t round = 0; round < rounds + warm_up; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      works[i].prepare();
      const double begin = cpu_nanoseconds();
      works[i].work();
      const double took = cpu_nanoseconds() - begin;
      if (round >= warm_up) samples[i].push_back(took / static_cast<double>(works[i].count));
    }
  }
  std::vector<Row> rows;
  for (std::size_t i = 0; i < works.size(); ++i) {
    auto& sorted = samples[i];
    std::ranges::sort(sorted);
    rows.push_back({works[i].name, sorted[sorted.size() / 2], "ns", sorted.size(), sorted.front(),
                    sorted.back(), std::nullopt});
  }
  return rows;
}

const Endpoint mh{*IpAddress::parse("192.0.2.7"), 40000};
const Endpoint ch{*IpAddress::parse("203.0.113.5"), 53};
constexpr Spi spi{0xc0de0001};

EspKeys keys_of(AeadAlgorithm algorithm) {
  EspKeys keys{algorithm, SecretBytes{EspKeys::length(algorithm)}};
  std::uint8_t octet = 1;
  for (std::uint8_t& out : keys.key.bytes()) out = octet++;
  return keys;
}

void expect(bool condition, const char* what) {
  if (!condition) throw std::runtime_error{what};
}

std::string label(AeadAlgorithm algorithm, const char* what, std::size_t size) {
  return "esp " + std::string{to_string(algorithm)} + ' ' + what + ' ' + std::to_string(size) +
         " B";
}

PacketBatch clear_packets(std::size_t size) {
  PacketBatch batch;
  const ByteString payload(size - Ipv4Header::length - UdpHeader::length, 0x5a);
  for (std::size_t i = 0; i < window; ++i) batch.push_back(make_udp(mh, ch, payload));
  return batch;
}

PacketBatch sealed_packets(OutboundSa& sa, std::size_t size) {
  PacketBatch batch = clear_packets(size);
  for (Packet& packet : batch) expect(static_cast<bool>(sa.seal(packet)), "seal failed");
  return batch;
}

Work seal_work(AeadAlgorithm algorithm, std::size_t size) {
  auto sa = std::make_shared<OutboundSa>(spi, keys_of(algorithm), Esn::On);
  auto batch = std::make_shared<PacketBatch>();
  return {label(algorithm, "seal", size), [=] { *batch = clear_packets(size); },
          [=] {
            for (Packet& packet : *batch) {
              expect(static_cast<bool>(sa->seal(packet)), "seal failed");
            }
          }};
}

struct Ends {
  OutboundSa outbound;
  InboundSa inbound;
  PacketBatch batch;
  explicit Ends(AeadAlgorithm algorithm)
      : outbound{spi, keys_of(algorithm), Esn::On}, inbound{spi, keys_of(algorithm), Esn::On} {}

  void open_all(bool right) {
    for (Packet& packet : batch) {
      expect(static_cast<bool>(inbound.open(packet)) == right, "a packet was judged wrongly");
    }
  }
};

Work open_work(AeadAlgorithm algorithm, std::size_t size) {
  auto ends = std::make_shared<Ends>(algorithm);
  return {label(algorithm, "open", size),
          [=] { ends->batch = sealed_packets(ends->outbound, size); },
          [=] { ends->open_all(true); }};
}

// What an attacker can make us spend on one packet.
Work forged_work(std::size_t size) {
  auto ends = std::make_shared<Ends>(AeadAlgorithm::AesGcm256);
  return {label(AeadAlgorithm::AesGcm256, "forged", size),
          [=] {
            ends->batch = sealed_packets(ends->outbound, size);
            for (Packet& packet : ends->batch) packet.bytes().back() ^= 1;
          },
          [=] { ends->open_all(false); }};
}
Work replayed_work(std::size_t size) {
  auto ends = std::make_shared<Ends>(AeadAlgorithm::AesGcm256);
  return {label(AeadAlgorithm::AesGcm256, "replayed", size),
          [=] {
            ends->batch = sealed_packets(ends->outbound, size);
            for (Packet& packet : ends->batch) {
              Packet first = Packet::copy_of(packet.bytes());
              expect(static_cast<bool>(ends->inbound.open(first)), "open failed");
            }
          },
          [=] { ends->open_all(false); }};
}

// The same text, nonce and AAD lengths, without IP, ESP and the window.
class RawBotan {
 public:
  RawBotan(AeadAlgorithm algorithm, std::size_t size) {
    const EspKeys keys = keys_of(algorithm);
    const Bytes key = keys.key.bytes().first(Aead::key_length(algorithm));
    const char* name = algorithm == AeadAlgorithm::AesGcm128 ? "AES-128/GCM" : "AES-256/GCM";
    sealing_ = Botan::AEAD_Mode::create_or_throw(name, Botan::Cipher_Dir::Encryption);
    opening_ = Botan::AEAD_Mode::create_or_throw(name, Botan::Cipher_Dir::Decryption);
    sealing_->set_key(key);
    opening_->set_key(key);
    tag_.reserve(2 * EspHeader::icv_length);
    const std::size_t payload = size - Ipv4Header::length;
    const std::size_t length =
        payload + esp_overhead(payload) - EspHeader::in_front - EspHeader::icv_length;
    texts_.resize(window, Text{ByteString(length, 0x5a), {}});
  }

  void next_window() { sequence_ += window; }
  void seal() {
    for (std::size_t i = 0; i < window; ++i) {
      start(*sealing_, i);
      tag_.clear();
      sealing_->finish(tag_);
      std::ranges::copy(tag_, texts_[i].tag.begin());
    }
  }
  void open() {
    for (std::size_t i = 0; i < window; ++i) {
      start(*opening_, i);
      tag_.assign(texts_[i].tag.begin(), texts_[i].tag.end());
      opening_->finish(tag_);
    }
  }

 private:
  struct Text {
    ByteString octets;
    std::array<std::uint8_t, EspHeader::icv_length> tag;
  };

  void start(Botan::AEAD_Mode& mode, std::size_t i) {
    std::array<std::uint8_t, Aead::nonce_length> nonce{};
    std::array<std::uint8_t, 12> aad{};
    const std::uint64_t number = sequence_ + i;
    std::memcpy(nonce.data() + 4, &number, sizeof number);
    std::memcpy(aad.data() + 4, &number, sizeof number);
    mode.set_associated_data(aad);
    mode.start(nonce);
    mode.process(texts_[i].octets);
  }

  std::unique_ptr<Botan::AEAD_Mode> sealing_;
  std::unique_ptr<Botan::AEAD_Mode> opening_;
  Botan::secure_vector<std::uint8_t> tag_;
  std::vector<Text> texts_;
  std::uint64_t sequence_ = 0;
};

Work raw_seal_work(AeadAlgorithm algorithm, std::size_t size) {
  auto raw = std::make_shared<RawBotan>(algorithm, size);
  return {"botan seal", [=] { raw->next_window(); }, [=] { raw->seal(); }};
}
Work raw_open_work(AeadAlgorithm algorithm, std::size_t size) {
  auto raw = std::make_shared<RawBotan>(algorithm, size);
  return {"botan open",
          [=] {
            raw->next_window();
            raw->seal();
          },
          [=] { raw->open(); }};
}

constexpr std::uint16_t connections = 10000;

void fill(FilterTable& table, const IpAddress& address, PeerId peer) {
  for (std::uint16_t port = 0; port < connections; ++port) {
    table.add({{IpProtocol::Tcp, {address, port}, ch}, peer, spi});
  }
}

void bench_filters(std::vector<Row>& rows) {
  const IpAddress home = mh.address;
  const IpAddress away = *IpAddress::parse("198.51.100.9");
  FilterTable table;
  fill(table, home, PeerId{1});
  fill(table, ch.address, PeerId{2});
  bool at_home = true;
  const auto move = [&] {
    const AddressRewrite change{Side::Local, at_home ? home : away, at_home ? away : home};
    expect(table.rewrite(PeerId{1}, change) == connections, "a row was not rewritten");
    at_home = !at_home;
  };
  Row rewrite = measure({{"filters rewrite 10000 rows", [] {}, move, 1}}, 50).front();
  for (double* value : {&rewrite.value, &rewrite.min, &rewrite.max}) *value /= 1e6;
  rewrite.unit = "ms";
  rows.push_back(std::move(rewrite));
  if (!at_home) move();
  table.accept_also(PeerId{1}, {Side::Local, away, home}, Instant::max());
  const auto admit = [&](const IpAddress& shown) {
    for (std::uint16_t i = 0; i < window; ++i) {
      const auto port = static_cast<std::uint16_t>(i * 37);
      const FiveTuple flow{IpProtocol::Tcp, {shown, port}, ch};
      expect(table.admit(PeerId{1}, flow, Instant{}).has_value(), "a packet was not admitted");
    }
  };
  for (Row& row : measure({{"filters admit, 20000 rows", [] {}, [&] { admit(home); }},
                           {"filters admit under grace", [] {}, [&] { admit(away); }}})) {
    rows.push_back(std::move(row));
  }
}

void print(const std::vector<Row>& rows) {
  std::printf("%-34s %10s %10s %10s %10s\n", "", "median", "min", "max", "reference");
  for (const Row& row : rows) {
    std::printf("%-34s %7.1f %s %10.1f %10.1f", row.name.c_str(), row.value, row.unit, row.min,
                row.max);
    if (row.reference) {
      std::printf(" %10.1f\n", *row.reference);
    } else {
      std::printf(" %10s\n", "-");
    }
  }
}

void write_json(const std::vector<Row>& rows, const char* path) {
  std::FILE* file = std::fopen(path, "w");
  expect(file != nullptr, "the file for --json cannot be written");
  std::fputs("[\n", file);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    std::fprintf(file,
                 "  {\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"n\": %zu, "
                 "\"min\": %.3f, \"max\": %.3f, \"reference\": ",
                 row.name.c_str(), row.value, row.unit, row.n, row.min, row.max);
    if (row.reference) {
      std::fprintf(file, "%.3f", *row.reference);
    } else {
      std::fputs("null", file);
    }
    std::fprintf(file, "}%s\n", i + 1 < rows.size() ? "," : "");
  }
  std::fputs("]\n", file);
  expect(std::fclose(file) == 0, "the file for --json could not be written");
}

}  // namespace

int main(int argc, char** argv) try {
  const char* json = nullptr;
  if (argc == 3 && std::strcmp(argv[1], "--json") == 0) {
    json = argv[2];
  } else if (argc != 1) {
    std::fputs("usage: esp_bench [--json FILE]\n", stderr);
    return 2;
  }
  std::vector<Row> rows;
  for (const auto algorithm : {AeadAlgorithm::AesGcm128, AeadAlgorithm::AesGcm256}) {
    for (const std::size_t size : {64u, 512u, 1400u}) {
      std::vector<Row> four = measure({seal_work(algorithm, size), raw_seal_work(algorithm, size),
                                       open_work(algorithm, size), raw_open_work(algorithm, size)});
      for (const std::size_t ours : {0u, 2u}) {
        four[ours].reference = four[ours + 1].value;
        rows.push_back(four[ours]);
      }
    }
  }
  for (Row& row : measure({forged_work(1400), replayed_work(1400)})) rows.push_back(std::move(row));
  bench_filters(rows);
  print(rows);
  if (json != nullptr) write_json(rows, json);
} catch (const std::exception& error) {
  std::fprintf(stderr, "esp_bench: %s\n", error.what());
  return 1;
}
