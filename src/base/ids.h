// Distinct types for distinct ids, so that a TreeId cannot be passed where a SessionId is meant.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace braid {

// A number that only compares and hashes. Tag makes the types distinct.
template <class Tag, class Value>
struct Id {
  Value value{};
  constexpr auto operator<=>(const Id&) const = default;
};

using MessageId = Id<struct MessageIdTag, uint64_t>;
using SessionId = Id<struct SessionIdTag, uint64_t>;
using TreeId = Id<struct TreeIdTag, uint32_t>;
using AsyncId = Id<struct AsyncIdTag, uint64_t>;

// Sixteen bytes that only compare and hash.
template <class Tag>
struct Id128 {
  std::array<uint8_t, 16> bytes{};
  constexpr auto operator<=>(const Id128&) const = default;
  constexpr bool is_zero() const { return *this == Id128{}; }
};

// GUIDs are kept in wire order: [MS-DTYP] 2.3.4.2 "GUID--Packet Representation".
using Guid = Id128<struct GuidTag>;
using ClientGuid = Id128<struct ClientGuidTag>;
using CreateGuid = Id128<struct CreateGuidTag>;
using LeaseKey = Id128<struct LeaseKeyTag>;
using AppInstanceId = Id128<struct AppInstanceIdTag>;

// [MS-SMB2] 2.2.14.1 "SMB2_FILEID". All-ones means "the file of the previous request".
struct FileId {
  uint64_t persistent = 0;
  uint64_t volatile_id = 0;
  constexpr auto operator<=>(const FileId&) const = default;
  static constexpr FileId all_ones() { return {~uint64_t{0}, ~uint64_t{0}}; }
};

// Names one file or stream for as long as the file system knows it: what filestate keys by.
struct FileKey {
  uint64_t device = 0;
  uint64_t inode = 0;
  // 0 the unnamed stream. Otherwise, as vfs gives it, a hash of the folded stream name; filestate
  // tells by what number a stream that is open is known, whatever it is called by then.
  uint64_t stream = 0;
  constexpr auto operator<=>(const FileKey&) const = default;
};

namespace detail {
constexpr size_t mix(uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  return static_cast<size_t>(h);
}
// With a key that this process made up: for tables of this process only.
size_t keyed_hash(const std::array<uint8_t, 16>& bytes);
}  // namespace detail

}  // namespace braid

template <class Tag, class Value>
struct std::hash<braid::Id<Tag, Value>> {
  size_t operator()(const braid::Id<Tag, Value>& id) const { return braid::detail::mix(id.value); }
};
// Clients choose these: with a known hash they would choose ones that all fall into one bucket.
template <class Tag>
struct std::hash<braid::Id128<Tag>> {
  size_t operator()(const braid::Id128<Tag>& id) const {
    return braid::detail::keyed_hash(id.bytes);
  }
};
template <>
struct std::hash<braid::FileId> {
  size_t operator()(const braid::FileId& id) const {
    return braid::detail::mix(id.persistent ^ (id.volatile_id * 0x9e3779b97f4a7c15ULL));
  }
};
template <>
struct std::hash<braid::FileKey> {
  size_t operator()(const braid::FileKey& key) const {
    return braid::detail::mix(key.inode ^ (key.device * 0x9e3779b97f4a7c15ULL) ^ key.stream);
  }
};
