// A state folder that goes away with the test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace braid::auth {

class StateDir {
 public:
  StateDir() {
    std::string path = (std::filesystem::temp_directory_path() / "braid-auth-XXXXXX").string();
    path_ = mkdtemp(path.data());
  }
  ~StateDir() { std::filesystem::remove_all(path_); }
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace braid::auth
