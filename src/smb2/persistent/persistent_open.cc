#include "smb2/persistent/persistent_open.h"

#include <memory>
#include <vector>

#include "filestate/byte_range_locks.h"
#include "smb2/common/limits.h"
#include "smb2/persistent/values_walk.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

// What is written stays readable for ever: a member that comes later is taken from records of a
// version that has it.
class RecordOut : public ValuesOut {
 public:
  enum class What : uint8_t { kAll, kPromises };
  RecordOut(Bytes& bytes, uint16_t its_version, What what = What::kAll)
      : ValuesOut(bytes), version(its_version), what_(what) {
    number(its_version);
  }
  const uint16_t version;

  // No promise.
  template <class T>
  void passing(const T& value) {
    if (what_ == What::kAll) number(value);
  }
  void path(const vfs::Path& value) { text(value.text()); }
  void time(const std::chrono::milliseconds& value) {
    w_.u64(static_cast<uint64_t>(value.count()));
  }

 private:
  const What what_;
};

class RecordIn : public ValuesIn {
 public:
  explicit RecordIn(ByteView bytes) : ValuesIn(bytes) { number(version); }
  uint16_t version = 0;

  template <class T>
  void passing(T& value) {
    number(value);
  }
  void path(vfs::Path& value) {
    std::string spelled;
    text(spelled);
    auto parsed = vfs::parse_path(spelled, vfs::NameRules::kPosix);
    r_.expect(parsed.has_value() && parsed->path.text() == spelled);
    if (parsed) value = std::move(parsed->path);
  }
  void time(std::chrono::milliseconds& value) {
    const uint64_t count = r_.u64();
    r_.expect(count <= kPersistentTimeoutMax);
    value = std::chrono::milliseconds(count);
  }

 private:
  static constexpr uint64_t kPersistentTimeoutMax = 24u * 3600 * 1000;
};

// Of an open; without it everything is as before.
constexpr uint16_t kRecordVersionOfPosix = 2;
constexpr uint16_t kRecordVersionOfStamp = 3;

// What says that somebody is the same user, and whose share of things he takes.
template <class Io>
void walk_owner(Io& io, WalkOf<Io, std::shared_ptr<const auth::Identity>>& owner) {
  io.shared(owner, [&io](auto& user) {
    io.sid(user.user_sid);
    io.number(user.is_guest);
    io.number(user.is_anonymous);
    io.text(user.account_name);
    io.text(user.domain);
  });
}

template <class Io>
void walk_attributes(Io& io, WalkOf<Io, OpenAttributes>& values) {
  auto& [file_key, born, granted_access, share_access, create_options, create_disposition,
         file_attributes, is_directory, is_stream, maximal_access, create_action, is_posix] =
      values;
  io.number(file_key.inode);
  io.number(born);
  io.number(file_key.stream);
  io.number(granted_access);
  io.number(share_access);
  io.number(create_options);
  io.number(create_disposition);
  io.number(file_attributes);
  io.number(is_directory);
  io.number(is_stream);
  io.number(maximal_access);
  io.number(create_action);
  if (io.version >= kRecordVersionOfPosix) io.number(is_posix);
  io.expect(is_stream == (file_key.stream != 0) && !(is_stream && is_directory));
  io.expect(create_action <= wire::CreateAction::kOverwritten);
}

template <class Io>
void walk_values(Io& io, WalkOf<Io, OpenValues>& values) {
  auto& [file_id, attributes, names, owner, credentials, client_guid, user, lease_key,
         parent_lease_key] = values;
  io.number(file_id.persistent);
  walk_attributes(io, attributes);
  auto& [create_guid, app_instance_id, app_instance_version] = names;
  io.maybe(create_guid, [&io](auto& id) { io.id(id); });
  io.maybe(app_instance_id, [&io](auto& id) { io.id(id); });
  io.maybe(app_instance_version, [&io](auto& version) {
    io.number(version.app_instance_version_high);
    io.number(version.app_instance_version_low);
  });
  walk_owner(io, owner);
  io.expect(owner != nullptr);
  walk_credentials(io, credentials);
  io.expect(credentials != nullptr);
  io.id(client_guid);
  io.number(user.value);
  io.maybe(lease_key, [&io](auto& key) { io.id(key); });
  io.maybe(parent_lease_key, [&io](auto& key) { io.id(key); });
}

template <class Io>
void walk_changes(Io& io, WalkOf<Io, OpenChanges>& values) {
  auto& [durable_terms, path, is_modified, is_replay_eligible, time_rules, position, mode, next_ea,
         flush_error] = values;
  io.number(durable_terms.durability);
  io.time(durable_terms.timeout);
  io.expect(durable_terms.durability <= filestate::Durability::kPersistent);
  io.path(path);
  io.passing(is_modified);
  io.passing(is_replay_eligible);
  for (auto* const rule : {&time_rules.access, &time_rules.write, &time_rules.change}) {
    io.number(*rule);
    io.expect(*rule <= vfs::TimeRule::kMoves);
  }
  io.passing(position);
  io.passing(mode);
  io.passing(next_ea);
  io.number(flush_error);
}

template <class Io>
void walk_deleter(Io& io, WalkOf<Io, filestate::Deleter>& deleter) {
  io.shared(deleter, [&io](auto& each) {
    walk_credentials(io, each.who);
    io.expect(each.who != nullptr);
    io.text(each.share);
  });
}

template <class Io>
void walk_deletion(Io& io, WalkOf<Io, filestate::PendingDeletion>& deletion) {
  auto& [is_pending, by_posix, deleters] = deletion;
  io.number(is_pending);
  io.number(by_posix);
  std::vector<filestate::Deleter> all(deleters.begin(), deleters.end());
  io.list(all, filestate::Deleters::kMost, [&io](auto& each) { walk_deleter(io, each); });
  if constexpr (Io::kReads) {
    // Each is looked into, and has to be whole.
    for (const auto& each : all) {
      if (io.ok()) deleters.add(each);
    }
  }
}

