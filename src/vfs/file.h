// File: one open file, directory or stream.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/result.h"
#include "vfs/attributes.h"
#include "vfs/path.h"
#include "vfs/time_rules.h"

namespace braid::vfs {

// kNever: fail with EAGAIN rather than wait for the disk; what a reactor thread asks for, of
// read() only. A back end that cannot tell fails so too.
enum class Wait : uint8_t { kAllowed, kNever };
enum class Durability : uint8_t { kData, kDataAndMetadata };
// Whose rights an extended attribute is reached with: the opener's, or the server's for attributes
// that are the server's own book-keeping (security descriptors).
enum class Actor : uint8_t { kOpener, kServer };

struct Range {
  uint64_t offset = 0;
  uint64_t length = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

// How far a write or a copy came: all the way, or some bytes and then an error. What was done stays
// done, and who watches the file has to hear of it.
class [[nodiscard]] Progress {
 public:
  Progress(uint64_t done) : done_(done) {}
  Progress(uint64_t done, const Error& error) : done_(done), error_(error) {}
  Progress(const std::unexpected<Error>& nothing_done) : error_(nothing_done.error()) {}

  // Bytes, whatever followed.
  uint64_t done() const { return done_; }
  // As Result.
  explicit operator bool() const { return !error_; }
  const Error& error() const { return *error_; }
  uint64_t operator*() const { return done_; }
  uint64_t value() const {
    assert(!error_);
    return done_;
  }

 private:
  uint64_t done_ = 0;
  std::optional<Error> error_;
};

struct Space {
  uint32_t block_size = 4096;
  uint64_t total_blocks = 0;
  uint64_t free_blocks = 0;
  uint64_t available_blocks = 0;  // to the caller, without what is reserved for root
  uint64_t total_nodes = 0;       // of files; 0 where the file system makes them as it needs them
  uint64_t free_nodes = 0;
  uint32_t transfer_size = 4096;  // that it works best with
};

struct DirectoryEntry {
  std::string name;  // as the client sees it (names.h)
  Attributes attributes;
  std::string disk_name{};  // as on disk, where that is another one
};

// A walk through a directory. Owned by the Open that lists. Thread: one at a time.
class Enumeration {
 public:
  // Called with each name before anything else is looked up about it.
  using NameFilter = std::function<bool(std::string_view client_name)>;

  virtual ~Enumeration() = default;
  // Looks at up to `max` more names, "." and ".." first, and appends those for which `wanted`
  // (null: all) is true; so the time it takes is bounded whatever is wanted. False: there are no
  // more. A name that vanished meanwhile is left out.
  virtual Result<bool> next(size_t max, const NameFilter& wanted,
                            std::vector<DirectoryEntry>& out) = 0;
  // Starts over and sees what changed since.
  virtual Result<void> restart() = 0;
  // What the directory itself has by this name, wherever it is now and whether or not the user may
  // search it: as next() shows it. Names match as in Volume::lookup(). EINPROGRESS: not all of it
  // is read yet, ask again.
  virtual Result<std::optional<DirectoryEntry>> find(std::string_view client_name) = 0;
  // The attributes of what next() or find() gave, as they are now. False: the name is gone.
  virtual bool refresh(DirectoryEntry& entry) = 0;
  // Where the next name is looked for, until restart(); and back there, when nobody has got what
  // next() gave since. Neither touches the disk.
  struct Position {
    uint64_t dots = 0;
    int64_t offset = 0;
  };
  virtual Position position() const = 0;
  virtual void go_back(const Position& position) = 0;
};

struct StreamInfo {
  std::string name;  // without ":" and type
  uint64_t size = 0;
  uint64_t allocation_size = 0;
};

// What a named stream is called, as it is now: one for all opens of the stream in this process,
// whoever renames it. Thread: any.
class StreamName {
 public:
  explicit StreamName(std::string name) : name_(std::move(name)) {}
  std::string text() const { return name_.lock()->text; }
  void set(std::string_view name) { name_.lock()->text = name; }
  // The stream is gone: one that is called so from now on is another.
  void end() { name_.lock()->is_gone = true; }
  bool is_gone() const { return name_.lock()->is_gone; }

