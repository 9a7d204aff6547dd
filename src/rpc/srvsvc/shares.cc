#include "rpc/srvsvc/shares.h"

#include <algorithm>

#include "rpc/enumeration.h"
#include "wire/fold.h"

namespace braid::rpc::srvsvc {
namespace {

constexpr uint32_t kTypeSpecial = 0x80000000;  // [MS-SRVS] 2.2.2.4 "Share Types", STYPE_SPECIAL
constexpr std::string_view kAnyServer = "*";

bool level_is_known(uint32_t level) {
  return level == 0 || level == 1 || level == 2 || (level >= 501 && level <= 503);
}

// Levels that show local paths are for administrators, as on Windows.
bool level_needs_administrator(uint32_t level) {
  return level == 2 || level == 502 || level == 503;
}

// SHARE_INFO_0, _1, _2, _501, _502_I, _503_I and _1005: [MS-SRVS] 2.2.4.22 to 2.2.4.29.
struct ShareRow {
  const ShareEntry& share;
  uint32_t level;
  Bytes descriptor;

  ShareRow(const ShareEntry& entry, uint32_t info_level) : share(entry), level(info_level) {
    if (level >= 502 && level <= 503 && share.security_descriptor) {
      // Without one it is told as a share that has none.
      descriptor = share.security_descriptor->encode().value_or(Bytes{});
    }
  }

  size_t size() const {
    return 64 + descriptor.size() +
           2 * (share.name.size() + share.comment.size() + share.path.size());
  }

  void fixed(wire::NdrWriter& out) const {
    if (level == 1005) {
      out.u32(share.flags);
      return;
    }
    out.pointer(true);
    if (level == 0) return;
    out.u32(static_cast<uint32_t>(share.type) | (share.hidden ? kTypeSpecial : 0));
    out.pointer(true);
    if (level == 1) return;
    if (level == 501) {
      out.u32(share.flags);
      return;
    }
    out.u32(0);  // permissions: of share-level security, which nobody has any more
    out.u32(share.max_uses);
    out.u32(share.current_uses);
    out.pointer(true);
    out.pointer(false);  // password
    if (level == 503) out.pointer(true);
    if (level >= 502) {
      out.u32(static_cast<uint32_t>(descriptor.size()));
      out.pointer(!descriptor.empty());
    }
  }

  void deferred(wire::NdrWriter& out) const {
    if (level == 1005) return;
    out.wide_string(share.name);
    if (level == 0) return;
    out.wide_string(share.comment);
    if (level == 1 || level == 501) return;
    out.wide_string(share.path);
    if (level == 503) out.wide_string(kAnyServer);
    if (!descriptor.empty()) {
      out.u32(static_cast<uint32_t>(descriptor.size()));
      out.bytes(descriptor);
    }
  }
};

}  // namespace

namespace {

FaultStatus enumerate(Call& call, bool is_sticky) {
  (void)call.in.unique_wide_string();  // server name
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!level_is_known(request.level) || (is_sticky && request.level == 501)) {
    return finish_enum_with_error(call, request, win32::kInvalidLevel);
  }
  if (level_needs_administrator(request.level) && !call.caller.is_administrator) {
    return finish_enum_with_error(call, request, win32::kAccessDenied);
  }
  const std::vector<ShareEntry> shares = call.directory.shares.shares(call.caller);
  std::vector<ShareRow> rows;
  rows.reserve(shares.size());
  for (const ShareEntry& share : shares) {
    if (share.browseable) rows.emplace_back(share, request.level);
  }
  return finish_enum(call, request, rows);
}

}  // namespace

FaultStatus share_enum(Call& call) { return enumerate(call, false); }

FaultStatus share_enum_sticky(Call& call) { return enumerate(call, true); }

FaultStatus share_get_info(Call& call) {
  (void)call.in.unique_wide_string();
  const std::string name = call.in.wide_string();
  const uint32_t level = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  call.out.u32(level);
  uint32_t error = win32::kSuccess;
  std::optional<ShareEntry> share;
  if (!level_is_known(level) && level != 1005) {
    error = win32::kInvalidLevel;
  } else if (level_needs_administrator(level) && !call.caller.is_administrator) {
    error = win32::kAccessDenied;
  } else if (share = call.directory.shares.find_share(call.caller, name); !share) {
    error = win32::kNetNameNotFound;
  }
  call.out.pointer(share.has_value());
  if (share) {
    const ShareRow row(*share, level);
    row.fixed(call.out);
    row.deferred(call.out);
  }
  return call.finish(error);
}

FaultStatus share_check(Call& call) {
  (void)call.in.unique_wide_string();
  const std::string device = call.in.wide_string();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  const std::vector<ShareEntry> shares = call.directory.shares.shares(call.caller);
  const auto it = std::find_if(shares.begin(), shares.end(), [&](const ShareEntry& share) {
    return call.caller.is_administrator && wire::equal_fold(share.path, device);
  });
  call.out.u32(it == shares.end() ? 0 : static_cast<uint32_t>(it->type));
  return call.finish(it == shares.end() ? win32::kDeviceNotShared : win32::kSuccess);
}

}  // namespace braid::rpc::srvsvc