bool is_level(filestate::OplockLevel level) {
  using enum filestate::OplockLevel;
  return level == kNone || level == kLevelII || level == kExclusive || level == kBatch ||
         level == kLease;
}

// What filestate alone knows.
template <class Io>
void walk_state(Io& io, WalkOf<Io, filestate::OpenImage>& state) {
  io.number(state.oplock);
  io.expect(is_level(state.oplock));
  io.maybe(state.lease, [&io](auto& lease) { io.id(lease.key); });
  io.expect(state.lease.has_value() == (state.oplock == filestate::OplockLevel::kLease));
  io.number(state.is_sole_name);
  walk_deletion(io, state.of_name);
  walk_deletion(io, state.of_stream);
  io.number(state.delete_on_close);
  io.number(state.deletes_by_posix);
  walk_deleter(io, state.deleter);
  io.list(state.locks, kPersistentLocksMax, [&io](auto& range) {
    io.number(range.offset);
    io.number(range.length);
    io.number(range.exclusive);
    io.expect(filestate::ByteRangeLocks::is_valid(range));
  });
  for (auto& number : state.lock_sequences) {
    io.maybe(number, [&io](auto& each) {
      io.number(each);
      io.expect(each <= 0xF);
    });
  }
}

template <class Io>
void walk(Io& io, WalkOf<Io, PersistentOpen>& open) {
  walk_values(io, open);
  walk_changes(io, open.changes);
  io.text(open.stream);
  io.expect(open.attributes.is_stream == !open.stream.empty());
  io.text(open.moving_to);
  io.passing(open.channel_sequence);
  if (io.version >= kRecordVersionOfStamp) {
    io.maybe(open.stamp, [&io](auto& stamp) {
      io.number(stamp.size);
      io.number(stamp.write_time.ticks);
    });
  }
  walk_state(io, open.state);
  io.expect(!open.attributes.is_directory || open.state.locks.empty());
}

template <class Io>
void walk(Io& io, WalkOf<Io, filestate::LeaseImage>& lease) {
  io.number(lease.state);
  io.expect(lease.state <= filestate::Caching::kReadWriteHandle);
  io.number(lease.version);
  io.expect(lease.version == 1 || lease.version == 2);
  io.number(lease.epoch);
  io.maybe(lease.parent_key, [&io](auto& key) { io.id(key); });
}

template <class Values>
Bytes record_of(const Values& values, uint16_t version) {
  Bytes bytes;
  RecordOut out(bytes, version);
  walk(out, values);
  return bytes;
}

template <class Values>
Result<Values> read_record(ByteView value, uint16_t newest) {
  RecordIn in(value);
  if (in.version > newest) return fail(Error::unsupported());
  in.expect(in.version != 0);
  Values values;
  walk(in, values);
  BRAID_CHECK(in.finish());
  return values;
}

Bytes key_of(RecordKind kind) { return {static_cast<uint8_t>(kind)}; }

}  // namespace

Bytes open_record_key(uint64_t persistent_id) {
  Bytes key = key_of(RecordKind::kOpen);
  wire::Writer(key).u64(persistent_id);
  return key;
}

std::optional<uint64_t> persistent_id_in(ByteView key) {
  if (kind_of_record(key) != RecordKind::kOpen) return std::nullopt;
  wire::Reader r(key.subspan(1));
  return r.u64();
}

Bytes lease_record_key(const PersistentOpen& open) {
  Bytes key = key_of(RecordKind::kLease);
  wire::Writer w(key);
  w.id128(open.client_guid);
  w.id128(open.state.lease->key);
  w.u64(open.user.value);
  w.u64(open.attributes.file_key.inode);
  w.u64(open.attributes.file_key.stream);
  return key;
}

std::optional<RecordKind> kind_of_record(ByteView key) {
  constexpr size_t kOpenKeySize = 1 + 8;
  if (key.empty()) return std::nullopt;
  const auto kind = static_cast<RecordKind>(key[0]);
  if (kind == RecordKind::kOpen && key.size() == kOpenKeySize) return kind;
  if (kind == RecordKind::kLease && key.size() == kLeaseRecordKeySize) return kind;
  return std::nullopt;
}

Bytes open_record_of(const PersistentOpen& open) {
  return record_of(open, open.stamp                 ? kRecordVersionOfStamp
                         : open.attributes.is_posix ? kRecordVersionOfPosix
                                                    : 1);
}

// The version without a stamp.
Bytes promises_of(const PersistentOpen& open) {
  Bytes bytes;
  RecordOut out(bytes, kRecordVersionOfPosix, RecordOut::What::kPromises);
  walk(out, open);
  if (open.state.lease) walk(out, *open.state.lease);
  return bytes;
}

Bytes lease_record_of(const filestate::LeaseImage& lease) {
  return record_of(lease, kLeaseRecordVersion);
}

Result<PersistentOpen> read_open_record(ByteView value) {
  BRAID_TRY(auto open, read_record<PersistentOpen>(value, kOpenRecordVersion));
  filestate::OpenImage& state = open.state;
  state.persistent_id = open.file_id.persistent;
  state.client = open.client_guid;
  state.user = open.user;
  state.access = open.attributes.granted_access;
  state.share = open.attributes.share_access;
  state.is_directory = open.attributes.is_directory;
  state.durability = open.changes.durable_terms.durability;
  return open;
}

Result<filestate::LeaseImage> read_lease_record(ByteView value) {
  return read_record<filestate::LeaseImage>(value, kLeaseRecordVersion);
}

}  // namespace braid::smb2
