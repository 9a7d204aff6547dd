#include "vfs/memory/memory_file.h"

#include <algorithm>
#include <cstring>

#include "vfs/copy.h"
#include "vfs/names.h"

namespace braid::vfs {
namespace {

// No test or fuzzer needs more, and an offset from a fuzzer must not take the machine's memory.
constexpr uint64_t kContentMax = 64 << 20;
constexpr uint64_t kBlock = 4096;

// acl(5): what the mode shows of a list. Entries of a tag, permissions and an id.
void show_list(uint32_t& mode, ByteView list) {
  constexpr size_t kHead = 4;
  constexpr size_t kEntry = 8;
  constexpr uint8_t kOwner = 0x01, kGroup = 0x04, kMask = 0x10, kOther = 0x20;
  uint32_t bits = mode & 07000;
  uint32_t group = 0;
  for (size_t at = kHead; at + kEntry <= list.size(); at += kEntry) {
    const uint32_t permissions = list[at + 2] & 07;
    if (list[at] == kOwner) bits |= permissions << 6;
    if (list[at] == kGroup || list[at] == kMask) group = permissions << 3;
    if (list[at] == kOther) bits |= permissions;
  }
  mode = bits | group;
}

class MemoryEnumeration final : public Enumeration {
 public:
  MemoryEnumeration(std::shared_ptr<MemoryTree> tree, MemoryNodeRef node, NameRules rules)
      : tree_(std::move(tree)), node_(std::move(node)), rules_(rules) {
    (void)restart();
  }

  Result<bool> next(size_t max, const NameFilter& wanted,
                    std::vector<DirectoryEntry>& out) override {
    const std::lock_guard lock(tree_->mutex);
    for (size_t i = 0; i < max && position_ < names_.size(); ++i) {
      const std::string& disk_name = names_[position_++];
      std::string name = rules_ == NameRules::kPosix ? disk_name : to_client(disk_name);
      if (wanted && !wanted(name)) continue;
      if (const MemoryNodeRef node = look_at(disk_name)) {
        out.push_back({std::move(name), node->attributes, disk_name});
      }
    }
    return position_ < names_.size();
  }

  Result<void> restart() override {
    const std::lock_guard lock(tree_->mutex);
    names_ = {".", ".."};
    for (const auto& [name, child] : node_->children) names_.push_back(name);
    position_ = 0;
    return {};
  }
  Position position() const override { return {.offset = static_cast<int64_t>(position_)}; }
  void go_back(const Position& position) override {
    position_ = static_cast<size_t>(position.offset);
  }

  Result<std::optional<DirectoryEntry>> find(std::string_view client_name) override {
    const std::lock_guard lock(tree_->mutex);
    const std::string wanted =
        rules_ == NameRules::kPosix ? std::string(client_name) : to_disk(client_name);
    for (const auto& [disk_name, child] : node_->children) {
      std::string name = rules_ == NameRules::kPosix ? disk_name : to_client(disk_name);
      const bool is_meant =
          rules_ == NameRules::kWindows ? equal_folded(name, client_name) : disk_name == wanted;
      if (is_meant) return DirectoryEntry{std::move(name), child->attributes, disk_name};
    }
    return std::nullopt;
  }

  bool refresh(DirectoryEntry& entry) override {
    const std::lock_guard lock(tree_->mutex);
    const MemoryNodeRef now = look_at(entry.disk_name);
    if (now) entry.attributes = now->attributes;
    return now != nullptr;
  }

 private:
  MemoryNodeRef look_at(const std::string& name) const {
    if (name == ".") return node_;
    if (name == "..") {
      const MemoryNodeRef parent = node_->parent.lock();
      return parent ? parent : node_;
    }
    const auto found = node_->children.find(name);
    return found == node_->children.end() ? nullptr : found->second;
  }

