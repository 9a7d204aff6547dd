#include "vfs/posix/recycle_bin.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <random>
#include <utility>

#include "vfs/names.h"
#include "vfs/posix/name_claim.h"
#include "vfs/posix/renaming.h"

namespace braid::vfs {
namespace {

// Names that a file gets in the bin where others have its own: the first ones count, and where a
// program deletes one name time after time within a second the others are drawn.
constexpr int kNamesMax = 20;
constexpr int kCountedNames = 5;
constexpr int kDrawnNameMax = 999'999;
constexpr size_t kBinNameBytesMax = 255;
// Folders that one sweep remembers to go into, and names that it looks at: the next one begins
// somewhere else.
constexpr size_t kFoldersMax = 65'536;
constexpr size_t kLooksMax = 100'000;

uid_t own_uid() { return ::geteuid(); }

// A folder of `owner` that nobody else may write, made if there is none. REQUIRES the server's
// identity.
Result<UniqueFd> bin_folder_of(int parent, const std::string& name, uid_t owner, gid_t group,
                               mode_t mode) {
  const bool is_new = ::mkdirat(parent, name.c_str(), mode) == 0;
  if (!is_new && errno != EEXIST) return fail_last_os();
  BRAID_TRY(UniqueFd folder, open_beneath(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (is_new && ::fchownat(folder.get(), "", owner, group, AT_EMPTY_PATH) != 0) {
    const Error error = Error::last_os_error();
    ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
    return fail(error);
  }
  BRAID_TRY(const struct statx st, stat_of(folder.get()));
  // Somebody else's would have what is put in it.
  if (st.stx_uid != owner || (st.stx_mode & (S_IWGRP | S_IWOTH)) != 0) return fail_os(EPERM);
  return folder;
}

std::string name_of_user(PosixContext& context, uid_t uid) {
  if (auto known = context.bin_names.lock(); known->contains(uid)) return known->at(uid);
  struct passwd entry{};
  struct passwd* found = nullptr;
  std::vector<char> buffer(64 << 10);
  std::string name = std::to_string(uid);
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    const std::string_view called = found->pw_name;
    const bool is_name = !called.empty() && !called.starts_with('.') && !called.contains('/') &&
                         called.size() <= kBinNameBytesMax && !PosixContext::is_own(called);
    if (is_name) name = called;
  }
  auto known = context.bin_names.lock();
  if (known->size() >= 1024) known->clear();
  return known->emplace(uid, std::move(name)).first->second;
}

// The user's part of the bin, which goes through the server's.
Result<UniqueFd> bin_of(PosixContext& context, const UnixCredentials& who) {
  const std::string name = name_of_user(context, who.uid);
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  BRAID_TRY(const UniqueFd all, bin_folder_of(context.root.get(), std::string(kRecycleFolder),
                                              own_uid(), static_cast<gid_t>(-1), 0755));
  return bin_folder_of(all.get(), name, who.uid, who.gid, 0700);
}

// "report (deleted 2026-11-30 12.00.07).txt", the `number`th of that second.
std::string other_name(const std::string& name, int number) {
  const std::time_t now = ::time(nullptr);
  struct tm utc{};
  ::gmtime_r(&now, &utc);
  std::string mark =
      fmt::format(" (deleted {:04}-{:02}-{:02} {:02}.{:02}.{:02}{})", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                  number > 1 ? fmt::format(" {}", number) : "");
  const size_t dot = name.rfind('.');
  const bool has_end = dot != name.npos && dot > 0 && name.size() - dot <= 16;
  std::string end = has_end ? name.substr(dot) : std::string();
  std::string begin = name.substr(0, has_end ? dot : name.size());
  const size_t room = kBinNameBytesMax - mark.size() - end.size();
  if (begin.size() > room) {
    // Not within a character.
    size_t size = room;
    while (size > 0 && (static_cast<unsigned char>(begin[size]) & 0xC0) == 0x80) --size;
    begin.resize(size);
  }
  return begin + mark + end;
}

int number_of_name(int tried) {
  if (tried < kCountedNames) return tried;
  static thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_int_distribution(kCountedNames, kDrawnNameMax)(random);
}

// Whether it is kept: whose last name goes, and that has something in it. What a program calls
// temporary it has no use for.
bool is_worth_keeping(const PosixContext& context, int file, const struct statx& st) {
  if (!S_ISREG(st.stx_mode) || st.stx_nlink != 1 || st.stx_size == 0) return false;
  if (key_of(st).device != context.root_key.device) return false;
  const auto attrib = load_dos_attrib(file);
  return !attrib || (attrib->attributes & dos::kTemporary) == 0;
}

// The folders below the user's that the file was in. As the user.
Result<UniqueFd> folders_in(UniqueFd bin, const Path& folder) {
  for (const std::string_view each : folder.components()) {
    const std::string name = to_disk(each);
    if (::mkdirat(bin.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return fail_last_os();
    BRAID_TRY(bin, open_beneath(bin.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  }
  return bin;
}

class BinSweep final : public Sweep {
 public:
  BinSweep(PosixContext& context, Volume& volume, FileTime before)
      : context_(context), volume_(volume), before_(before) {
    folders_.push_back(std::string(kRecycleFolder));
  }

  Result<bool> next(size_t max) override {
    BRAID_CHECK(assume(server_credentials()));
    for (; max > 0 && looks_ < kLooksMax; --max, ++looks_) {
      if (!listing_ && !begin_folder()) return false;
      errno = 0;
      const dirent64* const entry = ::readdir64(listing_.get());
      if (!entry) {
        listing_.reset();
        end_folder();
        continue;
      }
      const std::string name = entry->d_name;
      if (name != "." && name != "..") look_at(name);
    }
    return looks_ < kLooksMax;
  }

 private:
  struct CloseListing {
    void operator()(DIR* listing) const { ::closedir(listing); }
  };

  // Any of those there are to go into, so that none is always left over.
  bool begin_folder() {
    while (!folders_.empty()) {
      const size_t at = std::uniform_int_distribution<size_t>(0, folders_.size() - 1)(random_);
      folder_ = std::exchange(folders_[at], std::move(folders_.back()));
      folders_.pop_back();
      auto opened = open_beneath(context_.root.get(), folder_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!opened) continue;
      const auto st = stat_of(opened->get());
      // As for who puts something in: what the server did not make is no bin.
      if (!st || key_of(*st).device != context_.root_key.device ||
          (folder_ == kRecycleFolder && st->stx_uid != own_uid())) {
        continue;
      }
      holder_ = std::make_shared<PosixNode>(UniqueFd(::fcntl(opened->get(), F_DUPFD_CLOEXEC, 0)),
                                            key_of(*st));
      listing_.reset(::fdopendir(opened->get()));
      if (!listing_) continue;
      (void)opened->release();
      return true;
    }
    return false;
  }

  void look_at(const std::string& name) {
    const auto st = stat_in(descriptor_of(holder_), name);
    if (!st) return;
    if (S_ISDIR(st->stx_mode)) {
      if (folders_.size() < kFoldersMax) folders_.push_back(folder_ + '/' + name);
      return;
    }
    if (time_of(st->stx_ctime) >= before_) return;
    (void)volume_.remove(server_credentials(), {holder_, name}, key_of(*st));
    (void)assume(server_credentials());
  }

  // What is empty and was left alone for as long: below each user's, which stay.
  void end_folder() {
    if (std::ranges::count(folder_, '/') < 2) return;
    const auto st = stat_of(descriptor_of(holder_));
    if (!st || time_of(st->stx_ctime) >= before_) return;
    const size_t slash = folder_.rfind('/');
    const auto parent = open_beneath(context_.root.get(), folder_.substr(0, slash),
                                     O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (parent) ::unlinkat(parent->get(), folder_.c_str() + slash + 1, AT_REMOVEDIR);
  }

  PosixContext& context_;
  Volume& volume_;
  const FileTime before_;
  std::minstd_rand random_{std::random_device{}()};
  std::vector<std::string> folders_;  // from the root, to be looked into
  std::string folder_;                // that is looked into
  std::shared_ptr<Node> holder_;
  std::unique_ptr<DIR, CloseListing> listing_;
  size_t looks_ = 0;
};

}  // namespace

Result<bool> move_to_bin(PosixContext& context, const Credentials& who, const Place& place,
                         const Path& path, FileKey expected) {
  const auto names = path.components();
  if (!place.parent || names.empty() || !who) return false;
  if (equal_folded(names.front(), kRecycleFolder)) return false;
  const int parent = descriptor_of(place.parent);
  BRAID_TRY(const UniqueFd held, open_beneath(parent, place.name, O_PATH | O_NOFOLLOW));
  BRAID_TRY(const struct statx st, stat_of(held.get()));
  if (key_of(st) != FileKey{expected.device, expected.inode, 0}) return fail_os(ESTALE);
  if (!is_worth_keeping(context, held.get(), st)) return false;
  // Once more for a folder that a sweep takes away in between.
  for (int tries = 0; tries < 2; ++tries) {
    BRAID_TRY(UniqueFd bin, bin_of(context, *who));
    BRAID_TRY(bin, folders_in(std::move(bin), path.parent()));
    BRAID_TRY(const struct statx folder, stat_of(bin.get()));
    Result<void> moved = fail_os(EEXIST);
    for (int tried = 0; tried < kNamesMax && !moved && moved.error().is_os(EEXIST); ++tried) {
      const std::string name =
          tried == 0 ? place.name : other_name(place.name, number_of_name(tried));
      const Place there{std::make_shared<PosixNode>(
                            UniqueFd(::fcntl(bin.get(), F_DUPFD_CLOEXEC, 0)), key_of(folder)),
                        name};
      NameClaim claim(context, bin.get(), key_of(folder), there);
      BRAID_TRY(const auto other, claim.other());
      if (other) continue;
      moved = rename_to_free(context, {parent, place.name}, {bin.get(), name}, false);
    }
    if (moved) return true;
    if (!moved.error().is_os(ENOENT)) return fail(moved.error());
  }
  return false;
}

std::unique_ptr<Sweep> sweep_of_bin(PosixContext& context, Volume& volume, FileTime before) {
  return std::make_unique<BinSweep>(context, volume, before);
}

}  // namespace braid::vfs
