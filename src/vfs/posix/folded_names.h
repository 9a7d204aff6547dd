// FoldedNames: the names of one directory, found without regard to case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace braid::vfs {

// A table of hashes of folded names, and the names packed one behind the other: some twelve bytes
// beside the name's own, so that a million names take less than 55 MiB. Where even that is too much
// the names can be dropped: then it still tells which names there are not, which is what most who
// ask want to know, and a name that may be there has to be looked for in the directory.
//
// Thread: one at a time.
class FoldedNames {
 public:
  FoldedNames() = default;
  // With true, names that compared_name() makes the same are; who asks gives those as compared.
  explicit FoldedNames(bool composes) : composes_(composes) {}
  FoldedNames(FoldedNames&&) = default;
  FoldedNames& operator=(FoldedNames&&) = default;

  // False: it is there already, or (without names) cannot be told from one that is.
  bool add(std::string_view disk_name);
  // False when it is not there.
  bool remove(std::string_view disk_name);

  // False: no name is the same as this to a client.
  bool may_have(std::string_view client_name) const;
  // How that name is spelled; of several the first by bytes. REQUIRES has_names().
  std::optional<std::string> find(std::string_view client_name) const;

  // Without names, those that were removed while it was not known of which there are several stay.
  size_t size() const { return size_; }
  size_t bytes() const { return slots_.size() * sizeof(Slot) + names_.capacity(); }
  bool has_names() const { return has_names_; }
  void drop_names();

 private:
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kRemoved = 1;
  static constexpr uint32_t kNameless = 2;
  static constexpr uint32_t kFirstName = 3;

  struct Slot {
    uint32_t hash = 0;
    uint32_t where = kFree;  // or position of the name, from kFirstName
  };

  uint32_t hash_of_disk(std::string_view disk_name) const;
  static uint32_t hash_of_client(std::string_view client_name);

  static std::string_view name_at(const std::vector<char>& names, const Slot& slot);
  std::string_view name_at(const Slot& slot) const { return name_at(names_, slot); }
  uint32_t keep(std::string_view name);
  // Calls `visit` with each slot of this hash until it returns true.
  template <class Visit>
  bool any(uint32_t hash, const Visit& visit) const;
  void put(Slot slot);
  // Makes room for one more; leaves behind what was removed.
  void make_room();

  bool composes_ = false;
  std::vector<Slot> slots_;  // a power of two, at most three quarters used
  size_t used_ = 0;          // slots that are not kFree
  size_t size_ = 0;
  bool has_names_ = true;
  std::vector<char> names_;  // each behind a byte with its length
  size_t wasted_ = 0;        // bytes of names that were removed
};

}  // namespace braid::vfs
