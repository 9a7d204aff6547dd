// golden<T>(): a structure's value and its bytes, held against each other from all sides.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hex_testing.h"
#include "wire/reader.h"
#include "wire/smb2/header.h"
#include "wire/writer.h"

namespace braid::wire {

// The bytes of a structure, and what a receiver does with each.
//
//   "1800 0100 (00000000) 0102030405060708 | (00)"
//
// In (): ignored by who reads it, written as it stands there. In []: a length or flags of which
// other values may mean the same. From | on: may be missing, for what ends with all that is left of
// a message, or with a byte that only fills.
struct GoldenBytes {
  enum class Kind { kSaysSomething, kIgnored, kEither };

  explicit GoldenBytes(std::string_view text, size_t at) : whole(at), kinds(at) {
    Kind kind = Kind::kSaysSomething;
    while (!text.empty()) {
      const size_t end = std::min(text.find_first_of("()[]|"), text.size());
      const Bytes part = unhex(text.substr(0, end));
      whole.insert(whole.end(), part.begin(), part.end());
      kinds.resize(whole.size(), kind);
      if (end == text.size()) break;
      const char mark = text[end];
      if (mark == '|') {
        complete_at = whole.size();
      } else {
        kind = mark == '(' ? Kind::kIgnored : mark == '[' ? Kind::kEither : Kind::kSaysSomething;
      }
      text.remove_prefix(end + 1);
    }
    complete_at = std::min(complete_at, whole.size());
  }

  Bytes whole;  // with `at` zeros in front
  std::vector<Kind> kinds;
  size_t complete_at = SIZE_MAX;
};

// For failures to show.
inline std::string hex_of(ByteView bytes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

template <class T>
Result<T> decode_at(ByteView bytes, size_t at) {
  if constexpr (requires(Reader& r) { T::decode(r); }) {
    Reader r(bytes, at);
    return T::decode(r);
  } else {
    return T::decode(bytes);
  }
}

template <class T>
Bytes encode_at(const T& value, size_t at) {
  if constexpr (requires(Writer& w) { value.encode(w); }) {
    Bytes out(at);
    Writer w(out, 0);
    static_cast<void>(value.encode(w));
    return out;
  } else {
    return value.encode();
  }
}

// "" for what is refused.
template <class T>
std::string reencoded(ByteView bytes, size_t at) {
  const Result<T> value = decode_at<T>(bytes, at);
  return value ? hex_of(ByteView(encode_at(*value, at)).subspan(at)) : "";
}

// The value is written as these bytes, and they are read to what is written as these bytes; every
// byte outside of brackets says something, so that another one there is an error or another value;
// and those in () say nothing. Give every field a value of its own that is not its default.
// `at` is how much of a message comes before, which offsets count.
template <class T>
void golden_uncut(const T& value, std::string_view text, size_t at = 0) {
  SCOPED_TRACE(__PRETTY_FUNCTION__);
  const GoldenBytes golden(text, at);
  const Bytes& bytes = golden.whole;
  const std::string expected = hex_of(ByteView(bytes).subspan(at));
  EXPECT_EQ(hex_of(ByteView(encode_at(value, at)).subspan(at)), expected);
  ASSERT_EQ(reencoded<T>(bytes, at), expected);
  for (size_t i = at; i < bytes.size(); ++i) {
    Bytes other = bytes;
    if (golden.kinds[i] == GoldenBytes::Kind::kIgnored) {
      other[i] ^= 0xFF;
      EXPECT_EQ(reencoded<T>(other, at), expected) << "ignored byte " << i - at;
    } else if (golden.kinds[i] == GoldenBytes::Kind::kSaysSomething) {
      other[i] ^= 0x01;
      EXPECT_NE(reencoded<T>(other, at), expected) << "byte " << i - at;
    }
  }
}

// And every cut is refused as truncated.
template <class T>
void golden(const T& value, std::string_view text, size_t at = 0) {
  golden_uncut<T>(value, text, at);
  SCOPED_TRACE(__PRETTY_FUNCTION__);
  const GoldenBytes golden(text, at);
  for (size_t size = at; size < golden.whole.size(); ++size) {
    // Of its own, so that a sanitizer sees what reads beyond.
    const Bytes cut(golden.whole.begin(), golden.whole.begin() + static_cast<ptrdiff_t>(size));
    const Result<T> short_value = decode_at<T>(cut, at);
    EXPECT_EQ(short_value.has_value(), size >= golden.complete_at) << "cut to " << size - at;
    if (!short_value) {
      EXPECT_EQ(short_value.error(), Error::truncated()) << "cut to " << size - at;
    }
  }
}

// A body of [MS-SMB2] 2.2, behind its header; begins with its StructureSize.
template <class T>
void golden_body(const T& value, std::string_view text) {
  golden<T>(value, text, Header::kSize);
  Bytes other = GoldenBytes(text, Header::kSize).whole;
  other[Header::kSize + 1] ^= 0x80;
  const Result<T> value_of_other = decode_at<T>(other, Header::kSize);
  ASSERT_FALSE(value_of_other) << __PRETTY_FUNCTION__;
  EXPECT_EQ(value_of_other.error(), Error::malformed()) << __PRETTY_FUNCTION__;
}

// Sixteen bytes, each one more than the one before.
template <class IdType>
IdType id_from(uint8_t first) {
  IdType id;
  for (uint8_t& byte : id.bytes) byte = first++;
  return id;
}

}  // namespace braid::wire
