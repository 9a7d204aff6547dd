#include "rpc/srvsvc/activity.h"

#include "rpc/enumeration.h"
#include "wire/fold.h"

namespace braid::rpc::srvsvc {
namespace {

constexpr uint32_t kSessionGuest = 1;  // [MS-SRVS] 2.2.4.11 "SESSION_INFO_0", user_flags
constexpr std::string_view kClientType = "";
constexpr std::string_view kNoTransport = "";

// [MS-SRVS] 2.2.4.1 "CONNECTION_INFO_0" and 2.2.4.2 "CONNECTION_INFO_1".
struct ConnectionRow {
  const ConnectionEntry& entry;
  uint32_t level;

  size_t size() const { return 64 + 2 * (entry.user.size() + entry.share.size()); }
  void fixed(wire::NdrWriter& out) const {
    out.u32(entry.id);
    if (level == 0) return;
    out.u32(static_cast<uint32_t>(entry.type));
    out.u32(entry.open_count);
    out.u32(entry.user_count);
    out.u32(entry.active_seconds);
    out.pointer(true);
    out.pointer(true);
  }
  void deferred(wire::NdrWriter& out) const {
    if (level == 0) return;
    out.wide_string(entry.user);
    out.wide_string(entry.share);
  }
};

// [MS-SRVS] 2.2.4.6 "FILE_INFO_2" and 2.2.4.7 "FILE_INFO_3".
struct FileRow {
  const OpenFileEntry& entry;
  uint32_t level;

  size_t size() const { return 32 + 2 * (entry.path.size() + entry.user.size()); }
  void fixed(wire::NdrWriter& out) const {
    out.u32(entry.id);
    if (level == 2) return;
    out.u32(entry.permissions);
    out.u32(entry.lock_count);
    out.pointer(true);
    out.pointer(true);
  }
  void deferred(wire::NdrWriter& out) const {
    if (level == 2) return;
    out.wide_string(entry.path);
    out.wide_string(entry.user);
  }
};

// [MS-SRVS] 2.2.4.11 "SESSION_INFO_0" to 2.2.4.15 "SESSION_INFO_502".
struct SessionRow {
  const SessionEntry& entry;
  uint32_t level;

  size_t size() const { return 64 + 2 * (entry.client.size() + entry.user.size()); }
  void fixed(wire::NdrWriter& out) const {
    out.pointer(true);  // client
    if (level == 0) return;
    out.pointer(true);  // user
    if (level != 10) out.u32(entry.open_count);
    out.u32(entry.active_seconds);
    out.u32(entry.idle_seconds);
    if (level == 10) return;
    out.u32(entry.guest ? kSessionGuest : 0);
    if (level == 1) return;
    out.pointer(true);  // client type
    if (level == 502) out.pointer(true);
  }
  void deferred(wire::NdrWriter& out) const {
    out.wide_string(entry.client);
    if (level == 0) return;
    out.wide_string(entry.user);
    if (level == 1 || level == 10) return;
    out.wide_string(kClientType);
    if (level == 502) out.wide_string(kNoTransport);
  }
};

bool is_wanted(const std::optional<std::string>& wanted, std::string_view value) {
  return !wanted || wanted->empty() || wire::equal_fold(*wanted, value);
}

std::string_view without_backslashes(std::string_view name) {
  while (name.starts_with('\\')) name.remove_prefix(1);
  return name;
}

}  // namespace

FaultStatus connection_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const std::optional<std::string> qualifier = call.in.unique_wide_string();
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (request.level > 1) return finish_enum_with_error(call, request, win32::kInvalidLevel);
  if (!call.caller.is_administrator) {
    return finish_enum_with_error(call, request, win32::kAccessDenied);
  }
  // The qualifier is a share, or "\\client".
  if (!qualifier || qualifier->empty()) {
    return finish_enum_with_error(call, request, win32::kInvalidParameter);
  }
  const bool by_client = qualifier->starts_with('\\');
  const std::vector<ConnectionEntry> entries = call.directory.sessions.connections();
  std::vector<ConnectionRow> rows;
  for (const ConnectionEntry& entry : entries) {
    if (wire::equal_fold(without_backslashes(*qualifier),
                         without_backslashes(by_client ? entry.client : entry.share))) {
      rows.push_back({entry, request.level});
    }
  }
  return finish_enum(call, request, rows);
}

FaultStatus file_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const std::optional<std::string> base_path = call.in.unique_wide_string();
  const std::optional<std::string> user = call.in.unique_wide_string();
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (request.level != 2 && request.level != 3) {
    return finish_enum_with_error(call, request, win32::kInvalidLevel);
  }
  if (!call.caller.is_administrator) {
    return finish_enum_with_error(call, request, win32::kAccessDenied);
  }
  const std::string prefix = base_path ? wire::fold(*base_path) : std::string();
  const std::vector<OpenFileEntry> entries = call.directory.sessions.open_files();
  std::vector<FileRow> rows;
  for (const OpenFileEntry& entry : entries) {
    if (is_wanted(user, entry.user) && wire::fold(entry.path).starts_with(prefix)) {
      rows.push_back({entry, request.level});
    }
  }
  return finish_enum(call, request, rows);
}

FaultStatus session_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const std::optional<std::string> client = call.in.unique_wide_string();
  const std::optional<std::string> user = call.in.unique_wide_string();
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  const uint32_t level = request.level;
  if (level > 2 && level != 10 && level != 502) {
    return finish_enum_with_error(call, request, win32::kInvalidLevel);
  }
  if (!call.caller.is_administrator) {
    return finish_enum_with_error(call, request, win32::kAccessDenied);
  }
  const std::vector<SessionEntry> entries = call.directory.sessions.sessions();
  std::vector<SessionRow> rows;
  for (const SessionEntry& entry : entries) {
    if (is_wanted(user, entry.user) &&
        (!client || client->empty() ||
         wire::equal_fold(without_backslashes(*client), without_backslashes(entry.client)))) {
      rows.push_back({entry, level});
    }
  }
  return finish_enum(call, request, rows);
}

}  // namespace braid::rpc::srvsvc
