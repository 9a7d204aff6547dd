// What the file system classes tell, bit by bit: [MS-FSA] 2.1.5.13 and 2.1.5.16.
#include <cerrno>
#include <cstring>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/memory/memory_features.h"
#include "vfs/memory/memory_quotas.h"
#include "wire/fscc/fs_information.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::FsInfoClass;
using wire::InfoType;
using enum NtStatus;

struct FilesystemInfo : FileRequests {
  explicit FilesystemInfo(std::shared_ptr<vfs::MemoryQuotas> with = nullptr)
      : FileRequests(vfs::make_memory_volume(system_clock(), with)), quotas(std::move(with)) {}
  void SetUp() override {
    FileRequests::SetUp();
    id = open("f");
  }
  template <class Info>
  Info told(FsInfoClass info_class) {
    wire::QueryInfoRequest body;
    body.info_type = InfoType::kFilesystem;
    body.file_info_class = static_cast<uint8_t>(info_class);
    body.output_buffer_length = 4096;
    body.file_id = id;
    const auto answer = client.exchange(client.request(Command::kQueryInfo, body));
    EXPECT_EQ(answer->status(), kSuccess);
    wire::Reader reader(answer->as<wire::QueryInfoResponse>().output_buffer);
    return Info::decode(reader).value();
  }
  uint32_t attributes() {
    return told<wire::FileFsAttributeInformation>(FsInfoClass::kAttribute).file_system_attributes;
  }
  vfs::Features& features() { return vfs::features_of(share_volume()); }

  std::shared_ptr<vfs::MemoryQuotas> quotas;
  FileId id;
};

TEST_F(FilesystemInfo, VolumeIsTheShare) {
  const auto volume = told<wire::FileFsVolumeInformation>(FsInfoClass::kVolume);
  EXPECT_EQ(volume.volume_label, "files");
  EXPECT_EQ(volume.volume_creation_time, features().creation_time);
  // Of the device: the upper half of its product with the golden ratio.
  EXPECT_EQ(volume.volume_serial_number, 0x9e3779b9u);
  features().device = 2;
  EXPECT_EQ(told<wire::FileFsVolumeInformation>(FsInfoClass::kVolume).volume_serial_number,
            0x3c6ef372u);
}

TEST_F(FilesystemInfo, AttributesAreThoseOfTheVolume) {
  using Info = wire::FileFsAttributeInformation;
  const uint32_t always = Info::kCaseSensitiveSearch | Info::kCasePreservedNames |
                          Info::kUnicodeOnDisk | Info::kPersistentAcls | Info::kSupportsObjectIds;
  features() = {.hard_links = false, .device = 1, .file_system_id = "memory"};
  EXPECT_EQ(attributes(), always);
  EXPECT_EQ(told<Info>(FsInfoClass::kAttribute).file_system_name, "NTFS");
  EXPECT_EQ(told<Info>(FsInfoClass::kAttribute).maximum_component_name_length, 255u);
  const auto with = [&](bool vfs::Features::* feature) {
    features().*feature = true;
    const uint32_t added = attributes() & ~always;
    features().*feature = false;
    return added;
  };
  EXPECT_EQ(with(&vfs::Features::xattrs), Info::kSupportsExtendedAttributes);
  EXPECT_EQ(with(&vfs::Features::streams), Info::kNamedStreams);
  EXPECT_EQ(with(&vfs::Features::reflink), Info::kSupportsBlockRefcounting);
  EXPECT_EQ(with(&vfs::Features::sparse), Info::kSupportsSparseFiles);
  EXPECT_EQ(with(&vfs::Features::compression), Info::kFileCompression);
  EXPECT_EQ(with(&vfs::Features::hard_links), Info::kSupportsHardLinks);
  share().read_only = true;
  EXPECT_EQ(attributes(), always | Info::kReadOnlyVolume);
}

TEST_F(FilesystemInfo, DeviceIsADiskThatMayBeReadOnly) {
  using Info = wire::FileFsDeviceInformation;
  auto device = told<Info>(FsInfoClass::kDevice);
  EXPECT_EQ(device.device_type, Info::kTypeDisk);
  EXPECT_EQ(device.characteristics, Info::kDeviceIsMounted);
  share().read_only = true;
  device = told<Info>(FsInfoClass::kDevice);
  EXPECT_EQ(device.characteristics, Info::kDeviceIsMounted | Info::kReadOnlyDevice);
}