  const std::shared_ptr<MemoryTree> tree_;
  const MemoryNodeRef node_;
  const NameRules rules_;
  std::vector<std::string> names_;
  size_t position_ = 0;
};

}  // namespace

MemoryFile::MemoryFile(std::shared_ptr<MemoryTree> tree, MemoryNodeRef node, DataAccess access,
                       std::shared_ptr<StreamName> stream)
    : tree_(std::move(tree)), node_(std::move(node)), access_(access), stream_(std::move(stream)) {}

FileKey MemoryFile::key() const {
  const std::lock_guard<std::mutex> lock(tree_->mutex);
  FileKey key = node_->attributes.key;
  if (stream_) key.stream = stream_key(stream());
  return key;
}

bool MemoryFile::is_directory() const { return !stream_ && node_->attributes.is_directory(); }

Bytes* MemoryFile::content() {
  if (!stream_) return &node_->content;
  const auto found = find_stream(stream());
  return found == node_->streams.end() ? nullptr : &found->second.content;
}

void MemoryFile::resized() {
  if (!stream_) node_->attributes.size = node_->content.size();
  node_->attributes.allocation_size = std::max(
      node_->attributes.allocation_size, (node_->content.size() + kBlock - 1) / kBlock * kBlock);
  tree_->touch(*node_, true);
}

Result<Attributes> MemoryFile::stat() {
  const std::lock_guard lock(tree_->mutex);
  Attributes out = node_->attributes;
  if (!stream_) return out;
  const Bytes* bytes = content();
  if (!bytes) return fail_os(ENOENT);
  out.key.stream = stream_key(stream());
  out.kind = Kind::kFile;
  out.size = out.allocation_size = bytes->size();
  out.dos_attributes &= ~dos::kDirectory;
  if (out.dos_attributes == 0) out.dos_attributes = dos::kNormal;
  return out;
}

Result<void> MemoryFile::change(const AttributesChange& change) {
  const std::lock_guard lock(tree_->mutex);
  Attributes& now = node_->attributes;
  tree_->touch(*node_, false);
  if (change.dos_attributes) {
    now.dos_attributes = change.dos_attributes->applied_to(now.dos_attributes) & ~dos::kNormal;
    if (now.dos_attributes == 0) now.dos_attributes = dos::kNormal;
  }
  if (change.creation_time) now.creation_time = *change.creation_time;
  if (change.access_time) now.access_time = *change.access_time;
  if (change.write_time) now.write_time = *change.write_time;
  if (change.change_time) now.change_time = *change.change_time;
  if (change.mode) now.mode = *change.mode & 07777;
  if (change.uid) now.uid = *change.uid;
  if (change.gid) now.gid = *change.gid;
  return {};
}

Result<void> MemoryFile::note_modified() {
  const std::lock_guard lock(tree_->mutex);
  tree_->touch(*node_, true);
  return {};
}

Result<Space> MemoryFile::space() { return memory_space(); }

Result<size_t> MemoryFile::read(uint64_t offset, MutableByteView into, Wait wait) {
  if (wait == Wait::kAllowed) about_to_wait();
  const std::lock_guard<std::mutex> lock(tree_->mutex);
  if (!access_.read) return fail_os(EBADF);
  if (is_directory()) return fail_os(EISDIR);
  const Bytes* bytes = content();
  if (!bytes) return fail_os(ENOENT);
  if (offset >= bytes->size()) return 0;
  const size_t count = std::min<uint64_t>(into.size(), bytes->size() - offset);
  std::memcpy(into.data(), bytes->data() + offset, count);
  return count;
}

Progress MemoryFile::write(uint64_t offset, std::span<const ByteView> pieces) {
  const std::lock_guard lock(tree_->mutex);
  if (!access_.write || is_directory()) return fail_os(EBADF);
  Bytes* bytes = content();
  if (!bytes) return fail_os(ENOENT);
  uint64_t total = 0;
  for (const ByteView piece : pieces) total += piece.size();
  if (offset > kContentMax || total > kContentMax - offset) return fail_os(EFBIG);
  if (total > 0) bytes->resize(std::max<size_t>(bytes->size(), offset + total));
  uint8_t* at = bytes->data() + offset;
  for (const ByteView piece : pieces) at = std::copy(piece.begin(), piece.end(), at);
  resized();
  return total;
}

Result<void> MemoryFile::truncate(uint64_t size) {
  const std::lock_guard lock(tree_->mutex);
  if (!access_.write) return fail_os(EBADF);
  if (size > kContentMax) return fail_os(EFBIG);
  Bytes* bytes = content();
  if (!bytes) return fail_os(ENOENT);
  bytes->resize(size);
  resized();
  return {};
}

Result<void> MemoryFile::allocate(uint64_t size) {
  const std::lock_guard lock(tree_->mutex);
  if (!access_.write) return fail_os(EBADF);
  if (size > kContentMax) return fail_os(ENOSPC);
  const uint64_t needed = std::max<uint64_t>(size, node_->attributes.size);
  if (!stream_) node_->attributes.allocation_size = (needed + 4095) / 4096 * 4096;
  return {};
}

Result<void> MemoryFile::flush(Durability) { return {}; }

// Blocks of a sparse file that hold nothing but zeros are its holes.
Result<std::vector<Range>> MemoryFile::allocated_ranges(Range within, size_t max) {
  const std::lock_guard lock(tree_->mutex);
  const Bytes* bytes = content();
  if (!bytes) return fail_os(ENOENT);
  if (within.offset >= bytes->size()) return std::vector<Range>();
  const uint64_t end = within.offset + std::min(within.length, bytes->size() - within.offset);
  const bool is_sparse = (node_->attributes.dos_attributes & dos::kSparse) != 0;
  std::vector<Range> out;
  for (uint64_t at = within.offset; at < end;) {
    const uint64_t next = is_sparse ? std::min(end, (at / kBlock + 1) * kBlock) : end;
    const auto block = std::span(*bytes).subspan(at, next - at);
    const bool is_hole = is_sparse && std::ranges::count(block, 0) == std::ssize(block);
    const bool follows = !out.empty() && out.back().offset + out.back().length == at;
    if (!is_hole && !follows && out.size() == max) break;
    if (!is_hole && follows) out.back().length += next - at;
    if (!is_hole && !follows) out.push_back({at, next - at});
    at = next;
  }
  return out;
}

Result<void> MemoryFile::zero_range(Range range) {
  const std::lock_guard lock(tree_->mutex);
  if (!access_.write) return fail_os(EBADF);
  Bytes* bytes = content();
  if (!bytes) return fail_os(ENOENT);
  if (range.offset >= bytes->size()) return {};
  const uint64_t length = std::min<uint64_t>(range.length, bytes->size() - range.offset);
  std::memset(bytes->data() + range.offset, 0, length);
  tree_->touch(*node_, true);
  return {};
}

Progress MemoryFile::copy_range(File& source, uint64_t source_offset, uint64_t offset,
                                uint64_t length) {
  return copy_through_memory(source, source_offset, *this, offset, length);
}

Result<void> MemoryFile::clone_range(File& source, uint64_t source_offset, uint64_t offset,
                                     uint64_t length) {
  if (!tree_->features.reflink) return fail_os(EOPNOTSUPP);
  BRAID_TRY(const Attributes from, source.stat());
  const bool ends_with_source = source_offset + length == from.size;
  if (source_offset % kBlock != 0 || offset % kBlock != 0 ||
      (length % kBlock != 0 && !ends_with_source)) {
    return fail_os(EINVAL);
  }
  BRAID_CHECK(copy_range(source, source_offset, offset, length));
  return {};
}

Result<void> MemoryFile::set_compressed(bool compressed) {
  if (!tree_->features.compression) return fail_os(EOPNOTSUPP);
  const std::lock_guard lock(tree_->mutex);
  uint32_t& attributes = node_->attributes.dos_attributes;
  attributes &= ~(dos::kCompressed | dos::kNormal);
  if (compressed) attributes |= dos::kCompressed;
  if (attributes == 0) attributes = dos::kNormal;
  return {};
}

Result<bool> MemoryFile::has_checksums() {
  if (!tree_->checksums) return fail_os(EOPNOTSUPP);
  return *tree_->checksums;
}

Result<std::unique_ptr<Enumeration>> MemoryFile::enumerate(NameRules rules) {
  if (!is_directory()) return fail_os(ENOTDIR);
  if (!access_.read) return fail_os(EBADF);
  return std::make_unique<MemoryEnumeration>(tree_, node_, rules);
}

Result<bool> MemoryFile::is_empty() {
  if (!is_directory()) return fail_os(ENOTDIR);
  const std::lock_guard lock(tree_->mutex);
  return node_->children.empty();
}

Result<std::string> MemoryFile::read_link() {
  if (!node_->attributes.is_symlink()) return fail_os(EINVAL);
  return node_->target;
}

Result<Bytes> MemoryFile::get_xattr(std::string_view name, Actor) {
  const std::lock_guard lock(tree_->mutex);
  const auto found = node_->xattrs.find(std::string(name));
  if (found == node_->xattrs.end()) return fail_os(ENODATA);
  return found->second;
}

Result<void> MemoryFile::set_xattr(std::string_view name, ByteView value, Actor) {
  const std::lock_guard lock(tree_->mutex);
  node_->xattrs[std::string(name)] = Bytes(value.begin(), value.end());
  if (name == "system.posix_acl_access") show_list(node_->attributes.mode, value);
  tree_->touch(*node_, false);
  return {};
}

Result<void> MemoryFile::remove_xattr(std::string_view name, Actor) {
  const std::lock_guard lock(tree_->mutex);
  if (node_->xattrs.erase(std::string(name)) == 0) return fail_os(ENODATA);
  tree_->touch(*node_, false);
  return {};
}

Result<void> MemoryFile::exclusively(const std::function<Result<void>()>& change) {
  about_to_wait();
  const std::lock_guard lock(tree_->exclusive);
  return change();
}

Result<std::vector<std::string>> MemoryFile::list_xattrs(Actor) {
  const std::lock_guard lock(tree_->mutex);
  std::vector<std::string> out;
  for (const auto& [name, value] : node_->xattrs) out.push_back(name);
  return out;
}

std::map<std::string, MemoryNode::Stream>::iterator MemoryFile::find_stream(std::string_view name) {
  return std::ranges::find_if(node_->streams,
                              [&](const auto& s) { return equal_folded(s.first, name); });
}

Result<std::vector<StreamInfo>> MemoryFile::streams() {
  const std::lock_guard lock(tree_->mutex);
  std::vector<StreamInfo> out;
  for (const auto& [name, stream] : node_->streams) {
    out.push_back({name, stream.content.size(), stream.content.size()});
  }
  return out;
}

Result<std::unique_ptr<File>> MemoryFile::open_stream(std::string_view name, const StreamHow& how) {
  const std::lock_guard lock(tree_->mutex);
  auto found = find_stream(name);
  const bool exists = found != node_->streams.end();
  if (exists && how.disposition == StreamHow::Disposition::kCreate) return fail_os(EEXIST);
  if (!exists && how.disposition == StreamHow::Disposition::kOpen) return fail_os(ENOENT);
  if (how.truncate && !how.write) return fail_os(EBADF);
  if (!exists) {
    if (how.allocation > kContentMax) return fail_os(ENOSPC);
    auto shared_name = std::make_shared<StreamName>(std::string(name));
    found = node_->streams.emplace(std::string(name), MemoryNode::Stream{{}, shared_name}).first;
  }
  if (how.truncate) found->second.content.clear();
  return std::make_unique<MemoryFile>(tree_, node_, DataAccess{.read = true, .write = how.write},
                                      found->second.name);
}

Result<void> MemoryFile::remove_stream(std::string_view name) {
  const std::lock_guard lock(tree_->mutex);
  const auto found = find_stream(name);
  if (found == node_->streams.end()) return fail_os(ENOENT);
  found->second.name->end();
  node_->streams.erase(found);
  return {};
}

Result<void> MemoryFile::rename_stream(std::string_view from, std::string_view to, bool replace) {
  const std::lock_guard lock(tree_->mutex);
  auto found = find_stream(from);
  if (found == node_->streams.end()) return fail_os(ENOENT);
  if (!equal_folded(from, to)) {
    const auto taken = find_stream(to);
    if (taken != node_->streams.end() && !replace) return fail_os(EEXIST);
    if (taken != node_->streams.end()) {
      taken->second.name->end();
      node_->streams.erase(taken);
    }
  }
  auto moved = node_->streams.extract(found);
  moved.key() = std::string(to);
  moved.mapped().name->set(to);
  node_->streams.insert(std::move(moved));
  return {};
}

}  // namespace braid::vfs
