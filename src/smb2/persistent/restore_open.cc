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

// The two files of an open, as create_file.cc opens them.
Result<void> open_files(PreservedOpen& preserved, const std::string& stream,
                        const std::string& moving_to) {
  const OpenAttributes& attributes = preserved.attributes;
  vfs::Volume& volume = *preserved.share->volume;
  const auto is_same = [&](const Result<vfs::Found>& there) {
    return there && there->attributes.key.inode == attributes.file_key.inode &&
           there->attributes.born.ticks == attributes.born &&
           there->attributes.is_directory() == attributes.is_directory;
  };
  auto there = volume.find(preserved.credentials, preserved.changes.path);
  if (!is_same(there) && !moving_to.empty()) {
    // The rename was done, and what it has done was not written.
    auto path = vfs::parse_path(moving_to, vfs::NameRules::kPosix);
    auto moved = path ? volume.find(preserved.credentials, path->path) : fail(path.error());
    if (is_same(moved)) {
      there = std::move(moved);
      preserved.changes.path = std::move(path->path);
    }
  }
  if (there && !is_same(there)) return fail_os(ESTALE);
  BRAID_TRY(const vfs::Found found, std::move(there));
  const vfs::DataAccess access = kernel_access(attributes.granted_access, attributes.is_directory,
                                               false, preserved.share->read_only);
  const bool is_base = attributes.is_stream;
  const bool has_no_data = is_base || found.attributes.is_symlink();
  BRAID_TRY(auto file, volume.open(preserved.credentials, found,
                                   {.access = has_no_data ? vfs::DataAccess{} : access}));
  if (!is_base) {
    preserved.file = std::move(file);
    return {};
  }
  preserved.base_file = std::move(file);
  BRAID_TRY(preserved.file, preserved.base_file->open_stream(stream, {.write = access.write}));
  return {};
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
  BRAID_CHECK(open_files(preserved, open.stream, open.moving_to));
  BRAID_TRY(const vfs::Attributes now, preserved.file->stat());
  preserved.size = now.size;
  preserved.write_time = now.write_time;
  BRAID_TRY(preserved.descriptors, parts.fds.take_files(*preserved.owner));
  const OpenAttributes& attributes = preserved.attributes;
  if (!attributes.is_directory && !attributes.is_stream) preserved.descriptors.keep(1);

  place(*preserved.share, preserved.changes.path.text(), open.state);
  const filestate::OpenToken token{parts.file_ids.next().volatile_id};
  const auto known_as = parts.file_table.restore(preserved.file->key(), open.state, token,
                                                 account_of(*preserved.owner));
  if (!known_as) return fail(NtStatus::kSharingViolation);
  preserved.attributes.file_key = *known_as;
  preserved.file_id.volatile_id = token.value;
  const auto deadline = parts.clock.monotonic() + preserved.changes.durable_terms.timeout;
  parts.open_table.put_back(std::move(preserved), deadline);
  return filestate::OpenRef{*known_as, token};
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
