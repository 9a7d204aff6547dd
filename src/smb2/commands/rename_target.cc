#include "smb2/commands/rename_target.h"

#include <cerrno>
#include <utility>

#include "smb2/common/error_status.h"
#include "smb2/files/access_check.h"
#include "smb2/files/file_services.h"
#include "smb2/files/taking.h"
#include "smb2/files/waiting.h"
#include "smb2/shares/tree_path.h"
#include "vfs/names.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

Result<RenameTarget> resolve_target(Request& request, const std::string& name) {
  BRAID_CHECK(check_reaches(request.principal, *request.tree_connect->share));
  const vfs::NameRules rules =
      request.open->attributes.is_posix ? vfs::NameRules::kExact : vfs::NameRules::kWindows;
  BRAID_TRY(const auto parsed, vfs::parse_path(name, rules));
  if (parsed.path.is_root()) return fail(NtStatus::kInvalidParameter);
  if (parsed.has_stream || parsed.trailing_separator) return fail(NtStatus::kObjectNameInvalid);
  BRAID_TRY(auto resolved, request.tree_connect->share->volume->lookup(
                               request.credentials(), parsed.path,
                               {.rules = rules, .pin_parent = true, .in_pieces = true}));
  if (std::holds_alternative<vfs::Link>(resolved)) return fail(NtStatus::kObjectPathNotFound);
  if (auto* missing = std::get_if<vfs::Missing>(&resolved)) {
    return RenameTarget{std::move(missing->place), std::move(missing->path), std::nullopt};
  }
  auto& found = std::get<vfs::Found>(resolved);
  RenameTarget target{{found.place.parent, found.wanted_name, found.place.is_exact},
                      found.path.parent(),
                      std::nullopt};
  BRAID_CHECK(target.path.append(vfs::to_client(found.wanted_name)));
  target.taken = std::move(found);
  return target;
}

// As filestate knows it.
std::string path_of_taken(const Request& request, const vfs::Found& taken) {
  return in_all_shares(*request.tree_connect->share, taken.path.text());
}

// What can be said of it whoever has it open.
Result<void> judge(Request& request, const vfs::Found& taken, const RenameHow& how) {
  if (!how.replace) return fail(NtStatus::kObjectNameCollision);
  const bool moves_directory = request.open->attributes.is_directory;
  if (request.open->attributes.is_posix) {
    // As rename(2) does it: an empty directory makes way for another.
    if (taken.attributes.is_directory() && !moves_directory) {
      return fail(NtStatus::kFileIsADirectory);
    }
    if (!taken.attributes.is_directory() && moves_directory) return fail(NtStatus::kNotADirectory);
  } else {
    if (taken.attributes.is_directory()) return fail(NtStatus::kAccessDenied);
    // No rename of Linux puts a directory in the place of a file.
    if (moves_directory) return fail(NtStatus::kObjectNameCollision);
  }
  const bool is_readonly = (taken.attributes.dos_attributes & vfs::dos::kReadonly) != 0;
  if (is_readonly && !how.ignore_readonly) return fail(NtStatus::kAccessDenied);
  // Said whether or not it may be deleted.
  if (request.files.file_table.is_delete_pending(taken.attributes.key,
                                                 path_of_taken(request, taken))) {
    return fail(NtStatus::kDeletePending);
  }
  return check_may_replace(request, taken, is_readonly ? wire::Access::kFileWriteAttributes : 0);
}

// Whoever has a directory open with the right to delete it keeps the names in it as they are.
filestate::Decision free_directory(Request& request, const FileKey& directory) {
  filestate::FileTable& table = request.files.file_table;
  if (!table.is_open_with(directory, wire::Access::kDelete)) return filestate::Decision::go();
  const filestate::Decision broken = table.break_handles(directory, request.open->ref());
  if (broken.verdict != filestate::Verdict::kGo) return broken;
  return table.is_open_with(directory, wire::Access::kDelete)
             ? filestate::Decision::fail(NtStatus::kSharingViolation)
             : filestate::Decision::go();
}

