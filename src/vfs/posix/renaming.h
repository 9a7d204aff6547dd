// A rename to a name that must be free, on every file system.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "vfs/posix/context.h"

namespace braid::vfs {

struct NameIn {
  int directory;
  const std::string& name;
};

// Renames a file, or a directory, to a name that is free; EEXIST. What has the old name is open, so
// that its descriptors must go on knowing their name (locate.h): a second link whose first name
// then goes would leave them without.
//
// renameat2() does it in one step. NFS, CephFS, 9p and others refuse its flags (EINVAL). There the
// name is taken first, by something that is made exclusively, and the rename replaces that: nothing
// that was there is ever replaced. For a file it is a stand-in, a link that leads nowhere: nobody
// can open it, so that nothing can be put into what is replaced, and clients see that the name is
// free (lookup.h). For a directory it is an empty one, and where the file system has no links
// (exFAT) an empty file: from those the caller keeps clients, FileTable::begin_making(). A
// directory that a local program puts something into is EEXIST; what it puts into a file is
// replaced. Known from the first such rename on, so that it is asked for once. REQUIRES a
// NameClaim, so that clients meanwhile make no such name.
Result<void> rename_to_free(PosixContext& context, NameIn from, NameIn to, bool is_directory);

// What a stand-in says that it leads to. Clients make no such link.
bool is_stand_in(std::string_view link_target);
bool is_stand_in(int directory, const std::string& name);
// A server that was ended in between has left one: it goes, and the name is free again. False: it
// is something else. REQUIRES a NameClaim: then nobody is at it.
bool remove_stand_in(NameIn name);
// Calls `make`, which makes the name; once more if such a one was in its way.
template <class Make>
auto past_stand_in(NameIn name, Make make) {
  auto made = make();
  if (!made && made.error().is_os(EEXIST) && remove_stand_in(name)) made = make();
  return made;
}

}  // namespace braid::vfs
