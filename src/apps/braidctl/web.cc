#include "apps/braidctl/web.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "admin/protocol.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/web_server.h"
#include "apps/braidctl/web_source.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/log_prepare.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "config/keys.h"

namespace braid::braidctl {
namespace {

// What nobody guesses, and what a header of HTTP takes.
constexpr size_t kTokenMin = 16;
constexpr size_t kTokenMax = 256;

// Keeps this process from rights, and from all files but those below `folders` and `file`, to read
// them. A kernel without Landlock leaves it the files of its user. REQUIRES: one thread, as others
// would keep what they have.
void confine(const std::vector<std::string>& folders, const std::string& file) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (cap_t none = ::cap_init()) {
    ::cap_set_proc(none);
    ::cap_free(none);
  }
  landlock_ruleset_attr attributes{};
  // Through LANDLOCK_ACCESS_FS_MAKE_SYM: the first version of the interface.
  attributes.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!rules) return;
  for (const std::string& folder : folders) {
    const UniqueFd place(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    landlock_path_beneath_attr rule{};
    rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    rule.parent_fd = place.get();
    if (place) ::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  }
  const UniqueFd place(::open(file.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
  landlock_path_beneath_attr rule{};
  rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
  rule.parent_fd = place.get();
  if (place) ::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  ::syscall(SYS_landlock_restrict_self, rules.get(), 0);
}

std::expected<std::string, std::string> read_token(const std::string& file) {
  const UniqueFd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  std::string token(kTokenMax + 2, '\0');
  const ssize_t size = opened ? ::read(opened.get(), token.data(), token.size()) : -1;
  if (size < 0 || ::fstat(opened.get(), &status) != 0) {
    return std::unexpected(fmt::format("{}: {}", file, Error::last_os_error().message()));
  }
  token.resize(static_cast<size_t>(size));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (token.size() < kTokenMin || token.size() > kTokenMax) {
    return std::unexpected(
        fmt::format("{} is to have a token of {} to {} characters; openssl rand -hex 16 makes one",
                    file, kTokenMin, kTokenMax));
  }
  if ((status.st_mode & 0077) != 0) {
    return std::unexpected(fmt::format("others may read {}; chmod 600 it", file));
  }
  return token;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

int serve_web(const config::Config& config, const WebArguments& arguments) {
  const auto endpoint = config::parse_endpoint(arguments.listen);
  if (!endpoint) {
    return complain(
        fmt::format("{} is no address to listen on; give one with its port, such as 127.0.0.1:9445",
                    arguments.listen));
  }
  std::string token;
  if (!arguments.token_file.empty()) {
    auto read = read_token(arguments.token_file);
    if (!read) return complain(read.error());
    token = *std::move(read);
  }
  const auto address = IpAddress::parse(endpoint->address);
  if (token.empty() && !(address && address->is_loopback())) {
    return complain(
        fmt::format("{} is more than this machine; give --token-file, as everybody could look",
                    arguments.listen));
  }
  // Who may not ask the server has nothing to show, and would answer 503 for good.
  const std::string sockets = config.server.state_dir + "/" + std::string(admin::kControlFolder);
  if (::access(sockets.c_str(), X_OK) != 0 && errno == EACCES) {
    return complain(
        fmt::format("{}: only root and the server's user may ask it; run braidctl as one of them",
                    config.server.state_dir));
  }
  std::signal(SIGPIPE, SIG_IGN);
  log::set_component("web");
  log::prepare();
  WebSource source(config.file, config.server.state_dir);
  WebServer server(source, std::move(token));
  const auto port = server.listen(endpoint->address, endpoint->port);
  if (!port) return complain(fmt::format("{}: {}", arguments.listen, port.error()));
  confine({sockets, folder_of(config.file), "/proc"}, config.server.state_dir + "/lock");
  fmt::print("listening on port {}\n", *port);
  std::fflush(stdout);
  server.run();
  return 0;
}

}  // namespace braid::braidctl
