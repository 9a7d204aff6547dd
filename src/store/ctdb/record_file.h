// RecordFile: a node's part of a volatile database, which ctdbd shares with its clients.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "store/ctdb/packets.h"

struct tdb_context;

namespace braid::store::ctdb {

struct StoredRecord {
  RecordHeader header;
  Bytes data;
};

// Records share locks. ctdbd moves no record whose lock a client holds, and no recovery ends
// before it is free: nobody keeps one longer than it takes to look and to write.
// Thread: one.
class RecordFile {
 public:
  virtual ~RecordFile() = default;
  // False: another process has it, for a moment.
  virtual Result<bool> try_lock(ByteView key) = 0;
  virtual void unlock(ByteView key) = 0;
  // REQUIRES: locked. Nothing: it was never here. Malformed: it is not what ctdbd keeps.
  virtual Result<std::optional<StoredRecord>> read(ByteView key) = 0;
  virtual Result<void> write(ByteView key, const RecordHeader& header, ByteView data) = 0;
};

// The file itself, a TDB. A process that is killed while it writes leaves it damaged, for ctdbd and
// for every other client of the node: only a process that does nothing else may open one.
class TdbFile final : public RecordFile {
 public:
  // The library tries once whether it may use mutexes, with a process that it forks: before this
  // one has given up what that takes.
  static void prepare();
  // As ctdbd says (Client::file_of), whose file it is: an error if it has none open.
  static Result<std::unique_ptr<TdbFile>> open(const std::string& path, uint32_t tdb_flags);
  ~TdbFile() override;

  Result<bool> try_lock(ByteView key) override;
  void unlock(ByteView key) override;
  Result<std::optional<StoredRecord>> read(ByteView key) override;
  Result<void> write(ByteView key, const RecordHeader& header, ByteView data) override;

 private:
  explicit TdbFile(tdb_context* tdb) : tdb_(tdb) {}

  tdb_context* tdb_;
};

}  // namespace braid::store::ctdb
