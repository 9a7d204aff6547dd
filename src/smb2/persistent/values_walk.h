// ValuesOut, ValuesIn: one description of the bytes of a value, walk(), serves both directions.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/credentials.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

//   template <class Io> void walk(Io& io, WalkOf<Io, Thing>& thing) {
//     io.number(thing.size);
//     io.expect(thing.size <= kMost);  // of what is read
//   }
// Numbers are little-endian and as wide as they are here; texts and bytes have a size (32) before
// them, lists a count (32), and what may not be there a flag (8). Thread: the one that has it.
class ValuesOut {
 public:
  template <class Values>
  using Of = const Values;
  static constexpr bool kReads = false;

  explicit ValuesOut(Bytes& bytes) : w_(bytes) {}
  void expect(bool) {}
  bool ok() const { return true; }

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void number(const T& value) {
    if constexpr (sizeof(T) == 1) {
      w_.u8(static_cast<uint8_t>(value));
    } else if constexpr (sizeof(T) == 2) {
      w_.u16(static_cast<uint16_t>(value));
    } else if constexpr (sizeof(T) == 4) {
      w_.u32(static_cast<uint32_t>(value));
    } else {
      w_.u64(static_cast<uint64_t>(value));
    }
  }
  template <class Tag>
  void id(const Id128<Tag>& value) {
    w_.id128(value);
  }
  void bytes(ByteView value) {
    w_.u32(static_cast<uint32_t>(value.size()));
    w_.bytes(value);
  }
  void text(const std::string& value) { bytes(as_bytes(value)); }
  template <size_t kSize>
  void array(const std::array<uint8_t, kSize>& value) {
    w_.bytes(value);
  }
  void sid(const wire::Sid& value) { value.encode(w_); }
  template <class T, class Walk>
  void maybe(const std::optional<T>& value, Walk walk) {
    w_.u8(value.has_value());
    if (value) walk(*value);
  }
  template <class T, class Walk>
  void shared(const std::shared_ptr<const T>& value, Walk walk) {
    w_.u8(value != nullptr);
    if (value) walk(*value);
  }
  template <class List, class Walk>
  void list(const List& all, size_t, Walk walk) {
    w_.u32(static_cast<uint32_t>(all.size()));
    for (const auto& each : all) walk(each);
  }

 protected:
  wire::Writer w_;
};

class ValuesIn {
 public:
  template <class Values>
  using Of = Values;
  static constexpr bool kReads = true;

  explicit ValuesIn(ByteView bytes) : r_(bytes) {}
  void expect(bool condition) { r_.expect(condition); }
  bool ok() const { return r_.ok(); }
  wire::Reader& reader() { return r_; }
  // All was read.
  Result<void> finish() {
    r_.expect(r_.remaining() == 0);
    if (!r_.ok()) return std::unexpected(r_.error());
    return {};
  }

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void number(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = flag();
    } else if constexpr (sizeof(T) == 1) {
      value = static_cast<T>(r_.u8());
    } else if constexpr (sizeof(T) == 2) {
      value = static_cast<T>(r_.u16());
    } else if constexpr (sizeof(T) == 4) {
      value = static_cast<T>(r_.u32());
    } else {
      value = static_cast<T>(r_.u64());
    }
  }
  template <class Tag>
  void id(Id128<Tag>& value) {
    value = r_.id128<Id128<Tag>>();
  }
  // Of what is read, as long as that is there.
  ByteView bytes() {
    const uint32_t size = r_.u32();
    return r_.bytes(size);
  }
  void text(std::string& value) { value = as_text(bytes()); }
  template <size_t kSize>
  void array(std::array<uint8_t, kSize>& value) {
    value = r_.array<kSize>();
  }
  void sid(wire::Sid& value) {
    if (auto read = wire::Sid::decode(r_)) {
      value = *read;
    } else {
      r_.fail(read.error());
    }
  }
  template <class T, class Walk>
  void maybe(std::optional<T>& value, Walk walk) {
    if (flag()) walk(value.emplace());
  }
  template <class T, class Walk>
  void shared(std::shared_ptr<const T>& value, Walk walk) {
    if (!flag()) return;
    auto made = std::make_shared<T>();
    walk(*made);
    value = std::move(made);
  }
  // At most `most`, and no more than there are bytes.
  template <class List, class Walk>
  void list(List& all, size_t most, Walk walk) {
    const uint32_t count = r_.u32();
    r_.expect(count <= most && count <= r_.remaining());
    for (uint32_t i = 0; i < count && r_.ok(); ++i) walk(all.emplace_back());
  }

 protected:
  bool flag() {
    const uint8_t byte = r_.u8();
    r_.expect(byte <= 1);
    return byte == 1;
  }

  wire::Reader r_;
};

// `T` as `Io` has it: to be read, or to be filled.
template <class Io, class T>
using WalkOf = typename Io::template Of<T>;

inline constexpr size_t kGroupsMax = 65'536;  // NGROUPS_MAX

template <class Io>
void walk_credentials(Io& io, WalkOf<Io, Credentials>& who) {
  io.shared(who, [&io](auto& each) {
    io.number(each.uid);
    io.number(each.gid);
    io.list(each.groups, kGroupsMax, [&io](auto& group) { io.number(group); });
  });
}

}  // namespace braid::smb2
