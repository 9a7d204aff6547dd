// PosixEnumeration: a walk through a directory of a posix Volume.
#pragma once

#include <optional>

#include "runtime/identity.h"
#include "vfs/posix/context.h"

namespace braid::vfs {

class PosixEnumeration final : public Enumeration {
 public:
  // `fd`: its own, so that its position is.
  PosixEnumeration(PosixContextRef context, Credentials who, UniqueFd fd, FileKey key,
                   NameRules rules);
  Result<bool> next(size_t max, const NameFilter& wanted,
                    std::vector<DirectoryEntry>& out) override;
  Result<void> restart() override;
  Result<std::optional<DirectoryEntry>> find(std::string_view client_name) override;
  bool refresh(DirectoryEntry& entry) override;
  Position position() const override { return {static_cast<uint64_t>(dots_), next_}; }
  void go_back(const Position& position) override;

 private:
  enum class Dots : uint8_t { kSelf, kParent, kDone };

  // The next name in the directory, "." and ".." left out; nothing at the end.
  Result<std::optional<std::string>> next_name();
  Result<void> add_dot(const NameFilter& wanted, std::vector<DirectoryEntry>& out);
  // Nothing: it is not there, or where it leads nobody gets at. What the disk fails to tell is an
  // error: a listing without a name that is there would be taken for the whole.
  Result<std::optional<Attributes>> look_at(const std::string& name);
  // Of what a link here leads to, if that is followed.
  std::optional<Attributes> look_behind(const std::string& name);

  const PosixContextRef context_;
  const Credentials who_;
  const UniqueFd fd_;
  const FileKey key_;
  const NameRules rules_;
  Dots dots_ = Dots::kSelf;
  Bytes buffer_;
  size_t at_ = 0;
  size_t filled_ = 0;
  int64_t next_ = 0;       // behind the last name given, as the file system counts
  bool is_moved_ = false;  // next_ is not where the descriptor is
};

}  // namespace braid::vfs
