// braidctl user ...
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace braid::braidctl {

struct UserArguments {
  std::string name;
  std::optional<std::string> unix_user;
  bool admin = false;
  bool create = false;              // the Unix user, if there is none
  std::vector<std::string> groups;  // of that
  bool json = false;
};

// Each does one command and gives the exit code: 0, or 2 after one line on stderr.
int add_user(const config::Config& config, const UserArguments& arguments);
int list_users(const config::Config& config, const UserArguments& arguments);
// The names alone, for a shell.
int complete_users(const config::Config& config);
int remove_user(const config::Config& config, const UserArguments& arguments);
int change_password(const config::Config& config, const UserArguments& arguments);
int enable_user(const config::Config& config, const UserArguments& arguments);
int disable_user(const config::Config& config, const UserArguments& arguments);

}  // namespace braid::braidctl
