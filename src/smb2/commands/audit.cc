#include "smb2/commands/audit.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "base/printable.h"
#include "smb2/audit/audit_log.h"
#include "smb2/audit/audit_record.h"
#include "smb2/common/error_status.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/server.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/create.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/tree_connect.h"

namespace braid::smb2 {
namespace {

using config::AuditKind;
using wire::Command;

bool is_denial(NtStatus status) {
  switch (status) {
    case NtStatus::kAccessDenied:
    case NtStatus::kMediaWriteProtected:
    case NtStatus::kCannotDelete:
    case NtStatus::kPrivilegeNotHeld:
    case NtStatus::kRequestNotAccepted:
      return true;
    default:
      return false;
  }
}

// What refuses, where the handler has not said it more closely.
std::string_view check_of(NtStatus status) {
  switch (status) {
    case NtStatus::kMediaWriteProtected:
      return "read_only";
    case NtStatus::kCannotDelete:
      return "read_only_attribute";
    case NtStatus::kPrivilegeNotHeld:
      return "privilege";
    default:
      return "permissions";
  }
}

void add_who(AuditRecord& record, const Request& request) {
  const SessionSecurity* security = request.session ? request.session->security() : nullptr;
  if (security && security->user) {
    record.add("user", security->user->account_name).add("domain", security->user->domain);
  }
  record.add("client", request.connection->peer_host());
  if (security) record.add("machine", security->machine);
  if (request.session) {
    record.add("session", fmt::format("{:#x}", request.session->session_id.value));
  }
}

std::string with_stream(std::string path, const std::string& stream) {
  return stream.empty() ? path : path + ":" + stream;
}

std::string path_of(const Request& request, const Open& open) {
  return with_stream(known_path(request.files, open).text(), open.stream_name());
}

// One line, of what was done or refused.
class Line {
 public:
  Line(const Request& request, std::string_view operation, NtStatus status)
      : request_(request),
        record_(request.files.clock.now(), operation, name_of(status)),
        is_denied_(is_error(status)) {
    add_who(record_, request);
    if (request.tree_connect) record_.add("share", request.tree_connect->share->name);
    if (is_denied_) {
      record_.add("check", request.refused_by.empty() ? check_of(status) : request.refused_by);
    }
  }
  AuditRecord& record() { return record_; }
  void write() && { request_.files.audit->add(std::move(record_).take()); }

