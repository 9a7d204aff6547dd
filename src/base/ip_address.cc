#include "base/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>

namespace braid {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

}  // namespace

IpAddress::IpAddress(ByteView bytes, uint32_t scope_id) {
  assert(bytes.size() == 4 || bytes.size() == 16);
  if (bytes.size() == 16 && std::ranges::equal(bytes.first(kMappedPrefix.size()), kMappedPrefix)) {
    bytes = bytes.subspan(kMappedPrefix.size());
  }
  is_v4_ = bytes.size() == 4;
  std::ranges::copy(bytes, bytes_.begin());
  if (!is_v4_ && is_link_local()) scope_id_ = scope_id;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  uint32_t scope_id = 0;
  if (const size_t percent = text.find('%'); percent != std::string_view::npos) {
    const std::string_view scope = text.substr(percent + 1);
    const auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), scope_id);
    if (error != std::errc{} || end != scope.data() + scope.size()) return std::nullopt;
    text = text.substr(0, percent);
  }
  const std::string terminated(text);
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return IpAddress(ByteView(bytes).first(4));
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return IpAddress(bytes, scope_id);
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::of(const sockaddr* address) {
  std::array<uint8_t, 16> bytes{};
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    std::memcpy(bytes.data(), &v4.sin_addr, 4);
    return IpAddress(ByteView(bytes).first(4));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, address, sizeof v6);
  std::memcpy(bytes.data(), &v6.sin6_addr, 16);
  return IpAddress(bytes, v6.sin6_scope_id);
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family(), bytes_.data(), text, sizeof text);
  return scope_id_ == 0 ? std::string(text) : std::string(text) + "%" + std::to_string(scope_id_);
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes(), [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4_) return bytes_[0] == 127;
  return bytes_[15] == 1 &&
         std::ranges::all_of(bytes().first(15), [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const {
  if (is_v4_) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80;
}

bool IpAddress::shares_prefix(const IpAddress& other, unsigned length) const {
  if (is_v4_ != other.is_v4_ || length > bytes().size() * 8) return false;
  const unsigned whole = length / 8;
  if (!std::equal(bytes_.begin(), bytes_.begin() + whole, other.bytes_.begin())) return false;
  const unsigned rest = length % 8;
  return rest == 0 || ((bytes_[whole] ^ other.bytes_[whole]) >> (8 - rest)) == 0;
}

}  // namespace braid
