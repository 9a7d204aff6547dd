#include "smb2/files/claim_rules.h"

#include <utility>

#include "smb2/files/file_services.h"
#include "smb2/security/evaluate.h"
#include "smb2/shares/tree_path.h"
#include "smb2/workers/worker_messages.h"
#include "vfs/names.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using filestate::Durability;
using WaitingOpen = OpenTable::Look::Waiting;

// Whether the request names the file by the name the lease has it under. A name that cannot be
// parsed is another one: path names are not validated here.
bool names_file_of_lease(FileServices& files, const ClaimQuestion& asked, const WaitingOpen& open) {
  const auto name = vfs::parse_path(asked.name);
  if (!name || !vfs::equal_folded(name->stream, open.stream_name)) return false;
  const auto known = files.file_table.path_of(open.ref());
  const auto current = known ? in_this_share(*open.share, *known) : std::nullopt;
  return vfs::equal_folded(name->path.text(), current ? *current : open.changes.path.text());
}

// What both sections answer with STATUS_OBJECT_NAME_NOT_FOUND.
bool is_found(const ClaimQuestion& asked, const WaitingOpen& open,
              const filestate::OpenDecision& grant) {
  const auto& held = grant.lease;
  if (held && open.client_guid != asked.client) return false;
  const DurableTerms& terms = open.changes.durable_terms;
  if (asked.why == ClaimQuestion::Why::kReconnectV2) {
    // One that was promised by DHnQ has none.
    if (open.names.create_guid.value_or(CreateGuid{}) != asked.create_guid) return false;
    if (terms.durability == Durability::kPersistent && !asked.persistent) return false;
  }
  if (held.has_value() != asked.lease_key.has_value()) return false;
  if (held && (held->key != *asked.lease_key || held->version != asked.lease_version)) return false;
  if (terms.durability != Durability::kDurable) return true;
  if (held) return has(held->state, filestate::Caching::kHandle);
  return grant.oplock == filestate::OplockLevel::kBatch;
}

NtStatus judge_reconnect(FileServices& files, const ClaimQuestion& asked, const WaitingOpen& open,
                         const filestate::OpenDecision& grant) {
  if (!is_found(asked, open, grant)) return NtStatus::kObjectNameNotFound;
  const bool deletes_on_close =
      (open.attributes.create_options & wire::CreateOptions::kDeleteOnClose) != 0;
  if (grant.lease && !deletes_on_close && !names_file_of_lease(files, asked, open)) {
    return NtStatus::kInvalidParameter;
  }
  if (asked.persistent && open.changes.durable_terms.durability != Durability::kPersistent) {
    return NtStatus::kInvalidParameter;
  }
  // Its caching is of the user whose session it was, who may have gone on there without a name.
  const bool is_own =
      open.owner && open.owner->is_same_user(asked.user) && open.user == asked.user_id;
  return is_own ? NtStatus::kSuccess : NtStatus::kAccessDenied;
}

// Of DesiredAccess is known what was granted: with MAXIMUM_ALLOWED that is more than was named.
bool asks_the_same(const ClaimQuestion& asked, const OpenAttributes& open) {
  const uint32_t desired = map_generic(asked.desired_access);
  const uint32_t named = desired & ~wire::Access::kMaximumAllowed;
  const bool may_have_more = named != desired;
  const bool same_access =
      may_have_more ? (named & ~open.granted_access) == 0 : named == open.granted_access;
  return same_access && asked.share_access == open.share_access &&
         asked.create_options == open.create_options;
}

// Asked for as it was. After the loss of its connection [MS-SMB2] 3.3.5.9 looks at more of a
// persistent open than of others.
NtStatus judge_replay(const ClaimQuestion& asked, const WaitingOpen& open,
                      const filestate::OpenDecision& grant) {
  if (open.client_guid != asked.client || open.names.create_guid != asked.create_guid ||
      open.user != asked.user_id || !open.changes.is_replay_eligible) {
    return NtStatus::kObjectNameNotFound;
  }
  if (!open.owner || !open.owner->is_same_user(asked.user)) return NtStatus::kAccessDenied;
  const auto& held = grant.lease;
  if (held.has_value() != asked.lease_key.has_value() || (held && held->key != *asked.lease_key)) {
    return NtStatus::kAccessDenied;
  }
  const bool is_persistent = open.changes.durable_terms.durability == Durability::kPersistent;
  if (is_persistent && !asks_the_same(asked, open.attributes)) return NtStatus::kContextMismatch;
  return NtStatus::kSuccess;
}

}  // namespace

NtStatus judge_claim(FileServices& files, const ClaimQuestion& asked, const WaitingOpen& open) {
  const filestate::OpenDecision grant = files.file_table.grant_of(open.ref());
  return asked.why == ClaimQuestion::Why::kReplay ? judge_replay(asked, open, grant)
                                                  : judge_reconnect(files, asked, open, grant);
}

void ClaimQuestion::encode(wire::Writer& w) const {
  w.u64(persistent_id);
  w.value(why);
  encode_user(user, w);
  w.u64(user_id.value);
  w.id128(client);
  w.id128(create_guid);
  w.u8(static_cast<uint8_t>(persistent | lease_key.has_value() << 1));
  w.id128(lease_key.value_or(LeaseKey{}));
  w.u8(lease_version);
  encode_text(name, w);
  w.u32(desired_access);
  w.u32(share_access);
  w.u32(create_options);
}

Result<ClaimQuestion> ClaimQuestion::decode(wire::Reader& r) {
  ClaimQuestion question;
  question.persistent_id = r.u64();
  question.why = r.as<ClaimQuestion::Why>();
  r.expect(question.why <= ClaimQuestion::Why::kReplay);
  question.user = decode_user(r);
  question.user_id = {r.u64()};
  question.client = r.id128<ClientGuid>();
  question.create_guid = r.id128<CreateGuid>();
  const uint8_t flags = r.u8();
  question.persistent = (flags & 1) != 0;
  const auto lease_key = r.id128<LeaseKey>();
  if (flags & 2) question.lease_key = lease_key;
  question.lease_version = r.u8();
  question.name = decode_text(r);
  question.desired_access = r.u32();
  question.share_access = r.u32();
  question.create_options = r.u32();
  return r.finish(std::move(question));
}

}  // namespace braid::smb2
