#include "smb2/persistent/restore_open.h"

#include <cerrno>
#include <utility>

#include "runtime/identity.h"
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

// Whether this is the file that the open was of. The server looks: what the user may do with the
// file was decided when it was opened, and may have been taken from him since.
bool is_same(const vfs::Attributes& there, const OpenAttributes& attributes) {
  return there.key.inode == attributes.file_key.inode && there.born.ticks == attributes.born &&
         there.is_directory() == attributes.is_directory;
}

Result<SeenFile> see(const Share& share, const OpenAttributes& attributes, const vfs::Path& path) {
  BRAID_TRY(const auto there, share.volume->glance(server_credentials(), path));
  if (!is_same(there, attributes)) return fail_os(ESTALE);
  return SeenFile{.key = there.key, .size = there.size, .write_time = there.write_time};
}

Result<vfs::Found> find_same(const PreservedOpen& open, const vfs::Path& path) {
  BRAID_TRY(auto there, open.share->volume->find(server_credentials(), path));
  if (!is_same(there.attributes, open.attributes)) return fail_os(ESTALE);
  return there;
}

// As create_file.cc opens it, but that an access list may have been restricted since.
Result<std::unique_ptr<vfs::File>> open_found(const PreservedOpen& open, const vfs::Found& found) {
  const bool has_no_data = open.attributes.is_stream || found.attributes.is_symlink();
  return open.share->volume->open(
      open.credentials, found,
      {.access = has_no_data ? vfs::DataAccess{} : access_of(open), .was_granted = true});
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
  BRAID_TRY(open.file, open.base_file->open_stream(
                           stream, {.write = access_of(open).write, .was_granted = true}));
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

// All but what filestate has of it.
Result<PreservedOpen> as_preserved(const RestoreParts& parts, std::shared_ptr<const Share> share,
                                   PersistentOpen& open, SeenFile& seen) {
  PreservedOpen preserved;
  static_cast<OpenValues&>(preserved) = std::move(static_cast<OpenValues&>(open));
  preserved.changes = std::move(open.changes);
  if (seen.renamed_to) preserved.changes.path = std::move(*seen.renamed_to);
  preserved.share = std::move(share);
  preserved.size = seen.size;
  preserved.write_time = seen.write_time;
  if (preserved.attributes.is_stream) {
    BRAID_TRY(const auto found, find_same(preserved, preserved.changes.path));
    BRAID_TRY(seen.key, open_stream(parts.fds, preserved, found, open.stream));
  }
  return preserved;
}

}  // namespace

Result<SeenFile> see_file(const Share& share, const PersistentOpen& open) {
  auto seen = see(share, open.attributes, open.changes.path);
  if (seen || open.moving_to.empty()) return seen;
  BRAID_TRY(auto path, vfs::parse_path(open.moving_to, vfs::NameRules::kPosix));
  auto moved = see(share, open.attributes, path.path);
  if (!moved) return seen;
  moved->renamed_to = std::move(path.path);
  return moved;
}

Result<filestate::OpenRef> restore_open(const RestoreParts& parts,
                                        std::shared_ptr<const Share> share, PersistentOpen open,
                                        SeenFile seen, Clock::Instant deadline) {
  BRAID_TRY(PreservedOpen preserved, as_preserved(parts, std::move(share), open, seen));
  return put_back(parts, std::move(preserved), std::move(open.state), seen.key, deadline);
}

Result<void> hold_open(const RestoreParts& parts, std::shared_ptr<const Share> share,
                       PersistentOpen open, SeenFile seen, filestate::OpenToken token) {
  BRAID_TRY(PreservedOpen preserved, as_preserved(parts, std::move(share), open, seen));
  preserved.file_id.volatile_id = token.value;
  return have_in_filestate(parts, preserved, std::move(open.state), seen.key);
}

Result<void> have_in_filestate(const RestoreParts& parts, PreservedOpen& preserved,
                               filestate::OpenImage state, const FileKey& key) {
  place(*preserved.share, preserved.changes.path.text(), state);
  const filestate::OpenToken token{preserved.file_id.volatile_id};
  const auto known_as = parts.file_table.restore(key, state, token, account_of(*preserved.owner));
  if (!known_as) return fail(NtStatus::kSharingViolation);
  preserved.attributes.file_key = *known_as;
  return {};
}

Result<filestate::OpenRef> put_back(const RestoreParts& parts, PreservedOpen preserved,
                                    filestate::OpenImage state, const FileKey& key,
                                    Clock::Instant deadline) {
  preserved.file_id.volatile_id = parts.file_ids.next().volatile_id;
  BRAID_CHECK(have_in_filestate(parts, preserved, std::move(state), key));
  const filestate::OpenRef ref = preserved.ref();
  parts.open_table.put_back(std::move(preserved), deadline);
  return ref;
}

Result<filestate::OpenRef> restore_open(const RestoreParts& parts,
                                        std::shared_ptr<const Share> share, PersistentOpen open) {
  BRAID_TRY(auto seen, see_file(*share, open));
  const auto deadline = parts.clock.monotonic() + open.changes.durable_terms.timeout;
  return restore_open(parts, std::move(share), std::move(open), std::move(seen), deadline);
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
