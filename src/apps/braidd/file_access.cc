#include "apps/braidd/file_access.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "apps/braidd/system_calls.h"
#include "base/ask_apart.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "config/homes.h"

namespace braid::braidd {
namespace {

// Rights by version of the interface; older headers do not have the later ones.
constexpr uint64_t kFirstVersion = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr uint64_t kRefer = 1u << 13;     // 2: moves and links from folder to folder
constexpr uint64_t kTruncate = 1u << 14;  // 3
constexpr uint64_t kIoctlDev = 1u << 15;  // 5

constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// Nobody's: programs, devices.
constexpr uint64_t kNever = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                            kIoctlDev |
                            // A sanitizer's report runs the symbolizer.
                            (kSanitized ? 0 : LANDLOCK_ACCESS_FS_EXECUTE);
constexpr uint64_t kOfAFile =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;

uint64_t rights_of_version(long version) {
  uint64_t rights = kFirstVersion;
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kIoctlDev;
  return rights;
}

// What is not there is no rule's; nothing depends on one of the many places of name services.
void allow(int rules, const std::string& path, uint64_t rights) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status{};
  if (!place || ::fstat(place.get(), &status) != 0) return;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(status.st_mode) ? rights : rights & kOfAFile;
  rule.parent_fd = place.get();
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    log::warn("no rule for {}: clients may not reach what is in it", path);
  }
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// "/srv" for "/srv/data"; empty for "/data".
std::string first_component(const std::string& path) {
  const size_t second = path.find('/', 1);
  return second == std::string::npos ? "" : path.substr(0, second);
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? real.get() : "";
}

bool is_mount_point(const std::string& folder) {
  struct statx status{};
  return ::statx(AT_FDCWD, folder.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) != 0 ||
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

constexpr const char* kReadable[] = {"/etc",
                                     "/usr",
                                     "/lib",
                                     "/lib64",
                                     "/lib32",
                                     "/proc",
                                     "/sys",
                                     "/run",
                                     "/var/lib/sss",
                                     "/var/cache/nscd",
                                     "/var/lib/extrausers",
                                     "/dev/urandom",
                                     "/dev/random"};
constexpr const char* kWritable[] = {"/tmp", "/var/tmp", "/dev/null"};

}  // namespace

std::optional<std::vector<std::string>> roots_of_shares(const config::Config& config) {
  std::vector<std::string> roots;
  for (const config::Share& share : config.shares) {
    const std::string folder = config::served_folder(share.path);
    const std::string root = first_component(real_path(folder));
    if (root.empty() || root != first_component(folder) || is_mount_point(root)) {
      return std::nullopt;
    }
    if (std::ranges::find(roots, root) == roots.end()) roots.push_back(root);
  }
  return roots;
}

std::optional<Places> places_in_time(const config::Config& config) {
  const auto told = ask_apart([&config](int out) {
    const auto roots = roots_of_shares(config);
    if (!roots) return;
    std::string text = real_path(config.server.keytab) + '\0';
    for (const std::string& root : *roots) text += root + '\0';
    (void)!::write(out, text.data(), text.size());
  });
  if (!told || !told->is_whole || !told->bytes.ends_with('\0')) return std::nullopt;
  std::vector<std::string> texts;
  for (size_t start = 0; start < told->bytes.size();) {
    const size_t end = told->bytes.find('\0', start);
    texts.push_back(told->bytes.substr(start, end - start));
    start = end + 1;
  }
  Places places{.roots = {}, .keytab = texts.front()};
  places.roots.assign(texts.begin() + 1, texts.end());
  return places;
}

void confine_to_files_of(const config::Config& config, bool reads_config) {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 2) {
    return log::debug("this kernel's Landlock is version {}; only users' rights guard files",
                      std::max(version, 0L));
  }
  const uint64_t handled = rights_of_version(version);
  const uint64_t all = handled & ~kNever;
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = handled;
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  const auto places = places_in_time(config);
  if (places) {
    for (const std::string& root : places->roots) allow(rules.get(), root, all);
    for (const char* path : kReadable) allow(rules.get(), path, kRead);
    for (const char* path : kWritable) allow(rules.get(), path, all);
    allow(rules.get(), config.server.state_dir, all);
    if (!places->keytab.empty()) allow(rules.get(), folder_of(places->keytab), kRead);
    if (config.server.audit.starts_with('/')) {
      allow(rules.get(), folder_of(config.server.audit), all);
    }
    if (reads_config) allow(rules.get(), folder_of(config.file), kRead);
    // For those who keep Kerberos' configuration, or its memory of tickets, elsewhere.
    if (const char* path = ::secure_getenv("KRB5_CONFIG")) allow(rules.get(), path, kRead);
    for (const char* name : {"KRB5RCACHEDIR", "TMPDIR"}) {
      if (const char* path = ::secure_getenv(name)) allow(rules.get(), path, all);
    }
  } else {
    log::info(
        "files are not confined to the shares, only by users' rights: the first folder of a "
        "share's "
        "path, as /srv of /srv/data, is a mount point, a link or missing, or it or the keytab does "
        "not answer; mount disks one folder below it");
    allow(rules.get(), "/", all);
  }
  if (!rules || ::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    log::warn("Landlock does not work here; only users' rights guard files");
  }
}

void confine_to_cards() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) {
    return log::debug("this kernel has no Landlock; only its user keeps this process from files");
  }
  const uint64_t handled = rights_of_version(version);
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = handled;
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  for (const char* path : {"/sys", "/etc", "/usr", "/lib", "/lib64", "/dev/urandom"}) {
    allow(rules.get(), path, handled & kRead);
  }
  allow(rules.get(), "/dev/infiniband",
        handled & (kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kIoctlDev));
  if (!rules || ::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    log::warn("Landlock does not work here; only its user keeps this process from files");
  }
}

}  // namespace braid::braidd
