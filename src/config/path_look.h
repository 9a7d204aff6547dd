// look_at(): what is at the paths that a configuration names.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace braid::config {

// Which folder it is, by whatever path.
struct FolderNumber {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend bool operator==(const FolderNumber&, const FolderNumber&) = default;
};

struct PathLook {
  bool answers = false;  // else nothing was found out in time: a disk that hangs
  int error = 0;         // errno of stat(); 0: it is there, and the rest is true
  bool is_directory = false;
  bool is_file = false;
  bool is_link = false;  // the path itself; what it leads to is what the others are about
  bool is_open = false;  // others may read it, or its group or others write it
  int read_error = 0;    // errno of access(R_OK)
  // Of a directory: itself, and those it lies in, up to the root or as many as fit.
  std::array<FolderNumber, 96> folders{};
  uint32_t folder_count = 0;
  bool keeps_birth = true;  // its file system knows when a file was made

  // Whether the one is the other or lies in it, whichever.
  bool overlaps(const PathLook& other) const;
  bool is_in(const FolderNumber& folder) const;
};

// Why a share that is there cannot have persistent handles.
inline constexpr std::string_view kNoBirthTime =
    "its file system does not keep when a file was made, without which a file cannot be told from "
    "a later one with its number; leave out continuous_availability, or take another file system";

// In the order of `paths`. Asks all at once and takes kAskTime at most. Thread: any.
std::vector<PathLook> look_at(const std::vector<std::string>& paths);

}  // namespace braid::config
