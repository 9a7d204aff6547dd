#include "wire/fscc/file_information.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/fscc/captured_testing.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/pipe_information.h"
#include "wire/fscc/set_information.h"

namespace braid::wire {
namespace {

// Decodes a vector, wants nothing left over, and wants the same bytes back.
template <class Info>
Info round_trip(const char* vector) {
  const Bytes bytes = unhex(vector);
  Reader r(bytes);
  Result<Info> info = Info::decode(r);
  EXPECT_TRUE(info) << vector;
  EXPECT_EQ(r.remaining(), 0u) << vector;
  if (!info) return {};
  Bytes out;
  Writer w(out);
  info->encode(w);
  EXPECT_EQ(out, bytes) << vector;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    Reader shorter(ByteView(bytes).first(cut));
    EXPECT_FALSE(Info::decode(shorter)) << cut;
  }
  return *std::move(info);
}

TEST(FileInformation, CapturedAnswersRoundTrip) {
  EXPECT_EQ(round_trip<FileBasicInformation>(captured::kBasic).file_attributes, 0x20u);
  const auto standard = round_trip<FileStandardInformation>(captured::kStandard);
  EXPECT_EQ(standard.allocation_size, 8192u);
  EXPECT_EQ(standard.end_of_file, 11u);
  EXPECT_EQ(standard.number_of_links, 1u);
  EXPECT_EQ(round_trip<FileInternalInformation>(captured::kInternal).index_number, 0xa74086u);
  EXPECT_EQ(round_trip<FileCompressionInformation>(captured::kCompression).compressed_file_size,
            11u);
  EXPECT_EQ(round_trip<FileNetworkOpenInformation>(captured::kNetworkOpen).end_of_file, 11u);
  EXPECT_EQ(round_trip<FileAttributeTagInformation>(captured::kAttributeTag).file_attributes,
            0x20u);
  EXPECT_EQ(round_trip<FileNameInformation>(captured::kAlternateName).file_name, "_4NYRE~7.TXT");
  const auto all = round_trip<FileAllInformation>(captured::kAll);
  EXPECT_EQ(all.name.file_name, "\\Ünïcode file.txt");
  EXPECT_EQ(all.access.access_flags, 0x1f01ffu);
  EXPECT_EQ(all.mode.mode, FileModeInformation::kSynchronousIoNonalert);
}

TEST(FsInformation, CapturedAnswersRoundTrip) {
  EXPECT_EQ(round_trip<FileFsVolumeInformation>(captured::kFsVolume).volume_label, "share");
  EXPECT_EQ(round_trip<FileFsSizeInformation>(captured::kFsSize).bytes_per_sector, 512u);
  EXPECT_EQ(round_trip<FileFsDeviceInformation>(captured::kFsDevice).device_type,
            FileFsDeviceInformation::kTypeDisk);
  EXPECT_EQ(round_trip<FileFsAttributeInformation>(captured::kFsAttribute).file_system_name,
            "NTFS");
  EXPECT_EQ(
      round_trip<FileFsFullSizeInformation>(captured::kFsFullSize).sectors_per_allocation_unit, 2u);
  round_trip<FileFsObjectIdInformation>(captured::kFsObjectId);
  EXPECT_EQ(round_trip<FileFsSectorSizeInformation>(captured::kFsSectorSize).flags, 3u);
}

TEST(FsInformation, LongVolumeLabelIsCutToThirtyTwoUnits) {
  FileFsVolumeInformation info;
  info.volume_label = std::string(31, 'x') + "\xF0\x9F\x98\x80";  // a surrogate pair across the cut
  Bytes out;
  Writer w(out);
  info.encode(w);
  Reader r(out);
  const auto decoded = FileFsVolumeInformation::decode(r);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->volume_label, std::string(31, 'x'));
}

TEST(SetInformation, RenameOfShortNameIsPaddedToTwentyFourBytes) {
  FileRenameInformation info;
  info.replace_if_exists = true;
  info.file_name = "b";
  Bytes out;
  Writer w(out);
  info.encode(w);
  EXPECT_EQ(out, unhex("0100000000000000 0000000000000000 02000000 6200 0000"));
  Reader r(out);
  const auto decoded = FileRenameInformation::decode(r);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->file_name, "b");
}

TEST(SetInformation, RenameNameBeyondTheBufferIsTruncated) {
  const Bytes bytes = unhex("0100000000000000 0000000000000000 ffffffff 6200 0000");
  Reader r(bytes);
  EXPECT_EQ(FileRenameInformation::decode(r).error(), Error::truncated());
}

TEST(SetInformation, OddNameLengthIsMalformed) {
  const Bytes bytes = unhex("0100000000000000 0000000000000000 03000000 6200 6200");
  Reader r(bytes);
  EXPECT_EQ(FileRenameInformation::decode(r).error(), Error::malformed());
}

TEST(SetInformation, NegativeSizesAreMalformed) {
  const Bytes bytes = unhex("ffffffffffffffff");
  Reader a(bytes), b(bytes), c(bytes);
  EXPECT_FALSE(FileEndOfFileInformation::decode(a));
  EXPECT_FALSE(FileAllocationInformation::decode(b));
  EXPECT_FALSE(FileValidDataLengthInformation::decode(c));
}

TEST(PipeInformation, EncodedSizesAreThoseOfTheSections) {
  Bytes out;
  Writer w(out);
  FilePipeLocalInformation{}.encode(w);
  EXPECT_EQ(out.size(), 40u);
  Reader r(out);
  EXPECT_EQ(FilePipeLocalInformation::decode(r)->named_pipe_state,
            FilePipeLocalInformation::kStateConnected);
}

}  // namespace
}  // namespace braid::wire
