#include "smb2/files/open_name.h"

#include "smb2/files/file_services.h"
#include "smb2/opens/open.h"
#include "smb2/shares/tree_path.h"

namespace braid::smb2 {
namespace {

vfs::File* file_of(const Open& open) {
  return open.base_file ? open.base_file.get() : open.file.get();
}

// Who renamed it through another share knows its name there.
vfs::Path in_share_of(const Open& open, const filestate::SharedPath& known) {
  if (known) {
    if (const auto here = in_this_share(*open.tree_connect->share, *known)) {
      if (auto parsed = vfs::parse_path(*here, vfs::NameRules::kPosix)) return parsed->path;
    }
  }
  return *open.path.lock();
}

template <class Known>
Result<vfs::Located> locate_or(const Open& open, const Credentials& who, Known known) {
  vfs::Volume& volume = *open.tree_connect->share->volume;
  vfs::File* const file = file_of(open);
  bool is_gone = false;
  if (file) {
    auto located = volume.locate(who, *file);
    if (located) return located;
    // The name as it was opened is gone; what is left is one that a rename has made the same.
    is_gone = located.error().is_os(ENOENT);
    if (!is_gone && !located.error().is_os(EOPNOTSUPP)) return located;
  }
  auto found = volume.find(who, known(), {.pin_parent = true});
  FileKey key = open.attributes.file_key;
  key.stream = 0;
  if (!found || found->attributes.key != key || !found->place.parent) {
    if (!is_gone && file) {
      const auto now = file->stat();
      is_gone = now && now->nlink == 0;
    }
    return fail_os(is_gone ? ENOENT : ESTALE);
  }
  return vfs::Located{std::move(found->place), std::move(found->path)};
}

}  // namespace

vfs::Path known_path(const FileServices& files, const Open& open) {
  return in_share_of(open, files.file_table.path_of(open.ref()));
}

vfs::Path current_path(const FileServices& files, const Open& open) {
  if (vfs::File* const file = file_of(open)) {
    if (auto path = open.tree_connect->share->volume->name_of(*file)) return *std::move(path);
  }
  return known_path(files, open);
}

Result<vfs::Located> locate(const FileServices& files, const Open& open, const Credentials& who) {
  return locate_or(open, who, [&] { return known_path(files, open); });
}

Result<vfs::Located> locate_closed(const Open& open, const Credentials& who,
                                   const filestate::SharedPath& known) {
  return locate_or(open, who, [&] { return in_share_of(open, known); });
}

}  // namespace braid::smb2
