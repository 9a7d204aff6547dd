#include "smb2/persistent/handed_open.h"

#include <cerrno>
#include <utility>
#include <vector>

#include "filestate/byte_range_locks.h"
#include "smb2/opens/preserved_open_codec.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

constexpr uint64_t kHandedTimeMax = 24u * 3600 * 1000;  // milliseconds
constexpr size_t kHandedLockSize = 8 + 8 + 1;

void put_bytes(wire::Writer& w, ByteView bytes) {
  w.u32(static_cast<uint32_t>(bytes.size()));
  w.bytes(bytes);
}
ByteView get_bytes(wire::Reader& r) {
  const uint32_t size = r.u32();
  return r.bytes(size);
}
bool get_flag(wire::Reader& r) {
  const uint8_t byte = r.u8();
  r.expect(byte <= 1);
  return byte == 1;
}

// Beside the record: that has fewer than an open may hold which is in no log.
void put_locks(wire::Writer& w, const std::vector<filestate::LockRange>& locks) {
  w.u32(static_cast<uint32_t>(locks.size()));
  for (const filestate::LockRange& each : locks) {
    w.u64(each.offset);
    w.u64(each.length);
    w.u8(each.exclusive);
  }
}
void get_locks(wire::Reader& r, std::vector<filestate::LockRange>& locks) {
  const uint32_t count = r.u32();
  r.expect(uint64_t{count} * kHandedLockSize <= r.remaining());
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    filestate::LockRange& each = locks.emplace_back();
    each.offset = r.u64();
    each.length = r.u64();
    each.exclusive = get_flag(r);
    r.expect(filestate::ByteRangeLocks::is_valid(each));
  }
}

}  // namespace

std::optional<HandedOpen> handed_open_of(const filestate::FileTable& file_table,
                                         const PreservedOpen& open,
                                         std::chrono::milliseconds left) {
  HandedOpen handed{.share = open.share->name,
                    .real_path = open.share->real_path,
                    .device = open.attributes.file_key.device,
                    .left = left,
                    .size = open.size,
                    .write_time = open.write_time,
                    .has_descriptor = descriptor_of(open) >= 0,
                    .open = {}};
  static_cast<OpenValues&>(handed.open) = open;
  handed.open.changes = open.changes;
  handed.open.stream = open.stream_name();
  if (!take_image(file_table, *open.share, handed.open)) return std::nullopt;
  return handed;
}

std::optional<HandedOpen> handed_open_of(const filestate::FileTable& file_table, const Open& open) {
  auto persistent = persistent_open_of(file_table, open);
  const vfs::File* const named = open.base_file ? open.base_file.get() : open.file.get();
  const auto attributes = open.file->stat();
  if (!persistent || !attributes) return std::nullopt;
  const Share& share = *open.tree_connect->share;
  return HandedOpen{.share = share.name,
                    .real_path = share.real_path,
                    .device = open.attributes.file_key.device,
                    .left = {},
                    .size = attributes->size,
                    .write_time = attributes->write_time,
                    .has_descriptor = named->descriptor() >= 0,
                    .open = *std::move(persistent)};
}

Bytes encode(const HandedOpen& handed) {
  Bytes bytes;
  wire::Writer w(bytes);
  w.u16(kHandedOpenVersion);
  put_bytes(w, as_bytes(handed.share));
  put_bytes(w, as_bytes(handed.real_path));
  w.u64(handed.device);
  w.u64(static_cast<uint64_t>(handed.left.count()));
  w.u64(handed.size);
  w.file_time(handed.write_time);
  w.u8(handed.has_descriptor);
  PersistentOpen open = handed.open;
  put_locks(w, open.state.locks);
  open.state.locks.clear();
  put_bytes(w, open_record_of(open));
  w.u8(open.state.lease.has_value());
  if (open.state.lease) put_bytes(w, lease_record_of(*open.state.lease));
  return bytes;
}

