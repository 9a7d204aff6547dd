// [MS-SMB2] 3.3.5.20.3 and 3.3.5.21.3 "Handling SMB2_0_INFO_SECURITY"; [MS-FSA] 2.1.5.14 and
// 2.1.5.17.
#include "smb2/commands/create/create_security.h"
#include "smb2/commands/info_rows.h"
#include "smb2/files/access_check.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "smb2/security/inherit.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::SecurityDescriptor;
using Part = wire::SecurityInformation;
namespace control = wire::sd_control;

constexpr uint16_t kDaclControl = control::kDaclPresent | control::kDaclDefaulted |
                                  control::kDaclAutoInheritRequired | control::kDaclAutoInherited |
                                  control::kDaclProtected;
constexpr uint16_t kSaclControl = control::kSaclPresent | control::kSaclDefaulted |
                                  control::kSaclAutoInheritRequired | control::kSaclAutoInherited |
                                  control::kSaclProtected;
// What an ACL for access control by labels and claims is asked for with; all live in the SACL.
constexpr uint32_t kOtherParts = Part::kLabel | Part::kAttribute | Part::kScope;

// Streams share the descriptor of their file.
Result<FileSecurityRef> load(Request& request) {
  vfs::File& file = request.open->whole_file();
  BRAID_TRY(const vfs::Attributes attributes, file.stat());
  return request.files.descriptors.load(file, attributes);
}

SecurityDescriptor parts_of(const SecurityDescriptor& whole, uint32_t wanted) {
  SecurityDescriptor answer;
  if (wanted & Part::kOwner) answer.owner = whole.owner;
  if (wanted & Part::kGroup) answer.group = whole.group;
  if (wanted & Part::kDacl) {
    answer.dacl = whole.dacl;
    answer.control |= whole.control & kDaclControl;
  }
  if (wanted & Part::kSacl) {
    answer.sacl = whole.sacl;
    answer.control |= whole.control & kSaclControl;
  }
  return answer;
}

uint32_t needed_to_query(uint32_t parts) {
  uint32_t needed = 0;
  if (parts & (Part::kOwner | Part::kGroup | Part::kDacl | kOtherParts)) {
    needed |= Access::kReadControl;
  }
  if (parts & Part::kSacl) needed |= Access::kAccessSystemSecurity;
  if (parts & Part::kBackup) needed |= Access::kReadControl | Access::kAccessSystemSecurity;
  return needed;
}

uint32_t needed_to_set(uint32_t parts) {
  uint32_t needed = 0;
  if (parts & (Part::kOwner | Part::kGroup | Part::kLabel)) needed |= Access::kWriteOwner;
  if (parts & Part::kDacl) needed |= Access::kWriteDac;
  if (parts & (Part::kSacl | Part::kAttribute | Part::kScope)) {
    needed |= Access::kAccessSystemSecurity;
  }
  if (parts & Part::kBackup) {
    needed |= Access::kWriteOwner | Access::kWriteDac | Access::kAccessSystemSecurity;
  }
  return needed;
}

// `given` put over `descriptor`, part by part.
Result<void> merge(SecurityDescriptor& descriptor, const SecurityDescriptor& given, uint32_t parts,
                   const Request& request) {
  if ((parts & Part::kOwner) && given.owner) {
    if (given.owner != descriptor.owner) BRAID_CHECK(check_owner(request, *given.owner));
    descriptor.owner = given.owner;
  }
  if ((parts & Part::kGroup) && given.group) descriptor.group = given.group;
  // A DACL that was not put in is the NULL list; a SACL that was not put in is none.
  if (parts & Part::kDacl) {
    if (given.dacl) BRAID_CHECK(given.dacl->check());
    descriptor.dacl = given.dacl;
    descriptor.control &= ~kDaclControl;
    descriptor.control |= (given.control & kDaclControl) | control::kDaclPresent;
  }
  if (parts & Part::kSacl) {
    if (given.sacl) BRAID_CHECK(given.sacl->check());
    descriptor.sacl = given.sacl;
    descriptor.control &= ~kSaclControl;
    descriptor.control |= given.control & kSaclControl;
  }
  if (given.control & control::kRmControlValid) {
    descriptor.control |= control::kRmControlValid;
    descriptor.resource_manager_control = given.resource_manager_control;
  }
  return {};
}