// One attempt of the below. What fails otherwise than by a decision is left in `error`.
class Attempt {
 public:
  Attempt(Request& request, std::string name, FileKey source, RenameHow how)
      : request_(request), name_(std::move(name)), source_(source), how_(how) {}

  filestate::Decision run() {
    // [MS-FSA] 2.1.5.15.7 and .12; for a stream begin_stream_rename() says so.
    if (request_.files.file_table.is_delete_pending(request_.open->ref())) {
      return filestate::Decision::fail(NtStatus::kAccessDenied);
    }
    const uint64_t before = request_.files.file_table.name_changes();
    auto resolved = resolve_target(request_, name_);
    if (!resolved) return failed(resolved.error());
    target = *std::move(resolved);
    const bool is_taken = target.taken && target.taken->attributes.key != source_;
    if (is_taken) {
      if (const auto judged = judge(request_, *target.taken, how_); !judged) {
        return failed(judged.error());
      }
    }
    *waits_at->lock() = {target.place.parent->key()};
    const filestate::Decision freed = free_directory(request_, target.place.parent->key());
    if (freed.verdict != filestate::Verdict::kGo || !is_taken) return freed;
    *waits_at->lock() = {target.taken->attributes.key};
    auto replace = request_.files.file_table.begin_replace(
        target.taken->attributes.key, path_of_taken(request_, *target.taken), request_.open->ref(),
        how_.posix_semantics ? filestate::DeleteSemantics::kPosix
                             : filestate::DeleteSemantics::kLastClose);
    if (replace.decision.verdict == filestate::Verdict::kGo) {
      target.until_replaced = request_.files.announce_until(target.taken->attributes.key,
                                                            std::move(replace.until_replaced));
    } else if (replace.taken_by) {
      taken_by = replace;
    }
    if (replace.decision.verdict == filestate::Verdict::kGo &&
        request_.files.file_table.name_changes() != before && !has_its_name(*target.taken)) {
      // The name may have gone to another file before this one was taken, and that may be open.
      target.until_replaced.reset();
      return failed(Error::os(EINPROGRESS));
    }
    return replace.decision;
  }

  RenameTarget target;
  std::optional<Error> error;
  std::optional<filestate::ReplaceDecision> taken_by;  // somebody else takes the same name
  const WaitPlace waits_at = std::make_shared<Guarded<std::vector<FileKey>>>();

 private:
  bool has_its_name(const vfs::Found& taken) {
    const auto now = request_.tree_connect->share->volume->find(request_.credentials(), taken.path);
    return now && now->attributes.key == taken.attributes.key;
  }
  filestate::Decision failed(const Error& why) {
    error = why;
    return filestate::Decision::fail(to_status(why));
  }

  Request& request_;
  const std::string name_;
  const FileKey source_;
  const RenameHow how_;
};

}  // namespace

Task<Result<RenameTarget>> take_target(Request& request, std::string name, FileKey source,
                                       RenameHow how) {
  Attempt attempt(request, std::move(name), source, how);
  Result<void> done;
  for (;;) {
    done = co_await until_decided(request, [&attempt] { return attempt.run(); }, attempt.waits_at);
    if (const auto by = std::exchange(attempt.taken_by, std::nullopt)) {
      BRAID_CO_CHECK(co_await wait_for_taker(request, *by));
      continue;
    }
    if (!attempt.error || !attempt.error->is_os(EINPROGRESS)) break;
    // The directory is large and not known yet, or what is there is another file by now: others
    // have their turn between.
    attempt.error.reset();
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
  if (attempt.error) co_return std::unexpected(*attempt.error);
  if (!done) co_return std::unexpected(done.error());
  co_return std::move(attempt.target);
}

void replaced(Request& request, const RenameTarget& target) {
  if (!target.until_replaced) return;
  request.files.file_table.unlinked(target.taken->attributes.key,
                                    path_of_taken(request, *target.taken));
}

}  // namespace braid::smb2
