// Lists of attributes in NTLM messages.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace braid::wire::ntlm {

// [MS-NLMP] 2.2.2.1 "AV_PAIR".
enum class AvId : uint16_t {
  kEol = 0,
  kNbComputerName = 1,
  kNbDomainName = 2,
  kDnsComputerName = 3,
  kDnsDomainName = 4,
  kDnsTreeName = 5,
  kFlags = 6,
  kTimestamp = 7,
  kSingleHost = 8,
  kTargetName = 9,
  kChannelBindings = 10,
};

inline constexpr uint32_t kAvFlagMicPresent = 0x00000002;
// Eleven are defined; a longer list is an attempt to make us work.
inline constexpr size_t kAvPairsMax = 64;

// A list of pairs in the order of the wire, its end mark not among them.
class AvPairs {
 public:
  // The list ends at its end mark, which must be there; what follows it is ignored.
  static Result<AvPairs> decode(ByteView bytes);
  Bytes encode() const;  // with the end mark

  void add(AvId id, ByteView value);
  void add_text(AvId id, std::string_view utf8);
  void add_u32(AvId id, uint32_t value);
  void add_time(FileTime time);

  // The first pair of that id.
  std::optional<ByteView> find(AvId id) const;
  uint32_t flags() const;                     // 0 without a well-formed pair
  std::optional<FileTime> timestamp() const;  // none without a well-formed pair
  std::optional<std::string> text(AvId id) const;

  struct Pair {
    AvId id;
    Bytes value;
  };
  const std::vector<Pair>& pairs() const { return pairs_; }

 private:
  std::vector<Pair> pairs_;
};

}  // namespace braid::wire::ntlm
