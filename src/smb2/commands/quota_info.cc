// [MS-SMB2] 3.3.5.20.4 and 3.3.5.21.4 "Handling SMB2_0_INFO_QUOTA"; [MS-FSA] 2.1.5.21 "Server
// Requests Querying Quota Information" and 2.1.5.22 "Server Requests Setting Quota Information".
#include "smb2/commands/info_rows.h"
#include "smb2/files/file_services.h"
#include "smb2/opens/quota_file.h"
#include "wire/fscc/quota.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::FileQuotaInformation;

// The quotas that the handle of `request` stands for.
Result<vfs::Quotas*> quotas_of(const Request& request) {
  if (!QuotaFile::of(*request.open)) return fail(NtStatus::kInvalidDeviceRequest);
  vfs::Quotas* quotas = request.tree_connect->share->volume->quotas();
  if (!quotas || quotas->state() < vfs::QuotaState::kTracked) return fail(NtStatus::kNotSupported);
  return quotas;
}

uint64_t shown(const std::optional<uint64_t>& limit) {
  return limit.value_or(FileQuotaInformation::kNoLimit);
}

// All zeros but the SID for a user without an entry.
FileQuotaInformation information_of(const vfs::Quota& quota, const wire::Sid& sid) {
  FileQuotaInformation info{.quota_threshold = 0, .quota_limit = 0, .sid = sid};
  if (!quota.exists) return info;
  info.quota_used = quota.used;
  info.quota_threshold = shown(quota.limits.soft);
  info.quota_limit = shown(quota.limits.hard);
  return info;
}

// Those of the SIDs that the client names. STATUS_ACCESS_DENIED for somebody else's.
Result<QueryAnswer> query_named(const Request& request, vfs::Quotas& quotas,
                                std::vector<wire::Sid> sids, bool single, size_t room) {
  const bool all = may_manage_quotas(request.principal);
  if (single && sids.size() > 1) sids.resize(1);
  std::vector<FileQuotaInformation> list;
  for (const wire::Sid& sid : sids) {
    const auto uid = request.files.ids.uid_of(sid);
    if (!all && uid != request.credentials()->uid) return fail(NtStatus::kAccessDenied);
    vfs::Quota quota;
    if (uid) {
      BRAID_TRY(quota, quotas.of(*uid));
    }
    list.push_back(information_of(quota, sid));
  }
  size_t told = 0;
  QueryAnswer answer{.data = wire::encode_quotas(list, room, &told)};
  if (told == 0) return fail(NtStatus::kBufferTooSmall);
  return answer;
}

// The next of all entries that the user may see. None: ENOENT.
Result<vfs::Quota> next_visible(const Request& request, vfs::Quotas& quotas, uint64_t from) {
  if (from > UINT32_MAX) return fail_os(ENOENT);
  if (may_manage_quotas(request.principal)) return quotas.next(static_cast<uid_t>(from));
  const uid_t own = request.credentials()->uid;
  if (own < from) return fail_os(ENOENT);
  BRAID_TRY(const vfs::Quota quota, quotas.of(own));
  if (!quota.exists) return fail_os(ENOENT);
  return quota;
}

// From the entry of StartSid on.
Result<uint64_t> start_of(const Request& request, vfs::Quotas& quotas, const wire::Sid& sid) {
  const auto uid = request.files.ids.uid_of(sid);
  if (!uid) return fail(NtStatus::kInvalidParameter);
  const auto found = next_visible(request, quotas, *uid);
  if (!found || found->uid != *uid) return fail(NtStatus::kInvalidParameter);
  return *uid;
}

Result<QueryAnswer> enumerate(const Request& request, vfs::Quotas& quotas,
                              const wire::QueryQuotaInfo& query, size_t room) {
  QuotaFile& file = *QuotaFile::of(*request.open);
  uint64_t from = file.next_uid;
  BRAID_TRY(const auto start_sid, query.start_sid());
  if (start_sid) {
    BRAID_TRY(from, start_of(request, quotas, *start_sid));
  } else if (query.restart_scan && query.start_sid_offset == 0) {
    from = 0;
  }
  // One more than there can be room for.
  const size_t count_max = query.return_single ? 1 : room / FileQuotaInformation::kSizeMin + 1;
  std::vector<FileQuotaInformation> list;
  std::vector<uid_t> uids;
  while (list.size() < count_max) {
    const auto quota = next_visible(request, quotas, from);
    if (!quota && quota.error().is_os(ENOENT)) break;
    if (!quota) return std::unexpected(quota.error());
    list.push_back(information_of(*quota, request.files.ids.sid_of_uid(quota->uid)));
    uids.push_back(quota->uid);
    from = uint64_t{quota->uid} + 1;
  }
  if (list.empty()) return fail(NtStatus::kNoMoreEntries);
  size_t told = 0;
  QueryAnswer answer{.data = wire::encode_quotas(list, room, &told)};
  if (told == 0) return fail(NtStatus::kBufferTooSmall);
  file.next_uid = uint64_t{uids[told - 1]} + 1;
  return answer;
}

