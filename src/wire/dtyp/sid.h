// Security identifiers.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-DTYP] 2.4.2 "SID". A value: identifier authority (48 bits) and 0 to 15 subauthorities.
// Sub-authorities past the count are always zero, so that comparing members compares SIDs.
class Sid {
 public:
  static constexpr size_t kSubAuthoritiesMax = 15;  // [MS-DTYP] 2.4.2.2 SubAuthorityCount
  static constexpr uint64_t kAuthorityMax = 0xffff'ffff'ffff;
  static constexpr size_t kHeaderSize = 8;
  static constexpr size_t kSizeMax = kHeaderSize + 4 * kSubAuthoritiesMax;

  // S-1-0 with no subauthority; equal to no account.
  constexpr Sid() = default;
  // Sub-authorities past the fifteenth are dropped.
  constexpr Sid(uint64_t authority, std::initializer_list<uint32_t> sub_authorities)
      : authority_(authority & kAuthorityMax) {
    for (uint32_t sub : sub_authorities) {
      if (count_ < kSubAuthoritiesMax) sub_authorities_[count_++] = sub;
    }
  }

  // [MS-DTYP] 2.4.2.1 "SID String Format Syntax": "S-1-5-21-1-2-3-500". The authority may be
  // hexadecimal ("0x..."); malformed for anything else.
  static Result<Sid> parse(std::string_view text);
  std::string to_string() const;

  // [MS-DTYP] 2.4.2.2 "SID--Packet Representation".
  static Result<Sid> decode(Reader& r);
  void encode(Writer& w) const;
  size_t encoded_size() const { return kHeaderSize + 4 * size_t{count_}; }

  constexpr uint64_t authority() const { return authority_; }
  constexpr std::span<const uint32_t> sub_authorities() const {
    return {sub_authorities_.data(), count_};
  }

  // The last subauthority, 0 without any.
  constexpr uint32_t rid() const { return count_ == 0 ? 0 : sub_authorities_[count_ - 1]; }
  // This SID with one more subauthority, or without its last. REQUIRES room for it in the former;
  // a full SID stays as it is.
  constexpr Sid with_rid(uint32_t rid) const {
    Sid sid = *this;
    if (sid.count_ < kSubAuthoritiesMax) sid.sub_authorities_[sid.count_++] = rid;
    return sid;
  }
  constexpr Sid domain() const {
    Sid sid = *this;
    if (sid.count_ > 0) sid.sub_authorities_[--sid.count_] = 0;
    return sid;
  }
  // True if this is `domain` with exactly one more subauthority.
  constexpr bool is_in(const Sid& domain) const {
    return count_ == domain.count_ + 1 && this->domain() == domain;
  }

  constexpr auto operator<=>(const Sid&) const = default;

 private:
  uint64_t authority_ = 0;
  uint8_t count_ = 0;
  std::array<uint32_t, kSubAuthoritiesMax> sub_authorities_{};
};

// [MS-DTYP] 2.4.2.4 "Well-Known SID Structures", the ones a file server meets.
namespace sids {
inline constexpr Sid kNobody{0, {0}};
inline constexpr Sid kEveryone{1, {0}};
inline constexpr Sid kCreatorOwner{3, {0}};
inline constexpr Sid kCreatorGroup{3, {1}};
inline constexpr Sid kOwnerRights{3, {4}};
inline constexpr Sid kNetwork{5, {2}};
inline constexpr Sid kAnonymous{5, {7}};
inline constexpr Sid kAuthenticatedUsers{5, {11}};
inline constexpr Sid kLocalSystem{5, {18}};
inline constexpr Sid kBuiltin{5, {32}};
inline constexpr Sid kAdministrators{5, {32, 544}};
inline constexpr Sid kUsers{5, {32, 545}};
inline constexpr Sid kGuests{5, {32, 546}};
inline constexpr Sid kBackupOperators{5, {32, 551}};
// Accounts of the server's own system that no directory maps.
inline constexpr Sid kUnixUsers{22, {1}};
inline constexpr Sid kUnixGroups{22, {2}};
// What clients that keep modes and owners in ACLs write: S-1-5-88-1-uid, -2-gid, -3-mode.
inline constexpr Sid kNfsUsers{5, {88, 1}};
inline constexpr Sid kNfsGroups{5, {88, 2}};
inline constexpr Sid kNfsMode{5, {88, 3}};
}  // namespace sids

}  // namespace braid::wire

template <>
struct std::hash<braid::wire::Sid> {
  size_t operator()(const braid::wire::Sid& sid) const {
    uint64_t h = sid.authority();
    for (uint32_t sub : sid.sub_authorities()) h = (h ^ sub) * 0x9e3779b97f4a7c15ULL;
    return braid::detail::mix(h);
  }
};