// What every memory volume says: blocks of 4096 bytes, 2^20 of them, 2^19 free.
TEST_F(FilesystemInfo, SizesAreInBlocksOfSectors) {
  const auto size = told<wire::FileFsSizeInformation>(FsInfoClass::kSize);
  EXPECT_EQ(size.total_allocation_units, 1u << 20);
  EXPECT_EQ(size.available_allocation_units, 1u << 19);
  EXPECT_EQ(size.sectors_per_allocation_unit, 8u);
  EXPECT_EQ(size.bytes_per_sector, 512u);
  const auto full = told<wire::FileFsFullSizeInformation>(FsInfoClass::kFullSize);
  EXPECT_EQ(full.total_allocation_units, 1u << 20);
  EXPECT_EQ(full.caller_available_allocation_units, 1u << 19);
  EXPECT_EQ(full.actual_available_allocation_units, 1u << 19);
  EXPECT_EQ(full.sectors_per_allocation_unit, 8u);
  EXPECT_EQ(full.bytes_per_sector, 512u);
}

TEST_F(FilesystemInfo, ObjectIdIsThatOfTheFileSystem) {
  const auto object = [&] { return told<wire::FileFsObjectIdInformation>(FsInfoClass::kObjectId); };
  Guid expected;
  std::memcpy(expected.bytes.data(), "memory", 6);
  EXPECT_EQ(object().object_id, expected);
  features().file_system_id = "0123456789abcdefghi";
  std::memcpy(expected.bytes.data(), "0123456789abcdef", 16);
  EXPECT_EQ(object().object_id, expected);
}

TEST_F(FilesystemInfo, SectorsAreTrimmedWhereFilesHaveHoles) {
  using Info = wire::FileFsSectorSizeInformation;
  const auto sectors = [&] { return told<Info>(FsInfoClass::kSectorSize); };
  EXPECT_EQ(sectors().flags, Info::kAlignedDevice | Info::kPartitionAlignedOnDevice);
  features().sparse = true;
  EXPECT_EQ(sectors().flags,
            Info::kAlignedDevice | Info::kPartitionAlignedOnDevice | Info::kTrimEnabled);
  EXPECT_EQ(sectors().logical_bytes_per_sector, 512u);
}

// Below a mount the open's own file system is asked.
TEST_F(FilesystemInfo, SpaceBelowAMountIsThatOfTheFile) {
  features().device = 7;
  EXPECT_EQ(told<wire::FileFsSizeInformation>(FsInfoClass::kSize).total_allocation_units, 1u << 20);
}

struct FilesystemQuotas : FilesystemInfo {
  FilesystemQuotas() : FilesystemInfo(std::make_shared<vfs::MemoryQuotas>()) {}
  using Full = wire::FileFsFullSizeInformation;
  using Control = wire::FileFsControlInformation;

  Full with_quota(const vfs::Quota& quota) {
    vfs::Quota mine = quota;
    mine.uid = server_credentials()->uid;
    mine.exists = true;
    quotas->put(mine);
    return told<Full>(FsInfoClass::kFullSize);
  }
  NtStatus set_control(RawClient& by, const Control& control) {
    Bytes buffer;
    wire::Writer writer(buffer);
    control.encode(writer);
    wire::SetInfoRequest body;
    body.info_type = InfoType::kFilesystem;
    body.file_info_class = static_cast<uint8_t>(FsInfoClass::kControl);
    auto create = RawClient::create_body("c");
    create.desired_access = wire::Access::kFileWriteData;
    body.file_id = by.create(create);
    body.buffer = buffer;
    return by.status_of(by.request(Command::kSetInfo, body));
  }
};