Result<HandedOpen> decode_handed_open(ByteView bytes) {
  wire::Reader r(bytes);
  const uint16_t version = r.u16();
  if (r.ok() && version > kHandedOpenVersion) return fail(Error::unsupported());
  r.expect(version != 0);
  HandedOpen handed;
  handed.share = as_text(get_bytes(r));
  handed.real_path = as_text(get_bytes(r));
  handed.device = r.u64();
  const uint64_t left = r.u64();
  r.expect(left <= kHandedTimeMax);
  handed.left = std::chrono::milliseconds(left);
  handed.size = r.u64();
  handed.write_time = r.file_time();
  handed.has_descriptor = get_flag(r);
  std::vector<filestate::LockRange> locks;
  get_locks(r, locks);
  const ByteView record = get_bytes(r);
  const bool has_lease = get_flag(r);
  const ByteView lease = has_lease ? get_bytes(r) : ByteView();
  r.expect(r.remaining() == 0);
  if (!r.ok()) return std::unexpected(r.error());

  BRAID_TRY(handed.open, read_open_record(record));
  filestate::OpenImage& state = handed.open.state;
  const bool is_whole = state.locks.empty() && state.lease.has_value() == has_lease &&
                        (locks.empty() || !handed.open.attributes.is_directory);
  if (!is_whole) return fail(Error::malformed());
  state.locks = std::move(locks);
  if (has_lease) {
    const LeaseKey key = state.lease->key;
    BRAID_TRY(state.lease, read_lease_record(lease));
    state.lease->key = key;
  }
  return handed;
}

namespace {

// With its files, which `descriptor` is of.
Result<PreservedOpen> adopt(const RestoreParts& parts, std::shared_ptr<const Share> share,
                            HandedOpen& handed, UniqueFd descriptor) {
  PreservedOpen preserved;
  static_cast<OpenValues&>(preserved) = std::move(static_cast<OpenValues&>(handed.open));
  preserved.changes = std::move(handed.open.changes);
  preserved.share = std::move(share);
  preserved.size = handed.size;
  preserved.write_time = handed.write_time;
  preserved.attributes.file_key.device = handed.device;
  const OpenAttributes& attributes = preserved.attributes;
  BRAID_TRY(preserved.descriptors, parts.fds.take_files(*preserved.owner));
  if (!attributes.is_directory && !attributes.is_stream) preserved.descriptors.keep(1);
  BRAID_CHECK(adopt_files(preserved, std::move(descriptor), handed.open.stream));
  // It may have persistent opens, too.
  parts.file_table.wake(preserved.file->key());
  return preserved;
}

}  // namespace

Result<filestate::OpenRef> take_handed(const RestoreParts& parts,
                                       std::shared_ptr<const Share> share, HandedOpen handed,
                                       UniqueFd descriptor) {
  if (!descriptor) return restore_open(parts, std::move(share), std::move(handed.open));
  BRAID_TRY(auto preserved, adopt(parts, std::move(share), handed, std::move(descriptor)));
  const FileKey key = preserved.file->key();
  return put_back(parts, std::move(preserved), std::move(handed.open.state), key,
                  parts.clock.monotonic() + handed.left);
}

Result<TakenOpen> take_held(const RestoreParts& parts, std::shared_ptr<const Share> share,
                            HandedOpen handed, UniqueFd descriptor, filestate::OpenToken token) {
  if (!descriptor) return fail_os(EMFILE);
  BRAID_TRY(auto preserved, adopt(parts, std::move(share), handed, std::move(descriptor)));
  preserved.file_id.volatile_id = token.value;
  const filestate::OpenImage before = handed.open.state;
  BRAID_CHECK(
      have_in_filestate(parts, preserved, std::move(handed.open.state), preserved.file->key()));
  const auto now = parts.file_table.image_of(preserved.ref());
  const bool is_as_it_was = now && now->oplock == before.oplock &&
                            (!before.lease || now->lease->state == before.lease->state);
  return TakenOpen{.open = std::move(preserved),
                   .channel_sequence = handed.open.channel_sequence,
                   .is_as_it_was = is_as_it_was};
}

}  // namespace braid::smb2
