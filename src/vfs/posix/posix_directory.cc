#include "vfs/posix/posix_directory.h"

#include <dirent.h>

#include "vfs/names.h"
#include "vfs/posix/locate.h"
#include "vfs/posix/lookup.h"
#include "vfs/posix/renaming.h"

namespace braid::vfs {
namespace {

// About a thousand names at a time: few system calls, and not much memory for each open directory.
constexpr size_t kBufferSize = 32 * 1024;

DirectoryEntry entry_of(std::string name, const std::string& disk_name, const Attributes& now) {
  DirectoryEntry entry{std::move(name), now};
  if (entry.name != disk_name) entry.disk_name = disk_name;
  return entry;
}

}  // namespace

PosixEnumeration::PosixEnumeration(PosixContextRef context, Credentials who, UniqueFd fd,
                                   FileKey key, NameRules rules)
    : context_(std::move(context)),
      who_(std::move(who)),
      fd_(std::move(fd)),
      key_(key),
      rules_(rules) {}

Result<void> PosixEnumeration::restart() {
  BRAID_CHECK(assume(who_));
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) return fail_last_os();
  dots_ = Dots::kSelf;
  at_ = filled_ = 0;
  next_ = 0;
  is_moved_ = false;
  return {};
}

void PosixEnumeration::go_back(const Position& position) {
  dots_ = static_cast<Dots>(position.dots);
  at_ = filled_ = 0;
  next_ = position.offset;
  is_moved_ = true;
}

Result<bool> PosixEnumeration::next(size_t max, const NameFilter& wanted,
                                    std::vector<DirectoryEntry>& out) {
  BRAID_CHECK(assume(who_));
  // Who may list a directory is shown what its files are, even without the right to search it.
  ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  size_t looked_at = 0;
  for (; looked_at < max && dots_ != Dots::kDone; ++looked_at) BRAID_CHECK(add_dot(wanted, out));
  for (; looked_at < max; ++looked_at) {
    BRAID_TRY(const std::optional<std::string> disk_name, next_name());
    if (!disk_name) return false;
    if (context_->keeps_from_clients(*disk_name)) continue;
    std::string name = rules_ == NameRules::kPosix ? *disk_name : to_client(*disk_name);
    if (wanted && !wanted(name)) continue;
    BRAID_TRY(const auto attributes, look_at(*disk_name));
    if (attributes) {
      out.push_back(entry_of(std::move(name), *disk_name, *attributes));
    }
  }
  return true;
}

Result<std::optional<DirectoryEntry>> PosixEnumeration::find(std::string_view client_name) {
  BRAID_CHECK(assume(who_));
  ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  std::string disk_name =
      rules_ == NameRules::kPosix ? std::string(client_name) : to_disk(client_name);
  BRAID_TRY(std::optional<Attributes> attributes, look_at(disk_name));
  if (!attributes && rules_ == NameRules::kWindows) {
    BRAID_TRY(auto spelled, context_->index.find(fd_.get(), key_, client_name, true));
    // As for a look-up: one that would be shown differently from how it was sent.
    if (const std::string shown = to_client(disk_name); !spelled && shown != client_name) {
      BRAID_TRY(spelled, context_->index.find(fd_.get(), key_, shown, true));
    }
    if (!spelled) return std::nullopt;
    disk_name = *spelled;
    BRAID_TRY(attributes, look_at(disk_name));
  }
  if (!attributes) return std::nullopt;
  if (context_->keeps_from_clients(disk_name)) return std::nullopt;
  std::string name = rules_ == NameRules::kPosix ? disk_name : to_client(disk_name);
  return entry_of(std::move(name), disk_name, *attributes);
}

bool PosixEnumeration::refresh(DirectoryEntry& entry) {
  if (!assume(who_)) return false;
  ScopedPrivilege privilege;
  if (!privilege.status()) return false;
  // The parent of the share's root is not the client's business.
  if (entry.name == ".." && key_ == context_->root_key) return true;
  const auto now = look_at(entry.disk_name.empty() ? entry.name : entry.disk_name);
  if (!now) return true;  // it may be there: as it was when it was read
  if (*now) entry.attributes = **now;
  return now->has_value();
}

Result<void> PosixEnumeration::add_dot(const NameFilter& wanted, std::vector<DirectoryEntry>& out) {
  const bool self = dots_ == Dots::kSelf;
  dots_ = self ? Dots::kParent : Dots::kDone;
  const std::string name = self ? "." : "..";
  if (wanted && !wanted(name)) return {};
  // The parent of the share's root is not the client's business.
  if (self || key_ == context_->root_key) {
    BRAID_TRY(const Attributes attributes, attributes_of(fd_.get()));
    out.push_back({name, attributes});
  } else {
    BRAID_TRY(const auto attributes, look_at(name));
    if (attributes) out.push_back({name, *attributes});
  }
  return {};
}

Result<std::optional<std::string>> PosixEnumeration::next_name() {
  buffer_.resize(kBufferSize);
  for (;;) {
    if (at_ >= filled_) {
      if (is_moved_ && ::lseek(fd_.get(), next_, SEEK_SET) < 0) return fail_last_os();
      is_moved_ = false;
      const ssize_t size = ::getdents64(fd_.get(), buffer_.data(), buffer_.size());
      if (size < 0 && errno != ENOENT) return fail_last_os();
      if (size <= 0) return std::nullopt;  // ENOENT: the directory has been removed
      at_ = 0;
      filled_ = static_cast<size_t>(size);
    }
    const auto* entry = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
    at_ += entry->d_reclen;
    next_ = entry->d_off;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return std::string(name);
  }
}

std::optional<Attributes> PosixEnumeration::look_behind(const std::string& name) {
  if (!context_->options.follow_links || rules_ != NameRules::kWindows) return std::nullopt;
  // As far as the user himself can go.
  const ScopedUser user(who_);
  if (!user.status()) return std::nullopt;
  auto path = posix_name_of(*context_, fd_.get());
  if (!path || !path->append(to_client(name))) return std::nullopt;
  const auto there = posix_lookup(*context_, *path, {.follow_last = true});
  const Found* const found = found_in(there);
  if (!found || found->attributes.is_symlink()) return std::nullopt;
  Attributes attributes = found->attributes;
  context_->adjust(attributes, context_->hides(name));
  return attributes;
}

Result<std::optional<Attributes>> PosixEnumeration::look_at(const std::string& name) {
  const auto st = stat_in(fd_.get(), name);
  if (!st) {
    const bool is_of_disk = st.error().is_os(EIO) || st.error().is_os(ENOMEM) ||
                            st.error().is_os(EUCLEAN) || st.error().is_os(ETIMEDOUT);
    if (is_of_disk) return fail(st.error());
    return std::nullopt;
  }
  if (S_ISLNK(st->stx_mode)) {
    if (is_stand_in(fd_.get(), name)) return std::nullopt;
    if (auto there = look_behind(name)) return there;
  }
  std::optional<DosAttrib> attrib;
  if (S_ISREG(st->stx_mode) || S_ISDIR(st->stx_mode)) {
    attrib = load_dos_attrib_in(fd_.get(), name);
  }
  Attributes attributes = make_attributes(*st, attrib);
  context_->adjust(attributes, context_->hides(name));
  return attributes;
}

}  // namespace braid::vfs
