#include "smb2/preserved_open_codec.h"

#include <fcntl.h>

#include <cerrno>

#include "filestate/credentials_codec.h"
#include "smb2/worker_messages.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

template <class IdType>
void encode_optional(const std::optional<IdType>& id, wire::Writer& w) {
  w.u8(id.has_value());
  if (id) w.id128(*id);
}

template <class IdType>
std::optional<IdType> decode_optional(wire::Reader& r) {
  if (r.u8() == 0) return std::nullopt;
  return r.id128<IdType>();
}

vfs::TimeRule decode_rule(wire::Reader& r) {
  const auto rule = r.as<vfs::TimeRule>();
  r.expect(rule <= vfs::TimeRule::kMoves);
  return rule;
}

void encode_attributes(const OpenAttributes& attributes, wire::Writer& w) {
  w.u64(attributes.file_key.device);
  w.u64(attributes.file_key.inode);
  w.u64(attributes.file_key.stream);
  w.u32(attributes.granted_access);
  w.u32(attributes.share_access);
  w.u32(attributes.create_options);
  w.u32(attributes.create_disposition);
  w.u32(attributes.file_attributes);
  w.u8(static_cast<uint8_t>(attributes.is_directory | attributes.is_stream << 1));
  w.u32(attributes.maximal_access);
  w.value(attributes.create_action);
}

OpenAttributes decode_attributes(wire::Reader& r) {
  OpenAttributes attributes;
  attributes.file_key.device = r.u64();
  attributes.file_key.inode = r.u64();
  attributes.file_key.stream = r.u64();
  attributes.granted_access = r.u32();
  attributes.share_access = r.u32();
  attributes.create_options = r.u32();
  attributes.create_disposition = r.u32();
  attributes.file_attributes = r.u32();
  const uint8_t flags = r.u8();
  attributes.is_directory = (flags & 1) != 0;
  attributes.is_stream = (flags & 2) != 0;
  attributes.maximal_access = r.u32();
  attributes.create_action = r.as<wire::CreateAction>();
  return attributes;
}

void encode_names(const OpenNames& names, wire::Writer& w) {
  encode_optional(names.create_guid, w);
  encode_optional(names.app_instance_id, w);
  w.u8(names.app_instance_version.has_value());
  if (!names.app_instance_version) return;
  w.u64(names.app_instance_version->app_instance_version_high);
  w.u64(names.app_instance_version->app_instance_version_low);
}

OpenNames decode_names(wire::Reader& r) {
  OpenNames names;
  names.create_guid = decode_optional<CreateGuid>(r);
  names.app_instance_id = decode_optional<AppInstanceId>(r);
  if (r.u8() == 0) return names;
  names.app_instance_version.emplace();
  names.app_instance_version->app_instance_version_high = r.u64();
  names.app_instance_version->app_instance_version_low = r.u64();
  return names;
}

std::shared_ptr<const Share> find_same(const ShareTable& shares, const std::string& name,
                                       const std::string& real_path) {
  auto share = shares.find(name);
  return share && share->volume && share->real_path == real_path ? share : nullptr;
}

// The files again: that of a stream is made of another descriptor for the file it belongs to.
Result<void> adopt(PreservedOpen& open, UniqueFd descriptor, const std::string& stream) {
  vfs::Volume& volume = *open.share->volume;
  vfs::AdoptHow how{.name = open.path.name()};
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

}  // namespace

int descriptor_of(const PreservedOpen& open) {
  const vfs::File* const file = open.attributes.is_stream ? open.base_file.get() : open.file.get();
  return file ? file->descriptor() : -1;
}

Bytes encode(const PreservedOpen& open) {
  Bytes bytes;
  wire::Writer w(bytes);
  w.file_id(open.file_id);
  encode_attributes(open.attributes, w);
  encode_names(open.names, w);
  w.value(open.terms.durability);
  w.u64(static_cast<uint64_t>(open.terms.timeout.count()));
  w.u8(open.owner != nullptr);
  if (open.owner) encode_user(*open.owner, w);
  encode_text(open.share->name, w);
  encode_text(open.share->real_path, w);
  encode_text(open.stream_name(), w);
  encode_text(open.path.text(), w);
  filestate::encode_credentials(open.credentials, w);
  w.id128(open.client_guid);
  w.u64(open.user.value);
  encode_optional(open.lease_key, w);
  encode_optional(open.parent_lease_key, w);
  w.u8(static_cast<uint8_t>(open.is_modified | open.is_replay_eligible << 1));
  w.value(open.time_rules.access);
  w.value(open.time_rules.write);
  w.value(open.time_rules.change);
  w.u64(open.position);
  w.u32(open.mode);
  w.u32(open.next_ea);
  w.u32(static_cast<uint32_t>(open.flush_error));
  w.u64(open.size);
  w.file_time(open.write_time);
  return bytes;
}

Result<PreservedOpen> decode_preserved_open(ByteView bytes, UniqueFd descriptor,
                                            const ShareTable& shares) {
  wire::Reader r(bytes);
  PreservedOpen open;
  open.file_id = r.file_id();
  open.attributes = decode_attributes(r);
  open.names = decode_names(r);
  open.terms.durability = r.as<filestate::Durability>();
  r.expect(open.terms.durability <= filestate::Durability::kPersistent);
  open.terms.timeout = std::chrono::milliseconds(static_cast<int64_t>(r.u64()));
  if (r.u8() != 0) open.owner = std::make_shared<const auth::Identity>(decode_user(r));
  const std::string share = decode_text(r);
  open.share = find_same(shares, share, decode_text(r));
  const std::string stream = decode_text(r);
  const std::string path = decode_text(r);
  open.credentials = filestate::decode_credentials(r);
  r.expect(open.credentials != nullptr);
  open.client_guid = r.id128<ClientGuid>();
  open.user = {r.u64()};
  open.lease_key = decode_optional<LeaseKey>(r);
  open.parent_lease_key = decode_optional<LeaseKey>(r);
  const uint8_t flags = r.u8();
  open.is_modified = (flags & 1) != 0;
  open.is_replay_eligible = (flags & 2) != 0;
  open.time_rules.access = decode_rule(r);
  open.time_rules.write = decode_rule(r);
  open.time_rules.change = decode_rule(r);
  open.position = r.u64();
  open.mode = r.u32();
  open.next_ea = r.u32();
  open.flush_error = static_cast<int>(r.u32());
  open.size = r.u64();
  open.write_time = r.file_time();
  r.expect(r.remaining() == 0);
  if (!r.ok()) return std::unexpected(r.error());
  if (!open.share) return fail(NtStatus::kObjectNameNotFound);
  BRAID_TRY(auto parsed, vfs::parse_path(path, vfs::NameRules::kPosix));
  open.path = std::move(parsed.path);
  BRAID_CHECK(adopt(open, std::move(descriptor), stream));
  return open;
}

}  // namespace braid::smb2