 private:
  struct Name {
    explicit Name(std::string spelled) : text(std::move(spelled)) {}
    std::string text;
    bool is_gone = false;
  };
  mutable Guarded<Name> name_;
};

struct StreamHow {
  enum class Disposition : uint8_t { kOpen, kCreate, kOpenOrCreate };
  Disposition disposition = Disposition::kOpen;
  bool write = false;
  bool truncate = false;
  bool was_granted = false;  // as OpenHow
  // Of a stream that is made: the room that is reserved for it before anybody can open it, as with
  // allocate(). Without that room it is not made.
  uint64_t allocation = 0;
};

// What Volume::open gives. It acts as the user it was opened for, on whatever thread calls; each
// call takes that identity first and may block, so that none is for a reactor but a read() that
// never waits: assume() sees to it, and the volume in memory that tests use. Owned by the Open.
// Thread: any, several at once. Life: the destructor closes; errors of delayed writes come from
// flush(), not from it.
//
// Errors: Fault::kOs with the errno a Linux file system would give. EBADF when the file was opened
// without the access an operation needs; EOPNOTSUPP when the backing store lacks it.
class File {
 public:
  virtual ~File() = default;

  virtual FileKey key() const = 0;
  virtual bool is_directory() const = 0;
  // Whether stat() waits for no disk, as things stand; within a ScopedAtOnce, where it never does,
  // whether it is not EAGAIN. Thread: reactors too, here and below.
  virtual bool is_examined_at_once() { return false; }
  // Whether closing it waits for no disk, as things stand.
  virtual bool ends_at_once() { return false; }
  // 100 ns times.
  virtual Result<Attributes> stat() = 0;
  // All or, on an error, some of the changes. Allowed to the owner and to who may write the file.
  virtual Result<void> change(const AttributesChange& change) = 0;
  // Which times what is done through this File moves, from now on. A back end that cannot keep a
  // time lets it move.
  virtual void set_time_rules(const TimeRules& rules) { (void)rules; }
  // [MS-FSA] 2.1.4.17 "Algorithm for Noting That a File Modification Time is Updated", where
  // nothing else was done to the file. Allowed to who may write it.
  virtual Result<void> note_modified() = 0;
  // As the server: the caller has decided that the user may. What is empty stays.
  virtual Result<void> change_owner(std::optional<uid_t> uid, std::optional<gid_t> gid) {
    return change({.uid = uid, .gid = gid});
  }

  // Bytes read; 0 at and beyond the end.
  virtual Result<size_t> read(uint64_t offset, MutableByteView into,
                              Wait wait = Wait::kAllowed) = 0;
  // Writes everything, or what came before an error. The first write sets ARCHIVE.
  virtual Progress write(uint64_t offset, std::span<const ByteView> pieces) = 0;
  Progress write(uint64_t offset, ByteView bytes) {
    return write(offset, std::span<const ByteView>(&bytes, 1));
  }
  // The same where it waits for nothing as things stand; what a reactor asks for. EAGAIN, and
  // nothing is written: it might wait. Always so on a disk: a file system that is being frozen lets
  // no writer in, whatever flags the writer has given. REQUIRES few bytes.
  virtual Progress write_at_once(uint64_t offset, ByteView bytes) {
    (void)offset, (void)bytes;
    return fail_os(EAGAIN);
  }
  virtual Result<void> truncate(uint64_t size) = 0;
  // Reserves blocks up to `size` bytes without changing the size or the write time; gives back
  // those beyond. ENOSPC: nothing was taken. REQUIRES that nobody else of this process writes the
  // file meanwhile.
  virtual Result<void> allocate(uint64_t size) = 0;
  // Whatever it was opened for, a directory too. EIO, ENOSPC and EDQUOT may tell of what was
  // written through any open of the file, and the kernel tells it once: smb2/opens/sync.h
  // remembers.
  virtual Result<void> flush(Durability durability) = 0;

