// What is made before it has its name.
#pragma once

#include <memory>
#include <string>

#include "vfs/posix/system.h"

namespace braid::vfs {

// One that nobody else has or looks for, in a directory in which something is made.
std::string unfinished_name();

// New files and directories that may still be refused. The kernel makes files without a name, which
// vanish with their descriptor. Directories, and files where the file system cannot do that, have a
// name of their own until then. They are in the directory they are made for either way, so that
// they inherit what they would.
class Unnamed {
 public:
  // `own_name`: empty when it has none.
  Unnamed(std::shared_ptr<Node> parent, std::string own_name, bool is_directory)
      : parent_(std::move(parent)), own_name_(std::move(own_name)), is_directory_(is_directory) {}
  // Removes the name that is its own. REQUIRES the identity of its maker, or privilege.
  ~Unnamed();
  Unnamed(const Unnamed&) = delete;
  Unnamed& operator=(const Unnamed&) = delete;

  // Gives what `fd` holds the name `place`, which is in the same directory: EEXIST. A descriptor
  // opened by a name is what the kernel knows that name of, and so the result is a new one, of
  // whatever has the name now; invalid when `fd` does as well, or there is none.
  Result<UniqueFd> become(int fd, const Place& place, DataAccess access);

 private:
  const std::shared_ptr<Node> parent_;
  std::string own_name_;
  const bool is_directory_;
};

struct NewFile {
  UniqueFd fd;
  std::unique_ptr<Unnamed> unnamed;
};

Result<NewFile> make_unnamed(const std::shared_ptr<Node>& parent, const CreateHow& how);
// Under that name at once. EEXIST.
Result<UniqueFd> make_new(int parent, const std::string& name, const CreateHow& how);

// What a server that was ended left of things it was making in this directory is seen by nobody,
// and must not keep it from being removed. Removes it if there is nothing else: whether the
// directory may be empty now. As the thread's user.
bool remove_leftovers(int directory);

}  // namespace braid::vfs
