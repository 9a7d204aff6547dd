// An open file or stream of a memory Volume.
#pragma once

#include "vfs/memory/memory_node.h"

namespace braid::vfs {

class MemoryFile final : public File {
 public:
  // `stream`: null for the file itself.
  MemoryFile(std::shared_ptr<MemoryTree> tree, MemoryNodeRef node, DataAccess access,
             std::shared_ptr<StreamName> stream = nullptr);
  ~MemoryFile() override { about_to_wait(); }

  FileKey key() const override;
  bool is_directory() const override;
  Result<Attributes> stat() override;
  Result<void> change(const AttributesChange& change) override;
  Result<void> note_modified() override;
  Result<Space> space() override;
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
  Result<void> clone_range(File& source, uint64_t source_offset, uint64_t offset,
                           uint64_t length) override;
  Result<void> set_compressed(bool compressed) override;
  Result<bool> has_checksums() override;
  Result<std::unique_ptr<Enumeration>> enumerate(NameRules rules) override;
  Result<bool> is_empty() override;
  Result<std::string> read_link() override;
  Result<Bytes> get_xattr(std::string_view name, Actor actor) override;
  Result<void> set_xattr(std::string_view name, ByteView value, Actor actor) override;
  Result<void> remove_xattr(std::string_view name, Actor actor) override;
  Result<std::vector<std::string>> list_xattrs(Actor actor) override;
  Result<void> exclusively(const std::function<Result<void>()>& change) override;
  Result<std::vector<StreamInfo>> streams() override;
  Result<std::unique_ptr<File>> open_stream(std::string_view name, const StreamHow& how) override;
  std::shared_ptr<const StreamName> stream_name() const override { return stream_; }
  Result<void> remove_stream(std::string_view name) override;
  Result<void> rename_stream(std::string_view from, std::string_view to, bool replace) override;

  const MemoryNodeRef& node() const { return node_; }

 private:
  // Bytes of the file or stream; null when the stream is gone. REQUIRES the mutex.
  Bytes* content();
  std::map<std::string, MemoryNode::Stream>::iterator find_stream(std::string_view name);
  void resized();
  std::string stream() const { return stream_ ? stream_->text() : std::string(); }

  const std::shared_ptr<MemoryTree> tree_;
  const MemoryNodeRef node_;
  const DataAccess access_;
  const std::shared_ptr<StreamName> stream_;
};

}  // namespace braid::vfs
