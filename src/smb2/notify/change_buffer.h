// ChangeBuffer: what happened below a watched directory and was not told yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/nt_status.h"
#include "wire/fscc/notify.h"

namespace braid::smb2 {

// The name of a change as those who watch one directory are told it. Its text is made once for all
// of them, and only if one has room for it. Thread: one at a time.
class ChangedName {
 public:
  // `text` lives longer. `size`: of it in UTF-16LE.
  ChangedName(std::string_view text, size_t size)
      : text_(text), entry_size_(wire::notify_entry_size(size)) {}
  std::string_view text() const { return text_; }
  size_t entry_size() const { return entry_size_; }
  const std::shared_ptr<const std::string>& shared() {
    if (!shared_) shared_ = std::make_shared<const std::string>(text_);
    return shared_;
  }

 private:
  std::string_view text_;
  size_t entry_size_;
  std::shared_ptr<const std::string> shared_;
};

struct ToldChange {
  wire::FileAction action = wire::FileAction::kModified;
  std::shared_ptr<const std::string> name;
};

// How a CHANGE_NOTIFY ends. `changes` is empty unless kSuccess.
struct NotifyAnswer {
  NtStatus status = NtStatus::kSuccess;
  std::vector<ToldChange> changes;

  // The FILE_NOTIFY_INFORMATION list for a request that takes `limit` bytes. Empty when there is
  // none or it takes more, and then kSuccess becomes kNotifyEnumDir.
  Bytes encode(uint32_t limit);
};

// ChangeNotifyEntry.NotifyEventList of [MS-FSA] 2.1.1.8 "Per ChangeNotifyEntry", bounded: the size
// is the OutputBufferLength of the open's first request, as on Windows, and never more than
// kCapacityMax. What does not fit leaves only the fact that something was lost.
// Owned by a watch. Thread: under its lock.
class ChangeBuffer {
 public:
  // Larger buffers than this gain nothing: Windows refuses them over a network.
  static constexpr size_t kCapacityMax = 64u << 10;

  explicit ChangeBuffer(uint32_t capacity)
      : capacity_(capacity < kCapacityMax ? capacity : kCapacityMax) {}

  // The same modification twice in a row is one.
  void add(wire::FileAction action, ChangedName& name);
  // Something happened that cannot be told.
  void lose();

  bool empty() const { return changes_.empty() && !lost_; }
  bool is_lost() const { return lost_; }
  size_t size() const { return size_; }

  // Everything: kSuccess, or kNotifyEnumDir when something was lost. Empties the buffer.
  NotifyAnswer take();

 private:
  const size_t capacity_;
  std::vector<ToldChange> changes_;
  size_t size_ = 0;  // of the encoded list, at most
  bool lost_ = false;
};

}  // namespace braid::smb2
