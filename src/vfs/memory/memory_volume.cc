#include "vfs/memory/memory_volume.h"

#include "vfs/memory/memory_features.h"
#include "vfs/memory/memory_file.h"
#include "vfs/memory/memory_node.h"
#include "vfs/names.h"

namespace braid::vfs {

MemoryNodeRef MemoryTree::make(Kind kind, uint32_t mode, uint32_t dos_attributes) {
  auto node = std::make_shared<MemoryNode>();
  Attributes& a = node->attributes;
  a.key = {1, next_inode++, 0};
  a.kind = kind;
  a.mode = mode & 07777;
  a.dos_attributes = dos_attributes & dos::kSettable;
  if (kind == Kind::kFile) a.dos_attributes |= dos::kArchive;
  if (kind == Kind::kDirectory) a.dos_attributes |= dos::kDirectory;
  if (kind != Kind::kFile && kind != Kind::kDirectory) {
    a.dos_attributes |= dos::kReparsePoint;
    a.reparse_tag = kind == Kind::kSymlink ? kReparseTagSymlink : kReparseTagNfs;
  }
  a.creation_time = a.access_time = a.write_time = a.change_time = a.changed = a.born = clock.now();
  return node;
}

void MemoryTree::touch(MemoryNode& node, bool data) const {
  node.attributes.change_time = node.attributes.changed = clock.now();
  if (!data) return;
  node.attributes.write_time = node.attributes.change_time;
  uint32_t& attributes = node.attributes.dos_attributes;
  if (node.attributes.kind == Kind::kFile)
    attributes = (attributes & ~dos::kNormal) | dos::kArchive;
}

namespace {

constexpr size_t kNameBytesMax = 255;  // as Linux file systems have it

class MemoryVolume final : public Volume {
 public:
  MemoryVolume(const Clock& clock, std::shared_ptr<Quotas> quotas)
      : tree_(std::make_shared<MemoryTree>(clock)), quotas_(std::move(quotas)) {
    tree_->root = tree_->make(Kind::kDirectory, 0755, 0);
    Features& features = tree_->features;
    features.xattrs = features.streams = true;
    features.device = 1;
    features.file_system_id = "memory";
    features.creation_time = clock.now();
  }

  Result<Resolved> lookup(const Credentials& who, const Path& path,
                          const LookupOptions& options) override;
  Result<std::unique_ptr<File>> open(const Credentials& who, const Found& found,
                                     const OpenHow& how) override;
  Result<std::unique_ptr<File>> create(const Credentials& who, const Missing& missing,
                                       const CreateHow& how) override;
  Result<Attributes> publish(const Credentials& who, const Missing& missing, File& file) override;
  Result<void> replace(const Credentials& who, const Place& place, FileKey expected,
                       const Replacement& by) override;
  Result<void> make_symlink(const Credentials& who, const Place& place,
                            std::string_view target) override;
  Result<void> rename(const Credentials& who, const Place& from, FileKey expected, const Place& to,
                      bool replace) override;
  Result<void> link(const Credentials& who, File& file, const Place& to, bool replace) override;
  Result<void> remove(const Credentials& who, const Place& place, FileKey expected) override;
  Result<Space> space(const Credentials&) override { return memory_space(); }
  Quotas* quotas() override { return quotas_.get(); }
  const Features& features() const override { return tree_->features; }
  MemoryTree& tree() { return *tree_; }

 private:
  using Children = std::map<std::string, MemoryNodeRef>;

  static Children::iterator child_of(MemoryNode& directory, const std::string& name,
                                     NameRules rules);
  // The directory of a place in which something may be put. REQUIRES the mutex.
  static Result<MemoryNodeRef> parent_of(const Place& place);
  static Result<MemoryNodeRef> held(const Place& place, FileKey expected);
  void add(const MemoryNodeRef& parent, const std::string& name, const MemoryNodeRef& node);
  void drop(MemoryNode& parent, const std::string& name);

