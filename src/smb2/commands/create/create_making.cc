// What a CREATE makes. [MS-FSA] 2.1.5.1.1 "Creation of a New File".
#include <cerrno>

#include "smb2/commands/create/create_attempt.h"
#include "smb2/files/file_services.h"
#include "smb2/shares/tree_path.h"

namespace braid::smb2 {
namespace {

using Disposition = vfs::StreamHow::Disposition;

std::string known_as(const CreateAttempt& attempt, const vfs::Path& path) {
  return in_all_shares(*attempt.request.tree_connect->share, path.text());
}

// A stream is found by its name alone. One that was there before filestate knew of the open may
// have become another since, which other workers need not have told this one.
Result<void> complete_stream(const CreateAttempt& attempt, OpenedFile& opened) {
  const bool is_new = opened.stream_how->disposition == Disposition::kCreate;
  if (!is_new && attempt.request.files.file_table.name_changes() == attempt.name_changes) {
    return {};
  }
  const auto gone = [](const Error& error) {
    return error.is_os(ENOENT) ? fail_os(ESTALE) : fail(error);
  };
  auto stream = opened.base_file->open_stream(attempt.state.name.stream, *opened.stream_how);
  if (!stream) return gone(stream.error());
  opened.file = *std::move(stream);
  auto attributes = opened.file->stat();
  if (!attributes) return gone(attributes.error());
  opened.attributes = *std::move(attributes);
  return {};
}

}  // namespace

Result<std::shared_ptr<const void>> begin_making(const CreateAttempt& attempt,
                                                 const vfs::Path& path) {
  FileServices& files = attempt.request.files;
  const std::string name = known_as(attempt, path);
  auto making = files.file_table.begin_making(name);
  if (!making) return fail_os(EINPROGRESS);
  return files.announce_until(files.file_table.key_of_name(name), std::move(making));
}

Result<void> complete(const CreateAttempt& attempt, OpenedFile& opened) {
  if (opened.stream_how) return complete_stream(attempt, opened);
  if (!opened.missing || opened.making) return {};
  BRAID_TRY(opened.making, begin_making(attempt, opened.path));
  vfs::File& made = opened.base_file ? *opened.base_file : *opened.file;
  auto named = attempt.volume.publish(attempt.request.credentials(), *opened.missing, made);
  if (!named) {
    // It may have its name all the same.
    if (!named.error().is_os(EEXIST)) unmake(attempt, opened, Registered::kYes);
    return fail(named.error());
  }
  if (!opened.base_file) opened.attributes = *std::move(named);
  return {};
}

void unmake(const CreateAttempt& attempt, const OpenedFile& opened, Registered registered) {
  FileServices& files = attempt.request.files;
  filestate::FileTable& table = files.file_table;
  const filestate::OpenRef own{attempt.state.caching.file,
                               filestate::OpenToken{attempt.state.file_id.volatile_id}};
  std::shared_ptr<const void> taken;
  if (registered == Registered::kNo) {
    if (table.is_open(opened.key)) return;
  } else if (!opened.missing) {
    // Of a file that was there, where others may open the stream at any time.
    auto removal = table.begin_stream_removal(own, {{own.file}});
    if (removal.decision.verdict != filestate::Verdict::kGo || removal.free.empty()) return;
    taken = files.announce_until(own.file, std::move(removal.until_replaced));
  } else if (table.is_open_beside(own)) {
    return;
  }
  const Credentials& who = attempt.request.credentials();
  const FileKey file{opened.key.device, opened.key.inode, 0};
  const auto found = attempt.volume.find(who, opened.path);
  if (!found || found->attributes.key != file) return;
  if (!opened.missing) {
    const auto base = attempt.volume.open(who, *found, {});
    if (base) (void)(*base)->remove_stream(attempt.state.name.stream);
    return;
  }
  if (!found->attributes.is_directory() && found->attributes.size != 0) return;
  if (attempt.volume.remove(who, opened.missing->place, file)) {
    table.unlinked(file, known_as(attempt, opened.path));
  }
}

}  // namespace braid::smb2
