#include "stack/wire/tcp_mss.hpp"

#include <array>
#include <optional>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/tcp.hpp"

namespace godwit {
namespace {

constexpr std::uint8_t option_end = 0;
constexpr std::uint8_t option_none = 1;
constexpr std::uint8_t option_mss = 2;
constexpr std::size_t option_mss_length = 4;

// Where the value of the MSS option stands in the TCP header.
std::optional<std::size_t> mss_at(Bytes header) {
  for (std::size_t at = TcpHeader::length; at < header.size();) {
    if (header[at] == option_end) return std::nullopt;
    if (header[at] == option_none) {
      ++at;
      continue;
    }
    if (at + 2 > header.size()) return std::nullopt;
    const std::size_t length = header[at + 1];
    if (length < 2 || at + length > header.size()) return std::nullopt;
    if (header[at] == option_mss && length == option_mss_length) return at + 2;
    at += length;
  }
  return std::nullopt;
}

}  // namespace

void lower_mss(MutableBytes bytes, const IpDatagram& datagram, std::uint16_t most) {
  if (datagram.protocol != IpProtocol::Tcp || datagram.fragment) return;
  const MutableBytes tcp = bytes.subspan(datagram.header_length, datagram.payload_length());
  if ((tcp[TcpHeader::flags_at] & TcpHeader::syn) == 0) return;
  const std::size_t header_length = std::size_t{tcp[TcpHeader::data_offset_at]} >> 4;
  const auto at = mss_at(tcp.first(header_length * 4));
  if (!at || load_u16(tcp, *at) <= most) return;
  // The checksum counts words: a value at an odd place lies in two of them.
  const std::size_t from = *at & ~std::size_t{1};
  const std::size_t words = *at % 2 == 0 ? 2 : 4;
  if (from + words > tcp.size()) return;
  std::array<std::uint8_t, 4> before{};
  for (std::size_t i = 0; i < words; ++i) before[i] = tcp[from + i];
  store_u16(tcp, *at, most);
  const std::uint16_t sum = load_u16(tcp, TcpHeader::checksum_at);
  store_u16(tcp, TcpHeader::checksum_at,
            checksum_adjusted(sum, Bytes{before}.first(words), tcp.subspan(from, words)));
}

}  // namespace godwit
