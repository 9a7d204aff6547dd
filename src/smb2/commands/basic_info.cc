// FileBasicInformation: [MS-FSA] 2.1.5.15.2.
#include "smb2/commands/info_handlers.h"
#include "smb2/files/file_services.h"
#include "smb2/files/report.h"
#include "smb2/persistent/persistent_handles.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

// 0 leaves a time alone; so do the two values that freeze and thaw automatic updates.
std::optional<FileTime> given(FileTime time) {
  using Basic = wire::FileBasicInformation;
  if (time.ticks == 0 || time.ticks == Basic::kTimeFrozen || time.ticks == Basic::kTimeThawed) {
    return std::nullopt;
  }
  return time;
}

// What a time that is given says about later changes of it through the same open:
// UserSetAccessTime, UserSetModificationTime and UserSetChangeTime. A CreationTime never moves by
// itself.
void rule(vfs::TimeRule& rule, FileTime time) {
  if (time.ticks == 0) return;
  if (time.ticks != wire::FileBasicInformation::kTimeThawed) {
    rule = vfs::TimeRule::kKept;
  } else if (rule == vfs::TimeRule::kKept) {
    rule = vfs::TimeRule::kMoves;
  }
}

}  // namespace

Result<void> set_basic_info(Request& request, const wire::FileBasicInformation& basic) {
  FileServices& files = request.files;
  Open& open = *request.open;
  constexpr uint64_t kTimeMax = ~uint64_t{0} >> 1;
  for (const FileTime time :
       {basic.creation_time, basic.last_access_time, basic.last_write_time, basic.change_time}) {
    if (time.ticks > kTimeMax && given(time)) return fail(NtStatus::kInvalidParameter);
  }
  const uint32_t attributes = basic.file_attributes;
  if ((attributes & vfs::dos::kDirectory) && !open.attributes.is_directory) {
    return fail(NtStatus::kInvalidParameter);
  }
  if ((attributes & vfs::dos::kTemporary) && open.attributes.is_directory) {
    return fail(NtStatus::kInvalidParameter);
  }
  vfs::AttributesChange change;
  vfs::File& file = open.whole_file();
  if (attributes != 0) {
    // SPARSE and COMPRESSED have FSCTLs of their own.
    change.dos_attributes = vfs::DosChange(attributes, vfs::dos::kSettable);
  }
  change.creation_time = given(basic.creation_time);
  change.access_time = given(basic.last_access_time);
  change.write_time = given(basic.last_write_time);
  change.change_time = given(basic.change_time);
  // Before the change, which is the first thing they hold for.
  const vfs::TimeRules before = open.time_rules;
  vfs::TimeRules rules = before;
  rule(rules.access, basic.last_access_time);
  rule(rules.write, basic.last_write_time);
  rule(rules.change, basic.change_time);
  if (rules != before) open.set_time_rules(rules);
  if (change.write_time) {
    // After a crash it would look like a change by a local program.
    BRAID_CHECK(files.persistent->settle_now(
        *open.tree_connect->share, {.files = {open.attributes.file_key}, .changes_data = true}));
  }
  if (auto changed = file.change(change); !changed) {
    if (rules != before) open.set_time_rules(before);
    return changed;
  }
  using wire::CompletionFilter;
  const bool is_given = attributes != 0 || change.creation_time || change.access_time ||
                        change.write_time || change.change_time;
  if (!is_given) {
    report_noted(files, open);
    return {};
  }
  report_modified(files, open,
                  (change.dos_attributes ? CompletionFilter::kAttributes : 0) |
                      (change.creation_time ? CompletionFilter::kCreation : 0) |
                      (change.access_time ? CompletionFilter::kLastAccess : 0) |
                      (change.write_time ? CompletionFilter::kLastWrite : 0));
  return {};
}

}  // namespace braid::smb2
