// look_at(): what is at the paths that a configuration names.
#pragma once

#include <string>
#include <vector>

namespace braid::config {

struct PathLook {
  bool answers = false;  // else nothing was found out in time: a disk that hangs
  int error = 0;         // errno of stat(); 0: it is there, and the rest is true
  bool is_directory = false;
  bool is_file = false;
  int read_error = 0;  // errno of access(R_OK)
};

// In the order of `paths`. Asks all at once and takes kAskTime at most. Thread: any.
std::vector<PathLook> look_at(const std::vector<std::string>& paths);

}  // namespace braid::config
