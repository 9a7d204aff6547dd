#include "smb2/persistent/restore_open.h"

#include <cerrno>
#include <utility>

#include "smb2/common/store_account.h"
#include "smb2/opens/kernel_access.h"
#include "smb2/shares/tree_path.h"

namespace braid::smb2 {
namespace {

using filestate::Deleter;
using filestate::Deleters;
using filestate::SharedPath;

vfs::DataAccess access_of(const PreservedOpen& open) {
  return kernel_access(open.attributes.granted_access, open.attributes.is_directory, false,
                       open.share->read_only);
}

// The file that the open was of, by this name. ENOENT, ESTALE: it is not there.
Result<vfs::Found> find_same(const PreservedOpen& open, const vfs::Path& path) {
  BRAID_TRY(auto there, open.share->volume->find(open.credentials, path));
  const OpenAttributes& attributes = open.attributes;
  const bool is_same = there.attributes.key.inode == attributes.file_key.inode &&
                       there.attributes.born.ticks == attributes.born &&
                       there.attributes.is_directory() == attributes.is_directory;
  if (!is_same) return fail_os(ESTALE);
  return there;
}

// By the name it has, or was about to have.
Result<vfs::Found> find_again(PreservedOpen& open, const std::string& moving_to) {
  auto there = find_same(open, open.changes.path);
  if (there || moving_to.empty()) return there;
  // The rename was done, and what it has done was not written.
  BRAID_TRY(auto path, vfs::parse_path(moving_to, vfs::NameRules::kPosix));
  auto moved = find_same(open, path.path);
  if (!moved) return there;
  open.changes.path = std::move(path.path);
  return moved;
}

// As create_file.cc opens it.
Result<std::unique_ptr<vfs::File>> open_found(const PreservedOpen& open, const vfs::Found& found) {
  const bool has_no_data = open.attributes.is_stream || found.attributes.is_symlink();
  return open.share->volume->open(open.credentials, found,
                                  {.access = has_no_data ? vfs::DataAccess{} : access_of(open)});
}

Result<void> take_descriptors(FdBudget& fds, PreservedOpen& open) {
  BRAID_TRY(open.descriptors, fds.take_files(*open.owner));
  const OpenAttributes& attributes = open.attributes;
  if (!attributes.is_directory && !attributes.is_stream) open.descriptors.keep(1);
  return {};
}

// A stream has no number of its own before it is open.
Result<FileKey> open_stream(FdBudget& fds, PreservedOpen& open, const vfs::Found& found,
                            const std::string& stream) {
  BRAID_CHECK(take_descriptors(fds, open));
  BRAID_TRY(open.base_file, open_found(open, found));
  BRAID_TRY(open.file, open.base_file->open_stream(stream, {.write = access_of(open).write}));
  BRAID_TRY(const vfs::Attributes now, open.file->stat());
  open.size = now.size;
  open.write_time = now.write_time;
  return open.file->key();
}

// They name the file as filestate knows it here.
void place(const Share& share, const std::string& path, filestate::OpenImage& state) {
  const auto here = std::make_shared<const std::string>(in_all_shares(share, path));
  state.path = here;
  const auto placed = [&](const Deleter& deleter) {
    return deleter ? filestate::make_deleter(deleter->who, deleter->share, *here) : nullptr;
  };
  const auto place_all = [&](Deleters& all) {
    for (const Deleter& each : std::exchange(all, {})) all.add(placed(each));
  };
  state.deleter = placed(state.deleter);
  place_all(state.of_name.deleters);
  place_all(state.of_stream.deleters);
}

}  // namespace

Result<filestate::OpenRef> restore_open(const RestoreParts& parts,
                                        std::shared_ptr<const Share> share, PersistentOpen open) {
  PreservedOpen preserved;
  static_cast<OpenValues&>(preserved) = std::move(static_cast<OpenValues&>(open));
  preserved.changes = std::move(open.changes);
  preserved.share = std::move(share);
  BRAID_TRY(const vfs::Found found, find_again(preserved, open.moving_to));
  preserved.size = found.attributes.size;
  preserved.write_time = found.attributes.write_time;
  FileKey key = found.attributes.key;
  if (preserved.attributes.is_stream) {
    BRAID_TRY(key, open_stream(parts.fds, preserved, found, open.stream));
  }

  const auto left = preserved.changes.durable_terms.timeout;
  return put_back(parts, std::move(preserved), std::move(open.state), key, left);
}

Result<filestate::OpenRef> put_back(const RestoreParts& parts, PreservedOpen preserved,
                                    filestate::OpenImage state, const FileKey& key,
                                    std::chrono::milliseconds left) {
  place(*preserved.share, preserved.changes.path.text(), state);
  const filestate::OpenToken token{parts.file_ids.next().volatile_id};
  const auto known_as = parts.file_table.restore(key, state, token, account_of(*preserved.owner));
  if (!known_as) return fail(NtStatus::kSharingViolation);
  preserved.attributes.file_key = *known_as;
  preserved.file_id.volatile_id = token.value;
  parts.open_table.put_back(std::move(preserved), parts.clock.monotonic() + left);
  return filestate::OpenRef{*known_as, token};
}

Result<void> open_file(const filestate::FileTable& file_table, FdBudget& fds, PreservedOpen& open) {
  if (open.file) return {};
  // Somebody else who has it open may have renamed it.
  if (const auto known = file_table.path_of(open.ref())) {
    if (const auto here = in_this_share(*open.share, *known)) {
      BRAID_TRY(auto path, vfs::parse_path(*here, vfs::NameRules::kPosix));
      open.changes.path = std::move(path.path);
    }
  }
  BRAID_TRY(const vfs::Found found, find_same(open, open.changes.path));
  BRAID_CHECK(take_descriptors(fds, open));
  BRAID_TRY(open.file, open_found(open, found));
  return {};
}

void look_at(const Open& open, PersistentOpen& persistent) {
  persistent.changes = open.changes();
  persistent.stream = open.stream_name();
  persistent.channel_sequence = open.channel_sequence.counts().sequence;
}

bool take_image(const filestate::FileTable& file_table, const Share& share,
                PersistentOpen& persistent) {
  auto state = file_table.image_of(persistent.ref());
  if (!state) return false;
  // A rename by another open has told filestate.
  if (const auto known = std::exchange(state->path, nullptr)) {
    if (const auto here = in_this_share(share, *known)) {
      if (auto parsed = vfs::parse_path(*here, vfs::NameRules::kPosix)) {
        persistent.changes.path = std::move(parsed->path);
      }
    }
  }
  persistent.state = std::move(*state);
  return true;
}

std::optional<PersistentOpen> persistent_open_of(const filestate::FileTable& file_table,
                                                 const Open& open) {
  PersistentOpen persistent;
  static_cast<OpenValues&>(persistent) = open;
  look_at(open, persistent);
  if (!take_image(file_table, *open.tree_connect->share, persistent)) return std::nullopt;
  return persistent;
}

}  // namespace braid::smb2
