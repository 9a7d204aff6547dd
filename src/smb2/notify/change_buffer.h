// ChangeBuffer: what happened below a watched directory and was not told yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/nt_status.h"
#include "wire/fscc/notify.h"

namespace braid::smb2 {

// How a CHANGE_NOTIFY ends. `changes` is the FILE_NOTIFY_INFORMATION list; empty unless kSuccess.
struct NotifyAnswer {
  NtStatus status = NtStatus::kSuccess;
  Bytes changes;
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
  void add(wire::FileAction action, std::string name);
  // Something happened that cannot be told.
  void lose();

  bool empty() const { return changes_.empty() && !lost_; }
  bool is_lost() const { return lost_; }
  size_t size() const { return size_; }

  // Everything, for a request that takes `limit` bytes: kSuccess, or kNotifyEnumDir when something
  // was lost or does not fit. Empties the buffer either way.
  NotifyAnswer take(uint32_t limit);

 private:
  const size_t capacity_;
  std::vector<wire::FileNotifyInformation> changes_;
  size_t size_ = 0;  // of the encoded list, at most
  bool lost_ = false;
};

}  // namespace braid::smb2
