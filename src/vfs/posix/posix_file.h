// PosixFile: an open file, directory or other object of a posix Volume.
#pragma once

#include <atomic>
#include <ctime>
#include <memory>
#include <span>
#include <utility>

#include "base/unique_fd.h"
#include "runtime/identity.h"
#include "vfs/posix/context.h"
#include "vfs/posix/unnamed.h"

namespace braid::vfs {

// A descriptor of one's own, or that of a Node, which is held for it.
class FileFd {
 public:
  explicit FileFd(UniqueFd own) : own_(std::move(own)) {}
  explicit FileFd(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  int get() const { return node_ ? descriptor_of(node_) : own_.get(); }

 private:
  UniqueFd own_;
  std::shared_ptr<Node> node_;
};

// Holds a descriptor opened with the rights of `who`; O_PATH when no access to data was asked for.
class PosixFile final : public File {
 public:
  struct Parts {
    PosixContextRef context;
    Credentials who;
    UniqueFd fd;
    std::shared_ptr<Node> node = nullptr;  // not null: its descriptor is used, without access
    DataAccess access;
    Attributes attributes;  // as they are when it is opened
    // It has ARCHIVE, and had it when archive_ends() was this.
    std::optional<uint32_t> archive_at = {};
    bool hide = false;  // its name is one that is shown as hidden
    std::unique_ptr<Unnamed> unnamed = nullptr;
  };
  explicit PosixFile(Parts parts);
  // What has no name yet goes with all that belongs to it.
  ~PosixFile() override;

  FileKey key() const override { return key_; }
  bool is_directory() const override { return kind_ == Kind::kDirectory; }
  bool is_examined_at_once() override;
  bool ends_at_once() override;
  Result<Attributes> stat() override;
  Result<void> change(const AttributesChange& change) override;
  void set_time_rules(const TimeRules& rules) override;
  Result<void> note_modified() override;
  Result<void> change_owner(std::optional<uid_t> uid, std::optional<gid_t> gid) override;

  Result<size_t> read(uint64_t offset, MutableByteView into, Wait wait) override;
  using File::write;
  Progress write(uint64_t offset, std::span<const ByteView> pieces) override;
  Progress write_at_once(uint64_t offset, ByteView bytes) override;
  Result<void> truncate(uint64_t size) override;
  Result<void> allocate(uint64_t size) override;
  Result<void> flush(Durability durability) override;

  Result<std::vector<Range>> allocated_ranges(Range within, size_t max) override;
  Result<void> zero_range(Range range) override;
  Progress copy_range(File& source, uint64_t source_offset, uint64_t offset,
                      uint64_t length) override;
  Result<void> clone_range(File& source, uint64_t source_offset, uint64_t offset,
                           uint64_t length) override;

  Result<void> set_compressed(bool compressed) override;
  Result<Space> space() override;
  Result<bool> has_checksums() override;

  Result<std::unique_ptr<Enumeration>> enumerate(NameRules rules) override;
  Result<bool> is_empty() override;
  Result<bool> is_read_only() override;
  Result<std::string> read_link() override;

  Result<Bytes> get_xattr(std::string_view name, Actor actor) override;
  Result<void> set_xattr(std::string_view name, ByteView value, Actor actor) override;
  Result<void> remove_xattr(std::string_view name, Actor actor) override;
  Result<std::vector<std::string>> list_xattrs(Actor actor) override;
  Result<void> exclusively(const std::function<Result<void>()>& change) override;

  Result<std::vector<StreamInfo>> streams() override;
  Result<std::unique_ptr<File>> open_stream(std::string_view name, const StreamHow& how) override;
  Result<void> remove_stream(std::string_view name) override;
  Result<void> rename_stream(std::string_view from, std::string_view to, bool replace) override;

  int descriptor() const override { return fd_.get(); }
  int fd() const { return fd_.get(); }
  const Credentials& who() const { return who_; }
  // REQUIRES that nobody else has the file yet, and that `place` is in the directory that it was
  // made for. EEXIST.
  Result<Attributes> take_name(const Place& place);

 private:
  friend class KeptTimes;

  // As clients are shown them.
  Attributes shown(Attributes attributes) const;
  // Whether some of what it takes may be reserved for its data.
  bool may_be_reserved(const Attributes& attributes) const;
  // Fails with EACCES unless the user owns the file or may write it. Takes the user's identity.
  Result<void> check_may_change();
  Result<void> change_dos(const AttributesChange& change);
  // ERANGE and nothing changed for times that the file system cannot keep.
  Result<void> change_times(const AttributesChange& change);
  Result<void> store_times(std::span<const timespec, 2> times);
  Result<void> choose_change_time(FileTime time);
  // The same for who may, whatever the user is allowed. Nothing: that of the file system again.
  Result<void> store_change_time(std::optional<FileTime> time);
  // The same; until then the file shows it though somebody changes it. 0 for not at all.
  Result<FileTime> put_change_time(std::optional<FileTime> time);
  // Whether what is read through `fd` moves the access time no more.
  static void keep_access_time(int fd, bool keep);
  // Marks the file as changed since the last backup; remembered until somebody takes the mark away,
  // so that it costs one look.
  Result<void> set_archive();
  // Again, after a change of the data, where a backup has taken it away meanwhile.
  void renew_archive();
  bool has_archive() const;

  const PosixContextRef context_;
  const Credentials who_;
  FileFd fd_;  // another one once it has its name
  const DataAccess access_;
  const FileKey key_;
  const Kind kind_;
  const bool hide_;
  std::unique_ptr<Unnamed> unnamed_;
  std::atomic<uint32_t>& archive_ends_;
  // What archive_ends_ was when the file had ARCHIVE; kNoArchive when it is not known to have it.
  static constexpr uint64_t kNoArchive = ~uint64_t{0};
  std::atomic<uint64_t> archive_at_;
  std::atomic<TimeRules> time_rules_{};
};

}  // namespace braid::vfs
