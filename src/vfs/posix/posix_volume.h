// A Volume on a directory of ext4, XFS, btrfs or tmpfs.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "vfs/file_locks.h"
#include "vfs/volume.h"

namespace braid::vfs {

struct PosixOptions {
  // For the folded directory indexes: two and a half million names of usual length, or the hashes
  // of six million of one directory. The volumes of its previous versions have a part of that each.
  size_t index_bytes_max = 128u << 20;
  // Names, with wildcards (wire/fscc/name_expression.h), that are shown as hidden.
  std::vector<std::string> hidden_names = {};
  // The same, of names that are not there for who comes through the volume, in any folder: they are
  // in no listing, to a look-up they are missing, and to be made EACCES.
  std::vector<std::string> veto_names = {};
  bool streams = true;  // where the file system can keep them
  // Whether a name is found whose letters with marks are written another way (compared_name()),
  // unless there is one that is written so.
  bool composes_names = false;
  // How large the volume is at most to who asks, where Macs make their backups (backup_size.h); 0:
  // as large as its file system.
  uint64_t backups_max_bytes = 0;
  // To who looks up and lists by NameRules::kWindows, links that stay inside the tree are what they
  // lead to.
  bool follow_links = false;
  // The system call. Tests give one of a file system that takes no flags but 0.
  int (*rename)(int, const char*, int, const char*, unsigned) = ::renameat2;
  // Of what a side file holds, and of the file that it belongs to. Tests give those of a slow disk.
  int (*sync)(int) = ::fsync;
  int (*sync_data)(int) = ::fdatasync;
  // What FileKey::device says of the root's file system, the same on every machine that serves it;
  // 0: its number on this machine. EEXIST: it has another name already.
  uint64_t device_name = 0;
  // Shared with other processes that serve the files; null: none does. Outlives the volume.
  FileLocks* locks = nullptr;
};

// Makes /proc/self/fd the folder that the process works in, from where the kernel finds what a
// descriptor holds in half the time: for some calls nothing but a path will do. Relative paths lead
// nowhere any more. A process that is forked afterwards has no use of volumes. False: it stays
// where it is. REQUIRES: one thread.
bool go_among_descriptors();

// The tree below what `root`, an O_PATH descriptor of a directory, holds. ENOSYS on a kernel
// without openat2.
Result<std::unique_ptr<Volume>> open_posix_volume(UniqueFd root, const PosixOptions& options = {});
// `root` is opened once, as the server; everything later is below that descriptor. ENOENT, ENOTDIR,
// EACCES.
Result<std::unique_ptr<Volume>> open_posix_volume(const std::string& root,
                                                  const PosixOptions& options = {});

}  // namespace braid::vfs