 private:
  const Request& request_;
  AuditRecord record_;
  const bool is_denied_;
};

bool is_kept(const Request& request, AuditKind kind, NtStatus status) {
  if (!request.tree_connect || request.tree_connect->is_pipe()) return false;
  const config::AuditKinds kinds = request.tree_connect->share->audit;
  return is_error(status) ? is_denial(status) && kinds.has(AuditKind::kDenied) : kinds.has(kind);
}

void write_line(const Request& request, AuditKind kind, std::string_view operation,
                std::string_view path, NtStatus status, std::string_view to = {}) {
  if (!is_kept(request, kind, status)) return;
  Line line(request, operation, status);
  line.record().add("path", path).add("to", to);
  std::move(line).write();
}

void audit_create(const Request& request, const Result<Reply>& result, NtStatus status) {
  if (is_error(status)) {
    if (!is_kept(request, AuditKind::kOpen, status)) return;
    wire::Reader reader = request.body();
    const auto create = wire::CreateRequest::decode(reader);
    // MAXIMUM_ALLOWED is a question, not an attempt.
    if (!create || (create->desired_access & wire::Access::kMaximumAllowed)) return;
    Line line(request, "open", status);
    line.record()
        .add("path", create->name)
        .add("access", fmt::format("{:#x}", create->desired_access));
    return std::move(line).write();
  }
  if (!result || !result->file_id) return;
  const auto open = request.session->find_open(*result->file_id);
  if (!open || open->is_pipe()) return;
  wire::Reader reader(result->message, wire::Header::kSize);
  const auto response = wire::CreateResponse::decode(reader);
  if (!response) return;
  const bool is_made = response->create_action != wire::CreateAction::kOpened;
  const std::string path = path_of(request, *open);
  if (is_kept(request, is_made ? AuditKind::kCreate : AuditKind::kOpen, status)) {
    Line line(request, is_made ? "create" : "open", status);
    line.record()
        .add("path", path)
        .add("access", fmt::format("{:#x}", open->attributes.granted_access));
    switch (response->create_action) {
      case wire::CreateAction::kOpened:
        break;
      case wire::CreateAction::kCreated:
        line.record().add("made", open->attributes.is_directory ? "directory" : "file");
        break;
      case wire::CreateAction::kSuperseded:
      case wire::CreateAction::kOverwritten:
        line.record().add("made", "emptied");
        break;
    }
    std::move(line).write();
  }
  if (!(open->attributes.granted_access & wire::Access::kDelete)) return;
  wire::Reader body = request.body();
  const auto create = wire::CreateRequest::decode(body);
  if (create && (create->create_options & wire::CreateOptions::kDeleteOnClose)) {
    write_line(request, AuditKind::kDelete, "delete", path, status);
  }
}

// Once for each open.
void audit_written(const Request& request, NtStatus status) {
  Open& open = *request.open;
  if (is_success(status) && open.is_write_audited.exchange(true, std::memory_order_relaxed)) return;
  write_line(request, AuditKind::kWrite, "write", path_of(request, open), status);
}

void audit_set_info(const Request& request, NtStatus status) {
  wire::Reader reader = request.body();
  const auto set = wire::SetInfoRequest::decode(reader);
  if (!set) return;
  const std::string& path = request.audited_path;
  if (set->info_type == wire::InfoType::kSecurity) {
    return write_line(request, AuditKind::kSecurity, "security", path, status);
  }
  if (set->info_type != wire::InfoType::kFile) return;
  wire::Reader info(set->buffer);
  switch (static_cast<wire::FileInfoClass>(set->file_info_class)) {
    case wire::FileInfoClass::kRename:
    case wire::FileInfoClass::kLink: {
      const auto rename = wire::FileRenameInformation::decode(info);
      const bool is_link =
          static_cast<wire::FileInfoClass>(set->file_info_class) == wire::FileInfoClass::kLink;
      return write_line(request, AuditKind::kRename, is_link ? "link" : "rename", path, status,
                        rename ? rename->file_name : "");
    }
    case wire::FileInfoClass::kRenameEx: {
      const auto rename = wire::FileRenameInformationEx::decode(info);
      return write_line(request, AuditKind::kRename, "rename", path, status,
                        rename ? rename->file_name : "");
    }
    case wire::FileInfoClass::kDisposition:
    case wire::FileInfoClass::kDispositionEx: {
      // Both begin with whether it is to be deleted.
      const bool is_wanted = !set->buffer.empty() && (set->buffer[0] & 1) != 0;
      return write_line(request, AuditKind::kDelete, is_wanted ? "delete" : "undelete", path,
                        status);
    }
    case wire::FileInfoClass::kEndOfFile:
    case wire::FileInfoClass::kAllocation:
      return audit_written(request, status);
    default:
      // Attributes, times: no line of their own, but refusals are told.
      if (is_error(status)) write_line(request, AuditKind::kWrite, "attributes", path, status);
  }
}

void audit_tree_connect(const Request& request, NtStatus status) {
  if (!is_error(status)) {
    return write_line(request, AuditKind::kConnect, "connect", "", status);
  }
  // No share, or one that is refused: its rules say whether that is told.
  wire::Reader reader = request.body();
  const auto connect = wire::TreeConnectRequest::decode(reader);
  if (!connect) return;
  const size_t slash = connect->path.rfind('\\');
  const std::string name =
      slash == std::string::npos ? connect->path : connect->path.substr(slash + 1);
  const auto entry = request.files.settings.shares()->entry(name);
  if (entry ? !entry->rules().audit.has(AuditKind::kDenied) || entry->type() == ShareType::kPipe
            : status != NtStatus::kBadNetworkName) {
    return;
  }
  AuditRecord record(request.files.clock.now(), "connect", name_of(status));
  add_who(record, request);
  record.add("share", name)
      .add("check", !request.refused_by.empty() ? request.refused_by
                    : entry                     ? "absent"
                                                : "no_share");
  request.files.audit->add(std::move(record).take());
}

}  // namespace

void note_for_audit(Request& request) {
  if (!request.files.audit || !request.open || request.open->is_pipe()) return;
  if (request.header.command != Command::kSetInfo) return;
  request.audited_path = path_of(request, *request.open);
}

void audit_request(const Request& request, const Result<Reply>& result) {
  if (!request.files.audit || !request.session || !request.session->security()) return;
  const NtStatus status = result ? result->status : to_status(result.error());
  switch (request.header.command) {
    case Command::kTreeConnect:
      return audit_tree_connect(request, status);
    case Command::kCreate:
      return audit_create(request, result, status);
    case Command::kWrite:
      if (request.open && !request.open->is_pipe()) audit_written(request, status);
      return;
    case Command::kSetInfo:
      if (request.open && !request.open->is_pipe()) audit_set_info(request, status);
      return;
    case Command::kIoctl:
      if (request.open && !request.open->is_pipe() && request.conduct.changes == Changes::kFile) {
        audit_written(request, status);
      }
      return;
    default:
      // Reading what one has no right to.
      if (is_error(status) && is_denial(status) && request.open && !request.open->is_pipe()) {
        write_line(request, AuditKind::kDenied, "read", path_of(request, *request.open), status);
      }
  }
}

void audit_logon(Connection& connection, const Session* session, std::string_view account,
                 NtStatus result) {
  LogonServices& logons = connection.server().logons;
  ++(is_error(result) ? logons.logons_failed : logons.logons_done);
  const FileServices& files = connection.server().files;
  if (!files.audit) return;
  AuditRecord record(files.clock.now(), "logon", name_of(result));
  const SessionSecurity* security = session ? session->security() : nullptr;
  if (security && security->user) {
    record.add("user", security->user->account_name).add("domain", security->user->domain);
  } else {
    record.add("user", account);
  }
  record.add("client", connection.peer_host());
  if (security) {
    record.add("machine", security->machine)
        .add("session", fmt::format("{:#x}", session->session_id.value))
        .add("method", security->method);
  }
  if (is_error(result)) record.add("check", "logon");
  files.audit->add(std::move(record).take());
}

}  // namespace braid::smb2
