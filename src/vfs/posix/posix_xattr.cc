// PosixFile: extended attributes.
#include <sys/xattr.h>

#include <array>
#include <optional>

#include "runtime/at_once.h"
#include "vfs/posix/kept_times.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

// A thread that acts as a user keeps the server's CAP_SYS_ADMIN, which is what the kernel asks for
// to touch the other names; so they are refused here.
bool may_be_named_by_opener(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("system.posix_acl_");
}

constexpr size_t kUsualSize = 1024;

// The kernel tells these to anybody, where the file system has nothing against it.
bool is_told_to_anybody(std::string_view name) {
  return name.starts_with("security.") || name.starts_with("system.posix_acl_");
}

Result<Bytes> load(int fd, const std::string& name) {
  // Nearly all fit: one call.
  std::array<uint8_t, kUsualSize> usual;
  const ssize_t fits = getxattr_of(fd, name.c_str(), usual.data(), usual.size());
  if (fits >= 0) return Bytes(usual.begin(), usual.begin() + fits);
  if (errno != ERANGE) return fail_last_os();
  for (;;) {
    const ssize_t size = getxattr_of(fd, name.c_str(), nullptr, 0);
    if (size < 0) return fail_last_os();
    Bytes value(static_cast<size_t>(size));
    if (size == 0) return value;
    const ssize_t got = getxattr_of(fd, name.c_str(), value.data(), value.size());
    if (got < 0 && errno == ERANGE) continue;  // it grew between the calls
    if (got < 0) return fail_last_os();
    value.resize(static_cast<size_t>(got));
    return value;
  }
}

// Acts as the opener, or as the server for the rest of the scope.
class Acting {
 public:
  Acting(const Credentials& who, Actor actor, std::string_view name) {
    if (actor == Actor::kServer && acts_as_server()) return;
    status_ = assume(who);
    if (status_ && actor == Actor::kServer) {
      status_ = privilege_.emplace(Privilege::kNothingNew).status();
    }
    if (status_ && actor == Actor::kOpener && !may_be_named_by_opener(name)) {
      status_ = fail_os(EPERM);
    }
  }
  const Result<void>& status() const { return status_; }

 private:
  Result<void> status_;
  std::optional<ScopedPrivilege> privilege_;
};

}  // namespace

// The kernel refuses these calls on O_PATH descriptors; the path through /proc works for all.

Result<Bytes> PosixFile::get_xattr(std::string_view name, Actor actor) {
  if (must_not_wait() && !context_->has_attributes_in_memory(key_)) return fail_os(EAGAIN);
  const std::string key(name);
  if (actor == Actor::kServer && is_told_to_anybody(name) && !acts_as_server()) {
    BRAID_CHECK(assume(who_));
    auto value = load(fd_.get(), key);
    if (value || !(value.error().is_os(EACCES) || value.error().is_os(EPERM))) return value;
  }
  const Acting acting(who_, actor, name);
  BRAID_CHECK(acting.status());
  return load(fd_.get(), key);
}

Result<void> PosixFile::set_xattr(std::string_view name, ByteView value, Actor actor) {
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  const Acting acting(who_, actor, name);
  BRAID_CHECK(acting.status());
  if (actor == Actor::kServer) return store_attribute(fd_.get(), std::string(name), value);
  if (setxattr_of(fd_.get(), std::string(name).c_str(), value) != 0) return fail_last_os();
  return {};
}

Result<void> PosixFile::remove_xattr(std::string_view name, Actor actor) {
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  const Acting acting(who_, actor, name);
  BRAID_CHECK(acting.status());
  if (::removexattr(descriptor_path(fd_.get()).c_str(), std::string(name).c_str()) != 0) {
    return fail_last_os();
  }
  return {};
}

Result<std::vector<std::string>> PosixFile::list_xattrs(Actor actor) {
  using Names = KnownAttributes::Names;
  if (actor == Actor::kOpener || !acts_as_server()) BRAID_CHECK(assume(who_));
  KnownAttributes* const attributes = context_->known_attributes(key_);
  struct statx st{};
  std::optional<KnownAttributes::Known> known;
  if (attributes) {
    BRAID_TRY(st, stat_of(fd_.get()));
    known = attributes->find(st);
    if (known && known->names == Names::kNone) return std::vector<std::string>();
    if (known && known->names == Names::kOnlyDosAttrib) {
      return std::vector<std::string>{std::string(kDosAttribName)};
    }
  }
  // In memory, too: who asks wants to read them all, and there may be many.
  if (must_not_wait()) return fail_os(EAGAIN);
  // Nearly all fit: one call.
  std::array<char, kUsualSize> usual;
  std::string longer;
  const auto list = [&] {
    ssize_t size = listxattr_of(fd_.get(), usual.data(), usual.size());
    while (size < 0 && errno == ERANGE) {
      size = listxattr_of(fd_.get(), nullptr, 0);
      if (size < 0) break;
      longer.resize(static_cast<size_t>(size));
      if (size != 0) size = listxattr_of(fd_.get(), longer.data(), longer.size());
    }
    return size;
  };
  ssize_t size = list();
  // The file systems here tell names to anybody; others need not.
  if (size < 0 && (errno == EACCES || errno == EPERM) && actor == Actor::kServer) {
    const ScopedPrivilege privilege(Privilege::kNothingNew);
    BRAID_CHECK(privilege.status());
    size = list();
  }
  if (size < 0) return fail_last_os();
  const std::string_view names(longer.empty() ? usual.data() : longer.data(),
                               static_cast<size_t>(size));
  if (known && (names.empty() || names.substr(0, names.size() - 1) == kDosAttribName)) {
    known->names = names.empty() ? Names::kNone : Names::kOnlyDosAttrib;
    attributes->keep(st, *known);
  }
  std::vector<std::string> out;
  for (size_t at = 0; at < names.size();) {
    std::string name(names.substr(at, names.find('\0', at) - at));
    at += name.size() + 1;
    if (actor == Actor::kServer || may_be_named_by_opener(name)) out.push_back(std::move(name));
  }
  return out;
}

Result<void> PosixFile::exclusively(const std::function<Result<void>()>& change) {
  const MetadataLock lock(*context_, key_);
  return change();
}

}  // namespace braid::vfs