TEST_F(FilesystemQuotas, SpaceIsThatOfALimit) {
  Full full = with_quota({.used = 8192, .limits = {.soft = 1 << 20}});
  EXPECT_EQ(full.total_allocation_units, 1u << 20);
  full = with_quota({.used = 8192, .limits = {.soft = {}, .hard = 16384}});
  EXPECT_EQ(full.total_allocation_units, 4u);
  EXPECT_EQ(full.caller_available_allocation_units, 2u);
  EXPECT_EQ(full.actual_available_allocation_units, 1u << 19);
  full = with_quota({.used = 16384, .limits = {.soft = {}, .hard = 16384}});
  EXPECT_EQ(full.caller_available_allocation_units, 0u);
  full = with_quota({.used = 20480, .limits = {.soft = {}, .hard = 16384}});
  EXPECT_EQ(full.caller_available_allocation_units, 0u);
  // More than there is does not make the disk larger.
  full = with_quota({.used = 0, .limits = {.soft = {}, .hard = uint64_t{1} << 50}});
  EXPECT_EQ(full.total_allocation_units, 1u << 20);
  EXPECT_EQ(full.caller_available_allocation_units, 1u << 19);
  full = with_quota({.used = 8192, .limits = {.soft = 4096}, .is_grace_over = true});
  EXPECT_EQ(full.caller_available_allocation_units, 0u);
  EXPECT_EQ(full.total_allocation_units, 1u << 20);
}

TEST_F(FilesystemQuotas, ControlIsSetByAdministratorsAsFarAsItCanBe) {
  make("c", "");
  const auto found = share_volume().find(server_credentials(), vfs::parse_path("c")->path).value();
  ASSERT_TRUE(share_volume().open(server_credentials(), found, {}).value()->change({.mode = 0666}));
  RawClient admin{engine, ClientGuid{{9}}};
  ASSERT_TRUE(admin.log_on(wire::Dialect::kSmb302, "files", "admin"));
  const auto control = [](uint32_t flags, uint64_t soft = Control::kNoLimit,
                          uint64_t hard = Control::kNoLimit) {
    return Control{.default_quota_threshold = soft,
                   .default_quota_limit = hard,
                   .file_system_control_flags = flags};
  };
  EXPECT_EQ(set_control(admin, control(Control::kQuotaEnforce, 4096, 8192)), kSuccess);
  EXPECT_EQ(quotas->default_limits().value(), (vfs::QuotaLimits{.soft = 4096, .hard = 8192}));
  EXPECT_EQ(told<Control>(FsInfoClass::kControl).default_quota_threshold, 4096u);
  EXPECT_EQ(told<Control>(FsInfoClass::kControl).default_quota_limit, 8192u);
  EXPECT_EQ(set_control(admin, control(Control::kQuotaEnforce, INT64_MAX, 8192)), kSuccess);
  for (const uint64_t bad : {uint64_t{1} << 63, ~uint64_t{0} - 1}) {
    EXPECT_EQ(set_control(admin, control(Control::kQuotaEnforce, bad)), kInvalidParameter);
    EXPECT_EQ(set_control(admin, control(Control::kQuotaEnforce, 0, bad)), kInvalidParameter);
  }
  EXPECT_EQ(quotas->default_limits()->soft, uint64_t{INT64_MAX});
  EXPECT_EQ(quotas->state(), vfs::QuotaState::kEnforced);
  EXPECT_EQ(set_control(admin, control(Control::kQuotaTrack | Control::kQuotaEnforce)), kSuccess);
  EXPECT_EQ(quotas->state(), vfs::QuotaState::kTracked);
  EXPECT_EQ(set_control(admin, control(Control::kQuotaEnforce)), kSuccess);
  EXPECT_EQ(quotas->state(), vfs::QuotaState::kEnforced);
  EXPECT_EQ(quotas->default_limits().value(), vfs::QuotaLimits{});
  EXPECT_EQ(set_control(admin, control(0)), kNotSupported);
  quotas->become(vfs::QuotaState::kOff);
  EXPECT_EQ(set_control(admin, control(0, 4096)), kSuccess);
  EXPECT_EQ(quotas->default_limits().value(), vfs::QuotaLimits{});
  EXPECT_EQ(set_control(admin, control(Control::kQuotaTrack)), kNotSupported);
  EXPECT_EQ(told<Control>(FsInfoClass::kControl).file_system_control_flags, 0u);
}

}  // namespace
}  // namespace braid::smb2
