#include "smb2/common/error_status.h"

#include <cerrno>

namespace braid::smb2 {
namespace {

NtStatus of_errno(int error_number) {
  switch (error_number) {
    case 0:
      return NtStatus::kSuccess;
    case EPERM:
    case EACCES:
      return NtStatus::kAccessDenied;
    case ENOENT:
      return NtStatus::kObjectNameNotFound;
    case ENOTDIR:
      return NtStatus::kObjectPathNotFound;
    case EISDIR:
      return NtStatus::kFileIsADirectory;
    case EEXIST:
      return NtStatus::kObjectNameCollision;
    case ENOTEMPTY:
      return NtStatus::kDirectoryNotEmpty;
    case ESTALE:
      return NtStatus::kObjectNameNotFound;  // the name leads elsewhere by now
    case EXDEV:
      return NtStatus::kNotSameDevice;
    case ELOOP:
      return NtStatus::kStoppedOnSymlink;
    case ENAMETOOLONG:
      return NtStatus::kObjectNameInvalid;
    case EILSEQ:
      return NtStatus::kObjectNameInvalid;
    case ENOSPC:
      return NtStatus::kDiskFull;
    case EDQUOT:
      return NtStatus::kDiskFull;
    case E2BIG:  // more names of attributes than the kernel lists: no stream fits any more
    case EFBIG:
      return NtStatus::kDiskFull;
    case EROFS:
      return NtStatus::kMediaWriteProtected;
    case EMFILE:
    case ENFILE:
      return NtStatus::kTooManyOpenedFiles;
    case EMLINK:
      return NtStatus::kTooManyLinks;
    case ENOMEM:
      return NtStatus::kInsufficientResources;
    case EBADF:
      return NtStatus::kAccessDenied;  // opened without the right this needs
    case ERANGE:                       // a quota or a time that the file system has no number for
    case EINVAL:
      return NtStatus::kInvalidParameter;
    case EBUSY:
    case ETXTBSY:
      return NtStatus::kSharingViolation;
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
      return NtStatus::kNotSupported;
    case ENODATA:
      return NtStatus::kNotFound;
    case ENXIO:
    case ENODEV:
      return NtStatus::kNoSuchDevice;
    case ETIMEDOUT:
      return NtStatus::kIoTimeout;
    case EIO:
      return NtStatus::kIoDeviceError;
    default:
      return NtStatus::kUnsuccessful;
  }
}

}  // namespace

NtStatus to_status(const Error& error) {
  switch (error.fault()) {
    // [MS-SMB2] 3.3.5.2.6 "Handling Incorrectly Formatted Requests".
    case Fault::kTruncated:
    case Fault::kMalformed:
      return NtStatus::kInvalidParameter;
    case Fault::kUnsupported:
      return NtStatus::kNotSupported;
    case Fault::kOs:
      return of_errno(error.os_error());
    case Fault::kStatus:
      return error.status();
  }
  return NtStatus::kInternalError;
}

}  // namespace braid::smb2
