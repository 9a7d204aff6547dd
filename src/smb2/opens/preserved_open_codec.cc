#include "smb2/opens/preserved_open_codec.h"

#include <fcntl.h>

#include <cerrno>
#include <concepts>
#include <tuple>
#include <type_traits>

#include "filestate/credentials_codec.h"
#include "smb2/workers/worker_messages.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// One kind of value each; all others are made of members.
template <class T>
  requires std::integral<T> || std::is_enum_v<T>
void put(wire::Writer& w, T value) {
  if constexpr (sizeof(T) == 1) {
    w.u8(static_cast<uint8_t>(value));
  } else if constexpr (sizeof(T) == 4) {
    w.u32(static_cast<uint32_t>(value));
  } else {
    static_assert(sizeof(T) == 8);
    w.u64(static_cast<uint64_t>(value));
  }
}

template <class T>
  requires std::integral<T> || std::is_enum_v<T>
void get(wire::Reader& r, T& value) {
  if constexpr (sizeof(T) == 1) {
    value = static_cast<T>(r.u8());
  } else if constexpr (sizeof(T) == 4) {
    value = static_cast<T>(r.u32());
  } else {
    value = static_cast<T>(r.u64());
  }
}

void get(wire::Reader& r, filestate::Durability& value) {
  value = r.as<filestate::Durability>();
  r.expect(value <= filestate::Durability::kPersistent);
}

void get(wire::Reader& r, vfs::TimeRule& value) {
  value = r.as<vfs::TimeRule>();
  r.expect(value <= vfs::TimeRule::kMoves);
}

template <class Tag>
void put(wire::Writer& w, const Id128<Tag>& id) {
  w.id128(id);
}
template <class Tag>
void get(wire::Reader& r, Id128<Tag>& id) {
  id = r.id128<Id128<Tag>>();
}

void put(wire::Writer& w, const FileId& id) { w.file_id(id); }
void get(wire::Reader& r, FileId& id) { id = r.file_id(); }

void put(wire::Writer& w, filestate::UserId user) { w.u64(user.value); }
void get(wire::Reader& r, filestate::UserId& user) { user = {r.u64()}; }

void put(wire::Writer& w, std::chrono::milliseconds time) {
  w.u64(static_cast<uint64_t>(time.count()));
}
void get(wire::Reader& r, std::chrono::milliseconds& time) {
  time = std::chrono::milliseconds(static_cast<int64_t>(r.u64()));
}

void put(wire::Writer& w, const std::shared_ptr<const auth::Identity>& user) {
  w.u8(user != nullptr);
  if (user) encode_user(*user, w);
}
void get(wire::Reader& r, std::shared_ptr<const auth::Identity>& user) {
  if (r.u8() != 0) user = std::make_shared<const auth::Identity>(decode_user(r));
}

void put(wire::Writer& w, const Credentials& credentials) {
  filestate::encode_credentials(credentials, w);
}
void get(wire::Reader& r, Credentials& credentials) {
  credentials = filestate::decode_credentials(r);
  r.expect(credentials != nullptr);
}

void put(wire::Writer& w, const vfs::Path& path) { encode_text(path.text(), w); }
void get(wire::Reader& r, vfs::Path& path) {
  auto parsed = vfs::parse_path(decode_text(r), vfs::NameRules::kPosix);
  r.expect(parsed.has_value());
  if (parsed) path = std::move(parsed->path);
}

template <HasMembers Values>
void put(wire::Writer& w, const Values& values);
template <HasMembers Values>
void get(wire::Reader& r, Values& values);

template <class T>
void put(wire::Writer& w, const std::optional<T>& value) {
  w.u8(value.has_value());
  if (value) put(w, *value);
}
template <class T>
void get(wire::Reader& r, std::optional<T>& value) {
  if (r.u8() != 0) get(r, value.emplace());
}

template <HasMembers Values>
void put(wire::Writer& w, const Values& values) {
  std::apply([&w](const auto&... each) { (put(w, each), ...); }, members(values));
}
template <HasMembers Values>
void get(wire::Reader& r, Values& values) {
  std::apply([&r](auto&... each) { (get(r, each), ...); }, members(values));
}

std::shared_ptr<const Share> find_same(const ShareTable& shares, const std::string& name,
                                       const std::string& real_path) {
  auto share = shares.find(name);
  return share && share->volume && share->real_path == real_path ? share : nullptr;
}

}  // namespace

int descriptor_of(const PreservedOpen& open) {
  const vfs::File* const file = open.attributes.is_stream ? open.base_file.get() : open.file.get();
  return file ? file->descriptor() : -1;
}

Bytes encode(const PreservedOpen& open) {
  Bytes bytes;
  wire::Writer w(bytes);
  encode_text(open.share->name, w);
  encode_text(open.share->real_path, w);
  encode_text(open.stream_name(), w);
  put<OpenValues>(w, open);
  put(w, open.changes);
  w.u64(open.size);
  w.file_time(open.write_time);
  return bytes;
}

Result<PreservedOpen> decode_preserved_open(ByteView bytes, UniqueFd descriptor,
                                            const ShareTable& shares) {
  wire::Reader r(bytes);
  PreservedOpen open;
  const std::string share = decode_text(r);
  open.share = find_same(shares, share, decode_text(r));
  const std::string stream = decode_text(r);
  get<OpenValues>(r, open);
  get(r, open.changes);
  open.size = r.u64();
  open.write_time = r.file_time();
  r.expect(r.remaining() == 0);
  if (!r.ok()) return std::unexpected(r.error());
  if (!open.share) return fail(NtStatus::kObjectNameNotFound);
  BRAID_CHECK(adopt_files(open, std::move(descriptor), stream));
  return open;
}

Result<void> adopt_files(PreservedOpen& open, UniqueFd descriptor, const std::string& stream) {
  vfs::Volume& volume = *open.share->volume;
  vfs::AdoptHow how{.name = open.changes.path.name()};
  UniqueFd of_stream;
  if (open.attributes.is_stream) {
    of_stream.reset(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0));
    if (!of_stream) return fail_last_os();
  }
  auto& named = open.attributes.is_stream ? open.base_file : open.file;
  BRAID_TRY(named, volume.adopt(open.credentials, std::move(descriptor), how));
  if (open.attributes.is_stream) {
    how.stream = stream;
    how.writable =
        !open.share->read_only && (open.attributes.granted_access &
                                   (wire::Access::kFileWriteData | wire::Access::kFileAppendData));
    BRAID_TRY(open.file, volume.adopt(open.credentials, std::move(of_stream), how));
  }
  // filestate knows a stream by a number of its own.
  FileKey now = open.file->key();
  if (open.attributes.is_stream) now.stream = open.attributes.file_key.stream;
  if (now != open.attributes.file_key) return fail_os(ESTALE);
  return {};
}

}  // namespace braid::smb2