// STATUS_INVALID_PARAMETER for numbers that are negative and mean nothing.
Result<std::optional<uint64_t>> limit_of(uint64_t given) {
  if (given == FileQuotaInformation::kNoLimit) return std::optional<uint64_t>();
  if (given > INT64_MAX) return fail(NtStatus::kInvalidParameter);
  return std::optional<uint64_t>(given);
}

struct Change {
  uid_t uid = 0;
  vfs::QuotaLimits limits;
  vfs::QuotaLimits before;
};

// None: nothing is to be done.
Result<std::optional<Change>> change_of(const Request& request, vfs::Quotas& quotas,
                                        const FileQuotaInformation& given) {
  const auto uid = request.files.ids.uid_of(given.sid);
  if (given.sid == wire::sids::kAdministrators || uid == uid_t{0}) {
    if (given.quota_limit != FileQuotaInformation::kNoLimit) return fail(NtStatus::kAccessDenied);
    return std::optional<Change>();
  }
  if (!uid) return fail(NtStatus::kNoSuchUser);
  BRAID_TRY(const vfs::Quota before, quotas.of(*uid));
  Change change{.uid = *uid, .limits = {}, .before = before.limits};
  if (given.quota_limit == FileQuotaInformation::kDelete) {
    if (!before.exists) return fail(NtStatus::kNoMatch);
    return std::optional(change);
  }
  BRAID_TRY(change.limits.soft, limit_of(given.quota_threshold));
  BRAID_TRY(change.limits.hard, limit_of(given.quota_limit));
  return std::optional(change);
}

Result<QueryAnswer> query_quotas(Request& request, const wire::QueryInfoRequest& query) {
  BRAID_TRY(vfs::Quotas* const quotas, quotas_of(request));
  wire::Reader reader(query.input_buffer);
  BRAID_TRY(const auto asked, wire::QueryQuotaInfo::decode(reader));
  const size_t room = query.output_buffer_length;
  if (room < FileQuotaInformation::kSizeMin) return fail(NtStatus::kBufferTooSmall);
  if (asked.sid_list_length == 0) return enumerate(request, *quotas, asked, room);
  BRAID_TRY(auto sids, asked.sid_list());
  return query_named(request, *quotas, std::move(sids), asked.return_single, room);
}

Result<void> set_quotas(Request& request, const wire::SetInfoRequest& set) {
  BRAID_TRY(vfs::Quotas* const quotas, quotas_of(request));
  if (!request.open->has_access(wire::Access::kFileWriteData) ||
      !may_manage_quotas(request.principal)) {
    return fail(NtStatus::kAccessDenied);
  }
  BRAID_TRY(const auto list, wire::decode_quotas(set.buffer));
  // All are looked at before any is set.
  std::vector<Change> changes;
  for (const FileQuotaInformation& given : list) {
    BRAID_TRY(const auto change, change_of(request, *quotas, given));
    if (change) changes.push_back(*change);
  }
  for (auto change = changes.begin(); change != changes.end(); ++change) {
    auto done = quotas->set_limits(change->uid, change->limits);
    if (done) continue;
    // What the file system cannot keep is found out by trying.
    while (change != changes.begin()) {
      --change;
      (void)quotas->set_limits(change->uid, change->before);
    }
    return done;
  }
  return {};
}

Task<Result<void>> apply_quotas(Request& request, const wire::SetInfoRequest& set) {
  co_return set_quotas(request, set);
}

// Whose rights count is the quota file's, and so is the order in which they are asked for.
constexpr InfoRow kQuotaRow{0, InfoQuery{0, Rights::none(), query_quotas, nullptr},
                            InfoSet{0, Rights::none(), Changes::kOpen, apply_quotas}};

}  // namespace

const InfoRow* quota_info() { return &kQuotaRow; }

}  // namespace braid::smb2
