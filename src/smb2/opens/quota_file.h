// The file by which clients reach the quotas of a volume: "$Extend\$Quota:$Q:$INDEX_ALLOCATION".
#pragma once

#include <atomic>
#include <string_view>

#include "smb2/sessions/session.h"
#include "vfs/vfs.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

class Open;

// Of the index $Q, without regard to case. [MS-FSCC] 5.4 "NTFS Stream Names".
bool is_quota_file_name(std::string_view name);

// Whether the user may see everybody's quotas and set them. [MS-SMB2] 3.3.5.21.4.
bool may_manage_quotas(const Principal& principal);

// Empty, there for everybody, and nowhere on the disk: what is asked about its volume through
// QUERY_INFO and SET_INFO of quotas is what it is for, and there rights are checked. It cannot be
// read, written, changed, renamed or deleted.
// Owned by the Open. Thread: any.
class QuotaFile final : public vfs::File {
 public:
  // What CREATE grants to whoever asks.
  static constexpr wire::AccessMask kMaximalAccess =
      wire::Access::kFileGenericRead | wire::Access::kFileGenericWrite;

  explicit QuotaFile(const vfs::Features& features);
  // Null when the open is of another file.
  static QuotaFile* of(const Open& open);

  // Open.CurrentQuotaIndex: the first uid that an enumeration has not told yet. Above all uids at
  // its end.
  std::atomic<uint64_t> next_uid = 0;

  FileKey key() const override { return attributes_.key; }
  bool is_directory() const override { return false; }
  Result<vfs::Attributes> stat() override { return attributes_; }
  Result<void> flush(vfs::Durability) override { return {}; }
  Result<std::vector<std::string>> list_xattrs(vfs::Actor) override {
    return std::vector<std::string>();
  }
  Result<Bytes> get_xattr(std::string_view, vfs::Actor) override { return fail_os(ENODATA); }
  Result<std::vector<vfs::StreamInfo>> streams() override { return std::vector<vfs::StreamInfo>(); }

  // That of its volume is asked of the volume.
  Result<vfs::Space> space() override { return fail_os(EOPNOTSUPP); }
  Result<void> note_modified() override { return no_data(); }
  Result<void> change(const vfs::AttributesChange&) override { return fail_os(EACCES); }
  Result<void> set_xattr(std::string_view, ByteView, vfs::Actor) override {
    return fail_os(EACCES);
  }
  Result<void> remove_xattr(std::string_view, vfs::Actor) override { return fail_os(EACCES); }

  Result<void> exclusively(const std::function<Result<void>()>& change) override {
    return change();
  }

  Result<size_t> read(uint64_t, MutableByteView, vfs::Wait) override { return no_data(); }
  vfs::Progress write(uint64_t, std::span<const ByteView>) override { return no_data(); }
  Result<void> truncate(uint64_t) override { return no_data(); }
  Result<void> allocate(uint64_t) override { return no_data(); }
  Result<std::vector<vfs::Range>> allocated_ranges(vfs::Range, size_t) override {
    return no_data();
  }
  Result<void> zero_range(vfs::Range) override { return no_data(); }
  vfs::Progress copy_range(vfs::File&, uint64_t, uint64_t, uint64_t) override { return no_data(); }
  Result<void> clone_range(vfs::File&, uint64_t, uint64_t, uint64_t) override { return no_data(); }
  Result<std::unique_ptr<vfs::Enumeration>> enumerate(vfs::NameRules) override { return no_data(); }
  Result<std::string> read_link() override { return fail_os(EINVAL); }
  Result<std::unique_ptr<vfs::File>> open_stream(std::string_view, const vfs::StreamHow&) override {
    return fail_os(ENOENT);
  }
  Result<void> remove_stream(std::string_view) override { return fail_os(ENOENT); }
  Result<void> rename_stream(std::string_view, std::string_view, bool) override {
    return fail_os(ENOENT);
  }

 private:
  static std::unexpected<Error> no_data() { return fail(NtStatus::kInvalidDeviceRequest); }

  vfs::Attributes attributes_;
};

}  // namespace braid::smb2
