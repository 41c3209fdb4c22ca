// A capture of what leaves the wire.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace godwit::wire {

// The classic format with nanoseconds, link type Ethernet.
class PcapFile {
 public:
  PcapFile(const std::string& path, std::uint32_t snap) : snap_{snap} {
    file_ = std::fopen(path.c_str(), "wb");
    if (file_ == nullptr) return;
    std::setvbuf(file_, nullptr, _IOFBF, 1 << 20);
    const std::array<std::uint32_t, 6> header{0xa1b23c4d, 2 | 4u << 16, 0, 0, snap_, 1};
    std::fwrite(header.data(), sizeof header, 1, file_);
  }
  ~PcapFile() {
    if (file_ != nullptr) std::fclose(file_);
  }
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  bool open() const { return file_ != nullptr; }
  void write(const std::uint8_t* frame, std::uint32_t length) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
    const std::uint32_t kept = std::min(length, snap_);
    const std::array<std::uint32_t, 4> header{
        static_cast<std::uint32_t>(seconds.count()),
        static_cast<std::uint32_t>(std::chrono::nanoseconds{now - seconds}.count()), kept, length};
    std::fwrite(header.data(), sizeof header, 1, file_);
    std::fwrite(frame, kept, 1, file_);
  }
  void flush() { std::fflush(file_); }

 private:
  std::FILE* file_ = nullptr;
  std::uint32_t snap_;
};

}  // namespace godwit::wire
