// SleepingOpens: what recovery has found and nobody has asked for yet.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "filestate/sleepers.h"
#include "filestate/types.h"
#include "smb2/opens/create_key.h"
#include "smb2/opens/open_table.h"
#include "smb2/persistent/persistent_open.h"
#include "smb2/persistent/restore_open.h"

namespace braid::smb2 {

struct PersistentShare;

// An open without a client takes some 6 KiB where it is known, and after a restart there may be
// 100,000 of them, most of which will expire, or come back one by one. Until somebody asks for one,
// or about its file, it is its record and what it is found by, a tenth of that. Of one file all
// opens sleep or none, so that who opens a file meets all at once.
//
//   add(), by recovery  ->  asleep  ->  wake_...(): FileTable and OpenTable have it
//
// Owned by PersistentHandles. Thread: any. Its lock is held while one is woken: who asks for the
// same file waits for that. Nothing waits for the disk.
class SleepingOpens final : public filestate::Sleepers, public OpenSleepers {
 public:
  struct Sleeper {
    PersistentOpen open;
    PersistentShare* of = nullptr;
    SeenFile seen;
    Clock::Instant until;  // its time is over then
  };
  // Takes one that is about to be known as others are.
  using Wake = std::function<void(Sleeper)>;
  explicit SleepingOpens(Wake wake) : wake_(std::move(wake)) {}

  // Whether such a one can sleep: what is to be deleted, what has several states and what is found
  // by more than add() keeps cannot.
  static bool can_sleep(const PersistentOpen& open, const SeenFile& seen);
  // `record`: as read_open_record() takes it. REQUIRES: can_sleep(), also of all others of the
  // file.
  void add(const Sleeper& sleeper, std::string_view record);
  // The server stops. They stay in the log.
  void clear();
  std::unordered_map<const PersistentShare*, size_t> counts() const;

  void wake(const FileKey& file) override;
  void wake_where(const std::function<bool(std::string_view path)>& is) override;
  void wake_open(uint64_t persistent_id) override;
  void wake_named(const CreateKey& key) override;
  void wake_due(Clock::Instant now) override;
  std::optional<Clock::Instant> next_due() const override;
  size_t count() const override { return count_.load(std::memory_order_acquire); }
  size_t count_of(filestate::UserId user) const override;

 private:
  struct Asleep {
    std::string bytes;        // the record, and that of its lease
    uint32_t lease_size = 0;  // of these, 0: it has none
    FileKey file;
    uint64_t size = 0;
    FileTime write_time;
    Clock::Instant until;
    PersistentShare* of = nullptr;
    filestate::UserId user;
  };
  using Due = std::pair<Clock::Instant, uint64_t>;
  struct State {
    std::unordered_map<uint64_t, Asleep> opens;  // by FileId.Persistent
    std::unordered_multimap<FileKey, uint64_t> of_file;
    std::unordered_multimap<uint64_t, uint64_t> named;  // by the hash of the CreateKey
    // A heap, the first to expire at its front; also of some that do not sleep any more.
    std::vector<Due> due;
    std::unordered_map<filestate::UserId, size_t> of_user;
  };

  static Sleeper read(uint64_t id, const Asleep& asleep);
  // With the lock.
  void wake_file(State& state, const FileKey& file);
  void wake_one(State& state, uint64_t id);

  const Wake wake_;
  std::atomic<size_t> count_ = 0;  // is 0 when the last has been woken, not before
  Guarded<State, LockRank::kSleepers> state_;
};

}  // namespace braid::smb2