  const std::shared_ptr<MemoryTree> tree_;
  const std::shared_ptr<Quotas> quotas_;
};

MemoryVolume::Children::iterator MemoryVolume::child_of(MemoryNode& directory,
                                                        const std::string& name, NameRules rules) {
  auto& children = directory.children;
  auto exact = children.find(name);
  if (exact != children.end() || rules != NameRules::kWindows) return exact;
  const std::string wanted = to_client(name);
  for (auto at = children.begin(); at != children.end(); ++at) {
    if (equal_folded(to_client(at->first), wanted)) return at;
  }
  return children.end();
}

Result<Resolved> MemoryVolume::lookup(const Credentials&, const Path& path,
                                      const LookupOptions& options) {
  const std::lock_guard lock(tree_->mutex);
  const bool maps = options.rules != NameRules::kPosix;
  MemoryNodeRef node = tree_->root;
  Path at;
  Place place;
  std::string wanted;
  const auto names = path.components();
  for (size_t i = 0; i < names.size(); ++i) {
    const bool last = i + 1 == names.size();
    wanted = maps ? to_disk(names[i]) : std::string(names[i]);
    if (wanted.size() > kNameBytesMax) return fail_os(ENAMETOOLONG);
    const auto found = child_of(*node, wanted, options.rules);
    const bool exists = found != node->children.end();
    if (!exists && !last) return fail(NtStatus::kObjectPathNotFound);
    place.name = exists ? found->first : wanted;
    BRAID_CHECK(at.append(maps ? to_client(place.name) : place.name));
    if (last && (!exists || options.pin_parent)) place.parent = std::make_shared<MemoryPin>(node);
    if (!exists) {
      place.is_exact = options.rules == NameRules::kExact;
      Missing missing(std::move(place));
      missing.path = std::move(at);
      return missing;
    }
    node = found->second;
    if (last) break;
    if (node->attributes.is_symlink()) return Link{std::move(at), node->target};
    if (!node->attributes.is_directory()) return fail(NtStatus::kObjectPathNotFound);
  }
  Found out(std::make_shared<MemoryPin>(node), node->attributes);
  out.path = std::move(at);
  out.place = std::move(place);
  out.place.is_exact = options.rules == NameRules::kExact;
  out.wanted_name = std::move(wanted);
  if (node->attributes.is_symlink()) out.symlink_target = node->target;
  return out;
}

Result<std::unique_ptr<File>> MemoryVolume::open(const Credentials&, const Found& found,
                                                 const OpenHow& how) {
  const MemoryNodeRef& node = node_of(found.node);
  auto file = std::make_unique<MemoryFile>(tree_, node, how.access);
  const Kind kind = node->attributes.kind;
  const bool has_data = kind == Kind::kFile || kind == Kind::kDirectory;
  if (!has_data && (how.access.read || how.access.write)) return fail_os(EACCES);
  if (how.truncate) BRAID_CHECK(file->truncate(0));
  return file;
}

Result<MemoryNodeRef> MemoryVolume::parent_of(const Place& place) {
  if (!place.parent) return fail_os(EBUSY);
  const MemoryNodeRef& parent = node_of(place.parent);
  if (parent->attributes.nlink == 0) return fail_os(ENOENT);
  if (place.name.size() > kNameBytesMax) return fail_os(ENAMETOOLONG);
  return parent;
}

Result<MemoryNodeRef> MemoryVolume::held(const Place& place, FileKey expected) {
  BRAID_TRY(const MemoryNodeRef parent, parent_of(place));
  const auto found = parent->children.find(place.name);
  if (found == parent->children.end()) return fail_os(ENOENT);
  expected.stream = 0;
  if (found->second->attributes.key != expected) return fail_os(ESTALE);
  return found->second;
}

void MemoryVolume::add(const MemoryNodeRef& parent, const std::string& name,
                       const MemoryNodeRef& node) {
  parent->children[name] = node;
  if (node->attributes.is_directory()) node->parent = parent;
  tree_->touch(*parent, true);
}

void MemoryVolume::drop(MemoryNode& parent, const std::string& name) {
  const auto found = parent.children.find(name);
  MemoryNode& node = *found->second;
  node.attributes.nlink = node.attributes.is_directory() ? 0 : node.attributes.nlink - 1;
  tree_->touch(node, false);
  parent.children.erase(found);
  tree_->touch(parent, true);
}

Result<std::unique_ptr<File>> MemoryVolume::create(const Credentials& who, const Missing& missing,
                                                   const CreateHow& how) {
  const std::lock_guard lock(tree_->mutex);
  BRAID_TRY(const MemoryNodeRef parent, parent_of(missing.place));
  if (parent->children.contains(missing.place.name)) return fail_os(EEXIST);
  const MemoryNodeRef node =
      tree_->make(how.directory ? Kind::kDirectory : Kind::kFile, how.mode, how.dos_attributes);
  if (who) {
    node->attributes.uid = who->uid;
    node->attributes.gid = who->gid;
  }
  if (!how.unnamed) add(parent, missing.place.name, node);
  return std::make_unique<MemoryFile>(tree_, node, how.access);
}

Result<Attributes> MemoryVolume::publish(const Credentials&, const Missing& missing, File& file) {
  const std::lock_guard lock(tree_->mutex);
  auto* made = dynamic_cast<MemoryFile*>(&file);
  if (!made) return fail_os(EINVAL);
  BRAID_TRY(const MemoryNodeRef parent, parent_of(missing.place));
  if (parent->children.contains(missing.place.name)) return fail_os(EEXIST);
  add(parent, missing.place.name, made->node());
  return made->node()->attributes;
}

Result<void> MemoryVolume::replace(const Credentials&, const Place& place, FileKey expected,
                                   const Replacement& by) {
  if (by.kind == Kind::kDirectory) return fail_os(EINVAL);
  const std::lock_guard lock(tree_->mutex);
  BRAID_TRY(const MemoryNodeRef old, held(place, expected));
  if (!old->children.empty()) return fail_os(ENOTEMPTY);
  BRAID_TRY(const MemoryNodeRef parent, parent_of(place));
  drop(*parent, place.name);
  const bool is_link = by.kind == Kind::kSymlink;
  const MemoryNodeRef node = tree_->make(by.kind, is_link ? 0777 : by.mode & 0777, 0);
  if (is_link) {
    node->target = by.target;
    node->attributes.size = by.target.size();
  }
  if (by.kind == Kind::kCharDevice || by.kind == Kind::kBlockDevice) {
    node->attributes.device = by.device;
  }
  add(parent, place.name, node);
  return {};
}

Result<void> MemoryVolume::make_symlink(const Credentials&, const Place& place,
                                        std::string_view target) {
  const std::lock_guard lock(tree_->mutex);
  BRAID_TRY(const MemoryNodeRef parent, parent_of(place));
  if (parent->children.contains(place.name)) return fail_os(EEXIST);
  const MemoryNodeRef node = tree_->make(Kind::kSymlink, 0777, 0);
  node->target = target;
  node->attributes.size = target.size();
  add(parent, place.name, node);
  return {};
}

Result<void> MemoryVolume::rename(const Credentials&, const Place& from, FileKey expected,
                                  const Place& to, bool replace) {
  const std::lock_guard lock(tree_->mutex);
  BRAID_TRY(const MemoryNodeRef node, held(from, expected));
  BRAID_TRY(const MemoryNodeRef old_parent, parent_of(from));
  BRAID_TRY(const MemoryNodeRef new_parent, parent_of(to));
  const bool directory = node->attributes.is_directory();
  for (MemoryNodeRef at = new_parent; at; at = at->parent.lock()) {
    if (at == node) return fail_os(EINVAL);
  }
  const auto taken = new_parent->children.find(to.name);
  if (taken != new_parent->children.end()) {
    if (!replace) return fail_os(EEXIST);
    const MemoryNode& victim = *taken->second;
    if (old_parent == new_parent && from.name == to.name) return {};
    if (taken->second == node) {
      drop(*old_parent, from.name);
      return {};
    }
    if (victim.attributes.is_directory() && !directory) return fail_os(EISDIR);
    if (!victim.attributes.is_directory() && directory) return fail_os(ENOTDIR);
    if (!victim.children.empty()) return fail_os(ENOTEMPTY);
    drop(*new_parent, to.name);
  }
  old_parent->children.erase(from.name);
  tree_->touch(*old_parent, true);
  add(new_parent, to.name, node);
  tree_->touch(*node, false);
  if (node->attributes.kind == Kind::kFile) {
    node->attributes.dos_attributes =
        (node->attributes.dos_attributes & ~dos::kNormal) | dos::kArchive;
  }
  return {};
}

Result<void> MemoryVolume::link(const Credentials&, File& file, const Place& to, bool replace) {
  const std::lock_guard lock(tree_->mutex);
  auto* target = dynamic_cast<MemoryFile*>(&file);
  if (!target) return fail_os(EINVAL);
  if (target->is_directory()) return fail_os(EISDIR);
  BRAID_TRY(const MemoryNodeRef parent, parent_of(to));
  const auto taken = parent->children.find(to.name);
  if (taken != parent->children.end()) {
    if (!replace) return fail_os(EEXIST);
    if (taken->second->attributes.is_directory()) return fail_os(EISDIR);
    if (taken->second == target->node()) return {};
    drop(*parent, to.name);
  }
  target->node()->attributes.nlink++;
  add(parent, to.name, target->node());
  return {};
}

Result<void> MemoryVolume::remove(const Credentials&, const Place& place, FileKey expected) {
  const std::lock_guard lock(tree_->mutex);
  BRAID_TRY(const MemoryNodeRef node, held(place, expected));
  if (!node->children.empty()) return fail_os(ENOTEMPTY);
  drop(*node_of(place.parent), place.name);
  return {};
}

}  // namespace

Features& features_of(Volume& memory) { return static_cast<MemoryVolume&>(memory).tree().features; }

void set_checksums(Volume& memory, std::optional<bool> kept) {
  static_cast<MemoryVolume&>(memory).tree().checksums = kept;
}

Attributes& attributes_of(const Found& found) { return node_of(found.node)->attributes; }

std::unique_ptr<Volume> make_memory_volume(const Clock& clock, std::shared_ptr<Quotas> quotas) {
  return std::make_unique<MemoryVolume>(clock, std::move(quotas));
}

}  // namespace braid::vfs
