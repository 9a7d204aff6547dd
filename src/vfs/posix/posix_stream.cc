#include "vfs/posix/posix_stream.h"

#include <algorithm>
#include <cstring>

#include "base/serving_term.h"
#include "vfs/copy.h"
#include "vfs/names.h"
#include "vfs/posix/kept_times.h"
#include "vfs/posix/side_move.h"
#include "vfs/posix/space.h"

namespace braid::vfs {

PosixStream::PosixStream(PosixContextRef context, Credentials who, std::unique_ptr<PosixFile> base,
                         int base_fd, std::shared_ptr<StreamName> name, bool writable)
    : context_(std::move(context)),
      who_(std::move(who)),
      base_(std::move(base)),
      base_fd_(base_fd),
      name_(std::move(name)),
      writable_(writable) {}

FileKey PosixStream::key() const {
  FileKey key = base_->key();
  const MetadataLock lock(*context_, key);
  key.stream = stream_key(name_->text());
  return key;
}

template <class Work>
Result<int> PosixStream::reach(StreamLock& held, Work while_inline) {
  BRAID_CHECK(held.status());
  SideMove move(*context_, base_fd_, who_);
  while (!side_) {
    BRAID_TRY(const StreamRef stream, find_stream(*context_, base_fd_, name_->text()));
    if (!stream.side) {
      BRAID_TRY(const bool done, while_inline());
      if (done) return kInline;
    }
    BRAID_TRY(UniqueFd file, move.take(held, name_->text()));
    if (file) side_ = std::move(file);
  }
  held.let_go();
  return side_.get();
}

Result<uint64_t> PosixStream::inline_size() {
  BRAID_TRY(const StreamInfo info, stream_info(*context_, base_fd_, {name_->text(), false}));
  return info.size;
}

Result<Attributes> PosixStream::stat() {
  BRAID_TRY(Attributes attributes, base_->stat());
  StreamLock held(*context_, who_, base_->key());
  attributes.key.stream = stream_key(name_->text());
  BRAID_TRY(const int file, reach(held, [&]() -> Result<bool> {
              BRAID_TRY(attributes.size, inline_size());
              attributes.allocation_size = attributes.size;
              return true;
            }));
  if (file != kInline) {
    BRAID_TRY(const struct statx st, stat_of(file));
    attributes.size = st.stx_size;
    attributes.allocation_size = allocated_bytes(st);
    // A write is noted in the file after it was done.
    attributes.changed = std::max(attributes.changed, time_of(st.stx_ctime));
  }
  attributes.kind = Kind::kFile;
  attributes.dos_attributes &= ~dos::kDirectory;
  if (attributes.dos_attributes == 0) attributes.dos_attributes = dos::kNormal;
  return attributes;
}

Result<size_t> PosixStream::read(uint64_t offset, MutableByteView into, Wait wait) {
  if (wait == Wait::kNever) return fail_os(EAGAIN);
  StreamLock held(*context_, who_, base_->key());
  size_t done = 0;
  BRAID_TRY(const int file, reach(held, [&]() -> Result<bool> {
              BRAID_TRY(const Bytes content, load_inline(base_fd_, name_->text()));
              if (offset >= content.size()) return true;
              done = std::min<uint64_t>(into.size(), content.size() - offset);
              std::memcpy(into.data(), content.data() + offset, done);
              return true;
            }));
  if (file == kInline) return done;
  while (done < into.size()) {
    const ssize_t got =
        ::pread(file, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_last_os();
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<bool> PosixStream::store(ByteView content) {
  const auto stored = store_inline(*context_, base_fd_, name_->text(), content);
  if (stored) return true;
  if (!stored.error().is_os(ENOSPC)) return fail(stored.error());
  return false;
}

Progress PosixStream::write(uint64_t offset, std::span<const ByteView> pieces) {
  if (!writable_) return fail_os(EBADF);
  const KeptTimes kept(*base_, KeptTimes::Operation::kData);
  const Progress written = put(offset, pieces);
  if (written.done() == 0) return written;
  const auto noted = base_->note_modified();
  return written && !noted ? Progress(written.done(), noted.error()) : written;
}

Progress PosixStream::put(uint64_t offset, std::span<const ByteView> pieces) {
  Bytes bytes;
  for (const ByteView piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  const bool fits = bytes.size() <= context_->inline_stream_max &&
                    offset <= context_->inline_stream_max - bytes.size();
  StreamLock held(*context_, who_, base_->key());
  BRAID_TRY(const int file, reach(held, [&]() -> Result<bool> {
              if (!fits) return false;
              BRAID_TRY(Bytes content, load_inline(base_fd_, name_->text()));
              content.resize(std::max<size_t>(content.size(), offset + bytes.size()));
              std::ranges::copy(bytes, content.begin() + static_cast<ptrdiff_t>(offset));
              return store(content);
            }));
  if (file == kInline) return bytes.size();
  const ScopedUser user(who_);
  BRAID_CHECK(user.status());
  size_t done = 0;
  while (done < bytes.size()) {
    check_serving_term();
    const ssize_t put =
        ::pwrite(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return {done, Error::last_os_error()};
    done += static_cast<size_t>(put);
  }
  return done;
}

Result<void> PosixStream::resize(uint64_t size) {
  StreamLock held(*context_, who_, base_->key());
  BRAID_TRY(const int file, reach(held, [&]() -> Result<bool> {
              if (size > context_->inline_stream_max) return false;
              BRAID_TRY(Bytes content, load_inline(base_fd_, name_->text()));
              content.resize(size);
              return store(content);
            }));
  if (file == kInline) return {};
  const ScopedUser user(who_);
  BRAID_CHECK(user.status());
  if (::ftruncate(file, static_cast<off_t>(size)) != 0) return fail_last_os();
  return {};
}

Result<void> PosixStream::truncate(uint64_t size) {
  if (!writable_) return fail_os(EBADF);
  const KeptTimes kept(*base_, KeptTimes::Operation::kData);
  BRAID_CHECK(resize(size));
  return base_->note_modified();
}

Result<void> PosixStream::allocate(uint64_t size) {
  if (!writable_) return fail_os(EBADF);
  StreamLock held(*context_, who_, base_->key());
  // Room for an attribute cannot be reserved: only a file can have more than its bytes take.
  BRAID_TRY(const int file, reach(held, [&]() -> Result<bool> {
              BRAID_TRY(const uint64_t now, inline_size());
              return size <= now;
            }));
  if (file == kInline) return {};
  const ScopedUser user(who_);
  BRAID_CHECK(user.status());
  return reserve(file, size, who_->uid == 0);
}

Result<void> PosixStream::flush(Durability) {
  StreamLock held(*context_, who_, base_->key());
  // Another open may have moved it out meanwhile.
  BRAID_TRY(const int file, reach(held, [] { return Result<bool>(true); }));
  held.let_go();
  if (file != kInline && context_->options.sync_data(file) != 0) return fail_last_os();
  // The attributes are part of the file's metadata, what names the side file among them.
  BRAID_TRY(const UniqueFd base, reopen_to_look(base_fd_));
  if (context_->options.sync(base.get()) != 0) return fail_last_os();
  return {};
}

Result<std::vector<Range>> PosixStream::allocated_ranges(Range within, size_t max) {
  StreamLock held(*context_, who_, base_->key());
  std::vector<Range> out;
  BRAID_TRY(
      const int file, reach(held, [&]() -> Result<bool> {
        BRAID_TRY(const uint64_t end, inline_size());
        if (within.offset < end && max > 0) {
          out.push_back({within.offset, std::min<uint64_t>(within.length, end - within.offset)});
        }
        return true;
      }));
  if (file != kInline) return data_ranges(file, within, max);
  return out;
}

Result<void> PosixStream::zero_range(Range range) {
  if (!writable_) return fail_os(EBADF);
  const KeptTimes kept(*base_, KeptTimes::Operation::kData);
  BRAID_CHECK(zero(range));
  return base_->note_modified();
}

Result<void> PosixStream::zero(Range range) {
  if (range.length == 0) return {};
  {
    StreamLock held(*context_, who_, base_->key());
    BRAID_TRY(const int file, reach(held, [&]() -> Result<bool> {
                BRAID_TRY(Bytes content, load_inline(base_fd_, name_->text()));
                if (range.offset >= content.size()) return true;
                std::memset(content.data() + range.offset, 0,
                            std::min<uint64_t>(range.length, content.size() - range.offset));
                BRAID_CHECK(store_inline(*context_, base_fd_, name_->text(), content));
                return true;
              }));
    if (file == kInline) return {};
    BRAID_TRY(const struct statx st, stat_of(file));
    if (range.offset >= st.stx_size) return {};
    range.length = std::min<uint64_t>(range.length, st.stx_size - range.offset);
    const ScopedUser user(who_);
    BRAID_CHECK(user.status());
    BRAID_TRY(const bool punched, punch(file, range));
    if (punched) return {};
  }
  const Bytes zeros(std::min<uint64_t>(range.length, 64 * 1024));
  for (uint64_t done = 0; done < range.length;) {
    const ByteView piece =
        ByteView(zeros).first(std::min<uint64_t>(range.length - done, zeros.size()));
    BRAID_TRY(const uint64_t written, put(range.offset + done, std::span(&piece, 1)));
    done += written;
  }
  return {};
}

Progress PosixStream::copy_range(File& source, uint64_t source_offset, uint64_t offset,
                                 uint64_t length) {
  return copy_through_memory(source, source_offset, *this, offset, length);
}

}  // namespace braid::vfs
