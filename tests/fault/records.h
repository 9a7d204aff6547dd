// Numbered, checksummed records, written and read in one file that stays open.
#pragma once

#include "context.h"
#include "runtime/task_scope.h"

namespace braid::fault {

// Life: open(), run() until the context stops, finish(). A slot holds one record; each write of it
// is the next generation, so that one that comes too late shows.
class RecordFile {
 public:
  RecordFile(Context& context, uint32_t number, size_t record_size);

  Task<bool> open();
  void run(TaskScope& scope);
  // The handle must still work. Then closes it and says what the file must hold.
  Task<void> finish();
  // Takes back the caching that a break took: opens with the same lease key.
  const LeaseKey& lease_key() const { return lease_key_; }

 private:
  static constexpr uint32_t kSlots = 24;
  static constexpr uint32_t kWriters = 3;

  wire::CreateRequest create_request(wire::CreateDisposition disposition) const;
  Task<void> write_and_read(uint32_t writer);
  Task<void> regain_lease();
  Task<bool> write(uint32_t slot);
  Task<bool> read(uint32_t slot);
  Bytes record(uint32_t slot) const;

  Context& context_;
  const uint32_t number_;
  const size_t record_size_;
  const std::string name_;
  LeaseKey lease_key_;
  client::FilePtr file_;
  std::vector<uint64_t> generations_ = std::vector<uint64_t>(kSlots, 0);
};

}  // namespace braid::fault
