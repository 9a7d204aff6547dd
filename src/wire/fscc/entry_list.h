// Lists whose entries start with NextEntryOffset.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// Walks a received list. Each step gives the bytes of one entry after its NextEntryOffset field, up
// to the next entry or the end of the buffer.
//
//   EntryListReader list(buffer, 4);
//   while (auto entry = list.next()) { Reader r(*entry); ... }
//   BRAID_CHECK(list.finish());
class EntryListReader {
 public:
  // `alignment` every NextEntryOffset must be a multiple of; 1 for none.
  EntryListReader(ByteView buffer, uint32_t alignment) : buffer_(buffer), alignment_(alignment) {}

  // False at the end or at the first fault. An offset that points backwards, into the entry's own
  // header or past the end is malformed, so a list cannot loop.
  bool next(ByteView& entry);
  // Where the entry last given began, counted from the start of the buffer.
  size_t entry_position() const { return entry_position_; }
  Result<void> finish() const {
    return ok_ ? Result<void>{} : Result<void>(std::unexpected(error_));
  }

 private:
  ByteView buffer_;
  uint32_t alignment_;
  size_t position_ = 0;
  size_t entry_position_ = 0;
  bool done_ = false;
  bool ok_ = true;
  Error error_ = Error::malformed();
};

// Builds a list within a size limit. begin() aligns and links the previous entry to the one that
// comes; end() takes the entry back if it went over the limit and unlinks it.
//
//   EntryListWriter list(out, limit, 8);
//   list.begin(); ...encode the rest of the entry with list.writer()...; if (!list.end()) stop;
class EntryListWriter {
 public:
  EntryListWriter(Bytes& out, size_t limit, uint32_t alignment)
      : writer_(out), limit_(limit), alignment_(alignment) {}

  // Writes padding and NextEntryOffset.
  void begin();
  // False if the entry did not fit and was taken back.
  bool end();

  Writer& writer() { return writer_; }
  size_t size() const { return writer_.position(); }
  size_t count() const { return count_; }
  // Where the last entry that fitted begins: a caller that limits an entry's life patches there.
  size_t last_entry() const { return last_; }

 private:
  Writer writer_;
  size_t limit_;
  uint32_t alignment_;
  size_t last_ = 0;
  size_t before_ = 0;
  size_t current_ = 0;
  size_t count_ = 0;
};

}  // namespace braid::wire
