// Structures of one size: every byte that is not reserved is read into a field of its own and
// written from it.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/fs_information.h"
#include "wire/reader.h"
#include "wire/smb2/close.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/write.h"
#include "wire/writer.h"

namespace braid::wire {
namespace {

struct Span {
  size_t begin;
  size_t size;
};

// No two bytes are the same, so that none can stand for another. `booleans` hold 0 or 1.
Bytes pattern(size_t size, const std::vector<Span>& reserved, const std::vector<size_t>& booleans) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i + 1);
  for (const Span& span : reserved) {
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(span.begin), span.size, uint8_t{0});
  }
  for (const size_t at : booleans) bytes[at] = 1;
  return bytes;
}

template <class T>
void expect_same(const Bytes& bytes) {
  Reader reader(bytes);
  const auto value = T::decode(reader);
  ASSERT_TRUE(value);
  EXPECT_EQ(reader.remaining(), 0u);
  Bytes out;
  Writer writer(out);
  value->encode(writer);
  EXPECT_EQ(out, bytes);
  Reader cut(ByteView(bytes).first(bytes.size() - 1));
  EXPECT_EQ(T::decode(cut).error(), Error::truncated());
}

template <class T>
void expect_fixed(size_t size, const std::vector<Span>& reserved = {},
                  const std::vector<size_t>& booleans = {}) {
  SCOPED_TRACE(__PRETTY_FUNCTION__);
  const Bytes bytes = pattern(size, reserved, booleans);
  expect_same<T>(bytes);
  for (const size_t at : booleans) {
    Bytes other = bytes;
    other[at] = 0;
    expect_same<T>(other);
  }
}

// A body of [MS-SMB2] 2.2, which begins with its StructureSize.
template <class T>
void expect_body(uint8_t structure_size, size_t size, const std::vector<Span>& reserved) {
  SCOPED_TRACE(__PRETTY_FUNCTION__);
  Bytes bytes = pattern(size, reserved, {});
  bytes[0] = structure_size;
  bytes[1] = 0;
  expect_same<T>(bytes);
  bytes[0]++;
  Reader reader(bytes);
  EXPECT_EQ(T::decode(reader).error(), Error::malformed());
}

TEST(FixedLayout, FileInformationClasses) {
  expect_fixed<FileBasicInformation>(40, {{36, 4}});
  expect_fixed<FileStandardInformation>(24, {{22, 2}}, {20, 21});
  expect_fixed<FileInternalInformation>(8);
  expect_fixed<FileEaInformation>(4);
  expect_fixed<FileAccessInformation>(4);
  expect_fixed<FilePositionInformation>(8);
  expect_fixed<FileModeInformation>(4);
  expect_fixed<FileAlignmentInformation>(4);
  expect_fixed<FileAttributeTagInformation>(8);
  expect_fixed<FileNetworkOpenInformation>(56, {{52, 4}});
  expect_fixed<FileCompressionInformation>(16, {{13, 3}});
  expect_fixed<FileIdInformation>(24);
  expect_fixed<FileStandardLinkInformation>(12, {{10, 2}}, {8, 9});
}

TEST(FixedLayout, FileSystemInformationClasses) {
  expect_fixed<FileFsSizeInformation>(24);
  expect_fixed<FileFsFullSizeInformation>(32);
  expect_fixed<FileFsDeviceInformation>(8);
  expect_fixed<FileFsControlInformation>(48, {{44, 4}});
  expect_fixed<FileFsObjectIdInformation>(64);
  expect_fixed<FileFsSectorSizeInformation>(28);
}

TEST(FixedLayout, Bodies) {
  expect_body<CloseRequest>(24, 24, {{4, 4}});
  expect_body<CloseResponse>(60, 60, {{4, 4}});
  expect_body<FlushRequest>(24, 24, {{2, 6}});
  expect_body<LeaseBreakAcknowledgment>(36, 36, {{2, 2}, {28, 8}});
}

// The channel information behind it is not used, and not there.
TEST(FixedLayout, WriteResponse) { expect_body<WriteResponse>(17, 16, {{2, 2}, {12, 4}}); }

}  // namespace
}  // namespace braid::wire