  // Data ranges within `within`, at most `max`, in order; a file without holes is one range.
  virtual Result<std::vector<Range>> allocated_ranges(Range within, size_t max) = 0;
  // Makes the range read as zeros, as a hole where possible; never grows the file.
  virtual Result<void> zero_range(Range range) = 0;
  // Copies within the server; without an error the count is short only at the end of `source`.
  virtual Progress copy_range(File& source, uint64_t source_offset, uint64_t offset,
                              uint64_t length) = 0;
  // Shares blocks instead of copying. EOPNOTSUPP where the file system cannot; EINVAL when the
  // range is not in whole clusters; EXDEV across file systems.
  virtual Result<void> clone_range(File& source, uint64_t source_offset, uint64_t offset,
                                   uint64_t length) = 0;

  // Whether the file system packs what is written from now on; for a directory, what is made in it.
  // Attributes show it. EOPNOTSUPP unless Features::compression.
  virtual Result<void> set_compressed(bool compressed) {
    (void)compressed;
    return fail_os(EOPNOTSUPP);
  }

  // REQUIRES a directory opened with DataAccess::read. kPosix: names as they are on disk.
  virtual Result<std::unique_ptr<Enumeration>> enumerate(NameRules rules = NameRules::kWindows) = 0;
  // Whether a directory has no entries, whatever it was opened for and the user may: as the server.
  // ENOTDIR.
  virtual Result<bool> is_empty() { return fail_os(ENOTDIR); }
  // Target of a symbolic link, as stored. EINVAL for anything else.
  virtual Result<std::string> read_link() = 0;

  // Extended attributes by their full Linux name ("user.x"). ENODATA when absent; EPERM for names
  // outside user. and system.posix_acl_ with Actor::kOpener.
  virtual Result<Bytes> get_xattr(std::string_view name, Actor actor = Actor::kOpener) = 0;
  virtual Result<void> set_xattr(std::string_view name, ByteView value,
                                 Actor actor = Actor::kOpener) = 0;
  virtual Result<void> remove_xattr(std::string_view name, Actor actor = Actor::kOpener) = 0;
  virtual Result<std::vector<std::string>> list_xattrs(Actor actor = Actor::kOpener) = 0;
  // For what is read, changed and written back in more calls than one: runs `change`, which may
  // call this file, while no other thread of any process of the server does so for it or a stream
  // of it. Local programs are not kept away. REQUIRES that `change` calls no other file.
  virtual Result<void> exclusively(const std::function<Result<void>()>& change) = 0;

  // Named streams; the unnamed one is the file itself. Names match without regard to case.
  // ENOENT, EEXIST (kCreate; rename without replace), ENOTSUP as Features::streams says.
  virtual Result<std::vector<StreamInfo>> streams() = 0;
  // Of a stream; null for the file itself.
  virtual std::shared_ptr<const StreamName> stream_name() const { return nullptr; }
  virtual Result<std::unique_ptr<File>> open_stream(std::string_view name,
                                                    const StreamHow& how) = 0;
  virtual Result<void> remove_stream(std::string_view name) = 0;
  // Every open of the stream `from` in this process follows the new name.
  virtual Result<void> rename_stream(std::string_view from, std::string_view to, bool replace) = 0;

  // The space of the file system that the file is on, which a mount below the share's root makes
  // another one than the share's.
  virtual Result<Space> space() = 0;
  // Whether the file system keeps checksums of what is written to the file. EOPNOTSUPP where it
  // knows none.
  virtual Result<bool> has_checksums() { return fail_os(EOPNOTSUPP); }

  // For Volume::adopt() in another process, which gets a duplicate of it; -1 where there is none.
  // The file's until it is closed.
  virtual int descriptor() const { return -1; }

  // Whether its file system is mounted so that nothing on it can change.
  virtual Result<bool> is_read_only() { return false; }
};

}  // namespace braid::vfs
