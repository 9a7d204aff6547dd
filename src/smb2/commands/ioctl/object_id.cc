// [MS-FSA] 2.1.5.10.1 "FSCTL_CREATE_OR_GET_OBJECT_ID", 2.1.5.10.13 "FSCTL_GET_OBJECT_ID",
// 2.1.5.10.35 "FSCTL_SET_OBJECT_ID" and its kin.
#include <algorithm>
#include <cstring>

#include "smb2/commands/ioctl/ioctl.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.1.3 "FILE_OBJECTID_BUFFER Structure".
constexpr size_t kObjectIdBufferSize = 64;
constexpr size_t kGuidSize = 16;

}  // namespace

Task<Result<IoctlAnswer>> ioctl_get_object_id(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < kObjectIdBufferSize) co_return fail(NtStatus::kInvalidParameter);
  // Made from what the file system knows the file by: the same as long as the file lives, and no
  // other of the volume has it.
  const FileKey& key = request.open->attributes.file_key;
  Bytes volume_id(kGuidSize);
  const std::string& id = request.tree_connect->share->volume->features().file_system_id;
  std::memcpy(volume_id.data(), id.data(), std::min(id.size(), volume_id.size()));
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  writer.u64(key.device);
  writer.u64(key.inode);
  writer.bytes(volume_id);
  writer.u64(key.device);
  writer.u64(key.inode);
  writer.zeros(kGuidSize);  // DomainId
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_set_object_id(Request&, const wire::IoctlRequest&) {
  // The right to restore backups is asked for, and nobody has it over the network.
  co_return fail(NtStatus::kAccessDenied);
}

}  // namespace braid::smb2
