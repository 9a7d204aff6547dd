// The information classes of [MS-FSCC]: see golden_testing.h.
#include <gtest/gtest.h>

#include "wire/fscc/file_attributes.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/pipe_information.h"
#include "wire/fscc/reparse.h"
#include "wire/fscc/set_information.h"
#include "wire/golden_testing.h"

namespace braid::wire {
namespace {

TEST(GoldenFscc, FileInformation) {
  const FileBasicInformation basic{.creation_time = {0x1817161514131211},
                                   .last_access_time = {0x2827262524232221},
                                   .last_write_time = {0x3837363534333231},
                                   .change_time = {0x4847464544434241},
                                   .file_attributes = 0x54535251};
  golden<FileBasicInformation>(basic,
                               "1112131415161718 2122232425262728 3132333435363738"
                               "4142434445464748 51525354 (00000000)");
  const FileStandardInformation standard{.allocation_size = 0x1817161514131211,
                                         .end_of_file = 0x2827262524232221,
                                         .number_of_links = 0x34333231,
                                         .delete_pending = true,
                                         .directory = true};
  golden<FileStandardInformation>(standard,
                                  "1112131415161718 2122232425262728 31323334 01 01 (0000)");
  golden<FileInternalInformation>({.index_number = 0x1817161514131211}, "1112131415161718");
  golden<FileEaInformation>({.ea_size = 0x04030201}, "01020304");
  golden<FileAccessInformation>({.access_flags = 0x04030201}, "01020304");
  golden<FilePositionInformation>({.current_byte_offset = 0x1817161514131211}, "1112131415161718");
  golden<FileModeInformation>({.mode = 0x04030201}, "01020304");
  golden<FileAlignmentInformation>({.alignment_requirement = 0x04030201}, "01020304");
  golden<FileAttributeTagInformation>({.file_attributes = 0x04030201, .reparse_tag = 0x14131211},
                                      "01020304 11121314");
  golden<FileNetworkOpenInformation>({.creation_time = {0x1817161514131211},
                                      .last_access_time = {0x2827262524232221},
                                      .last_write_time = {0x3837363534333231},
                                      .change_time = {0x4847464544434241},
                                      .allocation_size = 0x5857565554535251,
                                      .end_of_file = 0x6867666564636261,
                                      .file_attributes = 0x74737271},
                                     "1112131415161718 2122232425262728 3132333435363738"
                                     "4142434445464748 5152535455565758 6162636465666768 71727374"
                                     "(00000000)");
  golden<FileCompressionInformation>({.compressed_file_size = 0x1817161514131211,
                                      .compression_format = 0x2221,
                                      .compression_unit_shift = 0x31,
                                      .chunk_shift = 0x41,
                                      .cluster_shift = 0x51},
                                     "1112131415161718 2122 31 41 51 (000000)");
  golden<FileIdInformation>(
      {.volume_serial_number = 0x1817161514131211, .file_id = id_from<FileId128>(0xA0)},
      "1112131415161718 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
  golden<FileStandardLinkInformation>({.number_of_accessible_links = 0x04030201,
                                       .total_number_of_links = 0x14131211,
                                       .delete_pending = true,
                                       .directory = true},
                                      "01020304 11121314 01 01 (0000)");
  golden<FileNameInformation>({.file_name = "ab"}, "04000000 61006200");
  golden<FileAllInformation>({.basic = basic,
                              .standard = standard,
                              .internal = {0x1817161514131211},
                              .ea = {0x04030201},
                              .access = {0x14131211},
                              .position = {0x2827262524232221},
                              .mode = {0x34333231},
                              .alignment = {0x44434241},
                              .name = {"ab"}},
                             "1112131415161718 2122232425262728 3132333435363738"
                             "4142434445464748 51525354 (00000000)"
                             "1112131415161718 2122232425262728 31323334 01 01 (0000)"
                             "1112131415161718 01020304 11121314 2122232425262728 31323334"
                             "41424344 04000000 61006200");
}

TEST(GoldenFscc, SetInformation) {
  golden<FileRenameInformation>(
      {.replace_if_exists = true, .root_directory = 0x1817161514131211, .file_name = "a"},
      "01 (00000000000000) 1112131415161718 02000000 6100 | (0000)");
  golden<FileRenameInformation>({.root_directory = 0x1817161514131211, .file_name = "abc"},
                                "00 (00000000000000) 1112131415161718 06000000 610062006300");
  golden<FileRenameInformationEx>(
      {.flags = 0x04030201, .root_directory = 0x1817161514131211, .file_name = "a"},
      "01020304 (00000000) 1112131415161718 02000000 6100 | (0000)");
  golden<FileRenameInformationEx>(
      {.flags = 0x04030201, .root_directory = 0x1817161514131211, .file_name = "abc"},
      "01020304 (00000000) 1112131415161718 06000000 610062006300");
  golden<FileRenameInformationType1>(
      {.replace_if_exists = true, .root_directory = 0x14131211, .file_name = "a"},
      "01 (000000) 11121314 02000000 6100");
  golden<FileDispositionInformation>({.delete_pending = true}, "01");
  golden<FileDispositionInformationEx>({.flags = 0x04030201}, "01020304");
  golden<FileAllocationInformation>({.allocation_size = 0x7867666564636261}, "6162636465666778");
  golden<FileEndOfFileInformation>({.end_of_file = 0x7867666564636261}, "6162636465666778");
  golden<FileValidDataLengthInformation>({.valid_data_length = 0x7867666564636261},
                                         "6162636465666778");
}

template <class T>
Result<T> decode_size(uint64_t size) {
  Bytes bytes;
  Writer(bytes).u64(size);
  return decode_at<T>(bytes, 0);
}

TEST(SetInformation, SizesEndWhereSignedNumbersDo) {
  constexpr uint64_t kMost = INT64_MAX;
  EXPECT_EQ(decode_size<FileAllocationInformation>(kMost)->allocation_size, kMost);
  EXPECT_EQ(decode_size<FileEndOfFileInformation>(kMost)->end_of_file, kMost);
  EXPECT_EQ(decode_size<FileValidDataLengthInformation>(kMost)->valid_data_length, kMost);
  EXPECT_TRUE(decode_size<FileEndOfFileInformation>(0));
  EXPECT_EQ(decode_size<FileAllocationInformation>(kMost + 1).error(), Error::malformed());
  EXPECT_EQ(decode_size<FileEndOfFileInformation>(kMost + 1).error(), Error::malformed());
  EXPECT_EQ(decode_size<FileValidDataLengthInformation>(kMost + 1).error(), Error::malformed());
}

TEST(GoldenFscc, FileSystemInformation) {
  golden<FileFsVolumeInformation>({.volume_creation_time = {0x1817161514131211},
                                   .volume_serial_number = 0x24232221,
                                   .supports_objects = true,
                                   .volume_label = "ab"},
                                  "1112131415161718 21222324 04000000 01 (00) 61006200");
  golden<FileFsLabelInformation>({.volume_label = "ab"}, "04000000 61006200");
  golden<FileFsSizeInformation>({.total_allocation_units = 0x1817161514131211,
                                 .available_allocation_units = 0x2827262524232221,
                                 .sectors_per_allocation_unit = 0x34333231,
                                 .bytes_per_sector = 0x44434241},
                                "1112131415161718 2122232425262728 31323334 41424344");
  golden<FileFsFullSizeInformation>(
      {.total_allocation_units = 0x1817161514131211,
       .caller_available_allocation_units = 0x2827262524232221,
       .actual_available_allocation_units = 0x3837363534333231,
       .sectors_per_allocation_unit = 0x44434241,
       .bytes_per_sector = 0x54535251},
      "1112131415161718 2122232425262728 3132333435363738 41424344 51525354");
  golden<FileFsDeviceInformation>({.device_type = 0x04030201, .characteristics = 0x14131211},
                                  "01020304 11121314");
  golden<FileFsAttributeInformation>({.file_system_attributes = 0x04030201,
                                      .maximum_component_name_length = 0x14131211,
                                      .file_system_name = "ab"},
                                     "01020304 11121314 04000000 61006200");
  golden<FileFsControlInformation>({.free_space_start_filtering = 0x1817161514131211,
                                    .free_space_threshold = 0x2827262524232221,
                                    .free_space_stop_filtering = 0x3837363534333231,
                                    .default_quota_threshold = 0x4847464544434241,
                                    .default_quota_limit = 0x5857565554535251,
                                    .file_system_control_flags = 0x64636261},
                                   "1112131415161718 2122232425262728 3132333435363738"
                                   "4142434445464748 5152535455565758 61626364 (00000000)");
  FileFsObjectIdInformation object{.object_id = id_from<Guid>(0xA0)};
  for (size_t i = 0; i < object.extended_info.size(); ++i) {
    object.extended_info[i] = static_cast<uint8_t>(i + 1);
  }
  golden<FileFsObjectIdInformation>(
      object, "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF" + hex_of(object.extended_info));
  golden<FileFsSectorSizeInformation>(
      {.logical_bytes_per_sector = 0x04030201,
       .physical_bytes_per_sector_for_atomicity = 0x14131211,
       .physical_bytes_per_sector_for_performance = 0x24232221,
       .effective_physical_bytes_per_sector_for_atomicity = 0x34333231,
       .flags = 0x44434241,
       .byte_offset_for_sector_alignment = 0x54535251,
       .byte_offset_for_partition_alignment = 0x64636261},
      "01020304 11121314 21222324 31323334 41424344 51525354"
      "61626364");
  golden<FileFsPosixInformation>({.optimal_transfer_size = 0x04030201,
                                  .block_size = 0x14131211,
                                  .total_blocks = 0x2827262524232221,
                                  .blocks_avail = 0x3837363534333231,
                                  .user_blocks_avail = 0x4847464544434241,
                                  .total_file_nodes = 0x5857565554535251,
                                  .free_file_nodes = 0x6867666564636261,
                                  .fs_identifier = 0x7877767574737271},
                                 "01020304 11121314 2122232425262728 3132333435363738"
                                 "4142434445464748 5152535455565758 6162636465666768"
                                 "7172737475767778");
}

TEST(GoldenFscc, PosixInformation) {
  golden<FilePosixInformation>({.creation_time = {0x1817161514131211},
                                .last_access_time = {0x2827262524232221},
                                .last_write_time = {0x3837363534333231},
                                .change_time = {0x4847464544434241},
                                .end_of_file = 0x5857565554535251,
                                .allocation_size = 0x6867666564636261,
                                .file_attributes = 0x74737271,
                                .inode = 0x8887868584838281,
                                .device_id = 0x94939291,
                                .number_of_links = 0xA4A3A2A1,
                                .reparse_tag = 0xB4B3B2B1,
                                .mode = 0xC4C3C2C1,
                                .owner = Sid(22, {1, 0xD4D3D2D1}),
                                .group = Sid(22, {2, 0xE4E3E2E1})},
                               "1112131415161718 2122232425262728 3132333435363738"
                               "4142434445464748 5152535455565758 6162636465666768 71727374"
                               "8182838485868788 91929394 (00000000) A1A2A3A4 B1B2B3B4 C1C2C3C4"
                               "01 02 000000000016 01000000 D1D2D3D4"
                               "01 02 000000000016 02000000 E1E2E3E4");
}

TEST(GoldenFscc, PipeInformation) {
  golden<FilePipeInformation>({.read_mode = 0x04030201, .completion_mode = 0x14131211},
                              "01020304 11121314");
  golden<FilePipeLocalInformation>({.named_pipe_type = 0x04030201,
                                    .named_pipe_configuration = 0x14131211,
                                    .maximum_instances = 0x24232221,
                                    .current_instances = 0x34333231,
                                    .inbound_quota = 0x44434241,
                                    .read_data_available = 0x54535251,
                                    .outbound_quota = 0x64636261,
                                    .write_quota_available = 0x74737271,
                                    .named_pipe_state = 0x84838281,
                                    .named_pipe_end = 0x94939291},
                                   "01020304 11121314 21222324 31323334 41424344 51525354 61626364"
                                   "71727374 81828384 91929394");
  golden<FilePipeRemoteInformation>(
      {.collect_data_time = 0x1817161514131211, .maximum_collection_count = 0x24232221},
      "1112131415161718 21222324");
}

// Every cut is refused with the status of FSCTL_SET_REPARSE_POINT.
void golden_reparse(const ReparseData& value, std::string_view text) {
  golden_uncut<ReparseData>(value, text);
  const Bytes whole = GoldenBytes(text, 0).whole;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(ReparseData::decode(ByteView(whole).first(size)).error(),
              Error(NtStatus::kIoReparseDataInvalid))
        << text << " cut to " << size;
  }
}

TEST(GoldenFscc, Reparse) {
  golden_reparse({reparse_tag::kSymlink, SymlinkReparse{"ab", "c", true}},
                 "0C0000A0 1200 (0000) 0000 0400 0400 0200 01[000000] 61006200 6300");
  golden_reparse({reparse_tag::kSymlink, SymlinkReparse{"ab", "c", false}},
                 "0C0000A0 1200 (0000) 0000 0400 0400 0200 00[000000] 61006200 6300");
  golden_reparse({reparse_tag::kMountPoint, MountPointReparse{"ab", "c"}},
                 "030000A0 0E00 (0000) 0000 0400 0400 0200 61006200 6300");
  golden_reparse({reparse_tag::kNfs, NfsReparse{.target = "ab"}},
                 "14000080 0C00 (0000) 4C4E4B0100000000 61006200");
  for (const char* type : {"43485200", "424C4B00"}) {
    golden_reparse(
        {reparse_tag::kNfs, NfsReparse{.type = type[1] == '3' ? NfsReparse::Type::kCharacterDevice
                                                              : NfsReparse::Type::kBlockDevice,
                                       .major = 0x04030201,
                                       .minor = 0x14131211}},
        std::string("14000080 1000 (0000) ") + type + "00000000 01020304 11121314");
  }
  golden_reparse({reparse_tag::kNfs, NfsReparse{.type = NfsReparse::Type::kFifo}},
                 "14000080 0800 (0000) 4649464F00000000");
  golden_reparse({reparse_tag::kNfs, NfsReparse{.type = NfsReparse::Type::kSocket}},
                 "14000080 0800 (0000) 534F434B00000000");
  golden_reparse({reparse_tag::kLxSymlink, LxSymlinkReparse{"/x"}},
                 "1D0000A0 0600 (0000) 02000000 2F78");
  golden_reparse({reparse_tag::kLxFifo, OpaqueReparse{{}, {0xD1, 0xD2}}},
                 "24000080 0200 (0000) D1D2");
  golden_reparse({0x00000042, OpaqueReparse{id_from<Guid>(0xA0), {0xD1, 0xD2}}},
                 "42000000 0200 (0000) A0A1A2A3A4A5A6A7A8A9AAABACADAEAF D1D2");
}

TEST(Reparse, BoundsAreTakenAndWhatIsBeyondThemRefused) {
  // The tags 0 and 1 are reserved.
  ReparseData opaque{2, OpaqueReparse{Guid{}, {}}};
  EXPECT_EQ(ReparseData::decode(opaque.encode()), opaque);
  for (const uint32_t tag : {0u, 1u}) {
    opaque.tag = tag;
    EXPECT_EQ(ReparseData::decode(opaque.encode()).error(), Error(NtStatus::kIoReparseTagInvalid));
  }
  ReparseData most{reparse_tag::kLxFifo, OpaqueReparse{{}, Bytes(ReparseData::kSizeMax - 8, 1)}};
  EXPECT_EQ(ReparseData::decode(most.encode()), most);
  std::get<OpaqueReparse>(most.data).data.push_back(1);
  EXPECT_EQ(ReparseData::decode(most.encode()).error(), Error(NtStatus::kIoReparseDataInvalid));
  // [MS-FSCC] 2.1.2.6: 2050 bytes of a link's target.
  ReparseData link{reparse_tag::kNfs, NfsReparse{.target = std::string(1025, 'a')}};
  EXPECT_EQ(ReparseData::decode(link.encode()), link);
  std::get<NfsReparse>(link.data).target += 'a';
  EXPECT_EQ(ReparseData::decode(link.encode()).error(), Error(NtStatus::kIoReparseDataInvalid));
  for (const char* bytes : {"14000080 0900 0000 4649464F00000000 00",  // behind a FIFO
                            "14000080 1100 0000 4348520000000000 0000000000000000 00",
                            "14000080 0800 0000 4649464F01000000",  // no type
                            "1D0000A0 0600 0000 03000000 2F78"}) {  // no version
    EXPECT_EQ(ReparseData::decode(unhex(bytes)).error(), Error(NtStatus::kIoReparseDataInvalid))
        << bytes;
  }
}

}  // namespace
}  // namespace braid::wire
