// PosixStream: an open named stream.
#pragma once

#include "runtime/identity.h"
#include "vfs/posix/context.h"
#include "vfs/posix/posix_file.h"
#include "vfs/posix/stream_store.h"

namespace braid::vfs {

// Rights are checked when it is opened; the data is then reached as the server, and that of a side
// file written with the user's claim to room. While it is inline, operations of one file's streams
// exclude each other. What is a property of the file goes to the file.
class PosixStream final : public File {
 public:
  PosixStream(PosixContextRef context, Credentials who, std::unique_ptr<PosixFile> base,
              int base_fd, std::shared_ptr<StreamName> name, bool writable);

  FileKey key() const override;
  bool is_directory() const override { return false; }
  Result<Attributes> stat() override;
  Result<void> change(const AttributesChange& change) override { return base_->change(change); }
  void set_time_rules(const TimeRules& rules) override { base_->set_time_rules(rules); }
  Result<void> note_modified() override { return base_->note_modified(); }
  Result<Space> space() override { return base_->space(); }
  Result<bool> has_checksums() override { return base_->has_checksums(); }
  Result<void> change_owner(std::optional<uid_t> uid, std::optional<gid_t> gid) override {
    return base_->change_owner(uid, gid);
  }

  Result<size_t> read(uint64_t offset, MutableByteView into, Wait wait) override;
  using File::write;
  Progress write(uint64_t offset, std::span<const ByteView> pieces) override;
  Result<void> truncate(uint64_t size) override;
  Result<void> allocate(uint64_t size) override;
  Result<void> flush(Durability durability) override;

  Result<std::vector<Range>> allocated_ranges(Range within, size_t max) override;
  Result<void> zero_range(Range range) override;
  Progress copy_range(File& source, uint64_t source_offset, uint64_t offset,
                      uint64_t length) override;
  Result<void> clone_range(File&, uint64_t, uint64_t, uint64_t) override {
    return fail_os(EOPNOTSUPP);
  }

  Result<std::unique_ptr<Enumeration>> enumerate(NameRules) override { return fail_os(ENOTDIR); }
  Result<std::string> read_link() override { return fail_os(EINVAL); }

  Result<Bytes> get_xattr(std::string_view name, Actor actor) override {
    return base_->get_xattr(name, actor);
  }
  Result<void> set_xattr(std::string_view name, ByteView value, Actor actor) override {
    return base_->set_xattr(name, value, actor);
  }
  Result<void> remove_xattr(std::string_view name, Actor actor) override {
    return base_->remove_xattr(name, actor);
  }
  Result<std::vector<std::string>> list_xattrs(Actor actor) override {
    return base_->list_xattrs(actor);
  }
  Result<void> exclusively(const std::function<Result<void>()>& change) override {
    return base_->exclusively(change);
  }

  Result<std::vector<StreamInfo>> streams() override { return base_->streams(); }
  Result<std::unique_ptr<File>> open_stream(std::string_view name, const StreamHow& how) override {
    return base_->open_stream(name, how);
  }
  Result<void> remove_stream(std::string_view name) override { return base_->remove_stream(name); }
  Result<void> rename_stream(std::string_view from, std::string_view to, bool replace) override {
    return base_->rename_stream(from, to, replace);
  }
  std::shared_ptr<const StreamName> stream_name() const override { return name_; }

 private:
  // The stream's side file, with `held` let go of: whatever is done with the data of a side file is
  // done without a lock. kInline: `while_inline` said that all is done, with `held` held. When it
  // says false, the stream moves to a side file. It may be called more than once.
  static constexpr int kInline = -1;
  template <class Work>
  Result<int> reach(StreamLock& held, Work while_inline);
  Result<uint64_t> inline_size();
  // Gives an inline stream new content. False: it has no room there. REQUIRES the lock.
  Result<bool> store(ByteView content);
  Progress put(uint64_t offset, std::span<const ByteView> pieces);
  Result<void> resize(uint64_t size);
  Result<void> zero(Range range);

  const PosixContextRef context_;
  const Credentials who_;
  const std::unique_ptr<PosixFile> base_;
  const int base_fd_;                       // owned by base_
  const std::shared_ptr<StreamName> name_;  // changes with the metadata lock held
  UniqueFd side_;  // set once, with the metadata lock held: who has seen it with it may use it on
  const bool writable_;
};

}  // namespace braid::vfs
