#include "smb2/common/error_status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace braid::smb2 {
namespace {

TEST(ErrorStatus, EachErrnoHasTheStatusWindowsGivesForTheSame) {
  const struct {
    int error_number;
    NtStatus status;
  } rows[] = {
      {EACCES, NtStatus::kAccessDenied},
      {EPERM, NtStatus::kAccessDenied},
      {ENOENT, NtStatus::kObjectNameNotFound},
      {ENOTDIR, NtStatus::kObjectPathNotFound},
      {EISDIR, NtStatus::kFileIsADirectory},
      {EEXIST, NtStatus::kObjectNameCollision},
      {ENOTEMPTY, NtStatus::kDirectoryNotEmpty},
      {EXDEV, NtStatus::kNotSameDevice},
      {ENAMETOOLONG, NtStatus::kObjectNameInvalid},
      {ENOSPC, NtStatus::kDiskFull},
      {E2BIG, NtStatus::kDiskFull},
      {EDQUOT, NtStatus::kDiskFull},
      {EROFS, NtStatus::kMediaWriteProtected},
      {EMFILE, NtStatus::kTooManyOpenedFiles},
      {ENOMEM, NtStatus::kInsufficientResources},
      {ETXTBSY, NtStatus::kSharingViolation},
      {EOPNOTSUPP, NtStatus::kNotSupported},
      {EIO, NtStatus::kIoDeviceError},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(to_status(Error::os(row.error_number)), row.status) << row.error_number;
  }
}

TEST(ErrorStatus, AnErrnoNobodyThoughtOfIsUnsuccessfulAndNeverSuccess) {
  for (int error_number = 1; error_number < 200; ++error_number) {
    // Success and information are below 2.
    EXPECT_GE(severity(to_status(Error::os(error_number))), 2u) << error_number;
  }
  EXPECT_EQ(to_status(Error::os(199)), NtStatus::kUnsuccessful);
}

// [MS-SMB2] 3.3.5.2.6 "Handling Incorrectly Formatted Requests".
TEST(ErrorStatus, BytesThatDoNotDecodeAreAnInvalidParameter) {
  EXPECT_EQ(to_status(Error::truncated()), NtStatus::kInvalidParameter);
  EXPECT_EQ(to_status(Error::malformed()), NtStatus::kInvalidParameter);
  EXPECT_EQ(to_status(Error::unsupported()), NtStatus::kNotSupported);
}

TEST(ErrorStatus, AStatusStaysWhatItIs) {
  EXPECT_EQ(to_status(NtStatus::kFileClosed), NtStatus::kFileClosed);
}

}  // namespace
}  // namespace braid::smb2
