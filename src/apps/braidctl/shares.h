// braidctl share ...: changes the text of the configuration, and has the server read it again.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace braid::braidctl {

struct ShareArguments {
  std::string config_file;
  std::string name;
  std::string path;
  std::vector<std::string> allow;
  std::optional<std::string> comment;
  bool read_only = false;
  bool encrypt = false;
  bool create = false;            // the folder, if it is not there
  std::vector<std::string> keys;  // further ones, "posix=false"
  bool json = false;
};

// Each gives the exit code: 0, or 2 after one line on stderr for each mistake. Nothing is written
// that a server would not start with.
int add_share(const ShareArguments& arguments);
int remove_share(const ShareArguments& arguments);

}  // namespace braid::braidctl