Result<QueryAnswer> query_security(Request& request, const wire::QueryInfoRequest& query) {
  BRAID_TRY(const FileSecurityRef security, load(request));
  BRAID_TRY(Bytes data, parts_of(security->descriptor, query.additional_information).encode());
  return QueryAnswer{.data = std::move(data), .all_or_nothing = true};
}

// The mode that a client writes as an entry for S-1-5-88-3-mode.
std::optional<uint32_t> mode_in(const SecurityDescriptor& given) {
  if (!given.dacl) return std::nullopt;
  for (const wire::Ace& ace : given.dacl->aces) {
    if (ace.sid.is_in(wire::sids::kNfsMode)) return ace.sid.rid() & wire::PosixMode::kPermissions;
  }
  return std::nullopt;
}

// chmod(2) and chown(2) through a POSIX open. Nothing: it is a descriptor that is set.
std::optional<vfs::AttributesChange> unix_change(const Request& request,
                                                 const SecurityDescriptor& given, uint32_t parts) {
  if (!request.open->attributes.is_posix) return std::nullopt;
  const auth::IdMapper& ids = request.files.ids;
  vfs::AttributesChange change;
  if ((parts & Part::kOwner) && given.owner) {
    change.uid = ids.uid_of(*given.owner);
    if (!change.uid) return std::nullopt;
  }
  if ((parts & Part::kGroup) && given.group) {
    change.gid = ids.gid_of(*given.group);
    if (!change.gid) return std::nullopt;
  }
  if (parts & Part::kDacl) {
    change.mode = mode_in(given);
    if (!change.mode) return std::nullopt;
  }
  if (!change.uid && !change.gid && !change.mode) return std::nullopt;
  return change;
}

// Returns whether it was another.
Result<bool> set_descriptor(Request& request, const SecurityDescriptor& given, uint32_t parts) {
  const auto put_over = [&](SecurityDescriptor& descriptor) -> Result<void> {
    BRAID_CHECK(merge(descriptor, given, parts, request));
    // Of lists that stay as they are the flags have been settled before.
    if (parts & Part::kDacl) make_storable(descriptor, StoredList::kDacl);
    if (parts & Part::kSacl) make_storable(descriptor, StoredList::kSacl);
    return {};
  };
  return request.files.descriptors.change(request.open->whole_file(), put_over,
                                          owner_giver(request));
}

Task<Result<void>> set_security(Request& request, const wire::SetInfoRequest& set) {
  const uint32_t parts = set.additional_information;
  BRAID_CO_TRY(const auto given, SecurityDescriptor::decode(set.buffer));
  if (const auto change = unix_change(request, given, parts)) {
    // The kernel decides who may, and what becomes of the access list and of set-id bits.
    BRAID_CO_CHECK(request.files.descriptors.change_unix(*request.open->file, *change));
    if (parts & Part::kSacl) BRAID_CO_CHECK(set_descriptor(request, given, Part::kSacl));
    report_modified(request.files, *request.open, wire::CompletionFilter::kSecurity);
    co_return Result<void>{};
  }
  BRAID_CO_TRY(const bool is_changed, set_descriptor(request, given, parts));
  if (is_changed) {
    report_modified(request.files, *request.open, wire::CompletionFilter::kSecurity);
  }
  co_return Result<void>{};
}

constexpr InfoRow kSecurityRow{
    0, InfoQuery{0, Rights::all_for(needed_to_query), query_security, nullptr},
    InfoSet{0, Rights::all_for(needed_to_set), Changes::kFile, set_security}};

}  // namespace

const InfoRow* security_info() { return &kSecurityRow; }

}  // namespace braid::smb2
