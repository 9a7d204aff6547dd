// [MS-SMB2] 3.3.5.7 "Receiving an SMB2 TREE_CONNECT Request".
#include "wire/smb2/tree_connect.h"

#include <algorithm>

#include "base/log.h"
#include "smb2/commands/commands.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/recycling.h"
#include "smb2/opens/work_owner.h"
#include "smb2/server.h"
#include "smb2/shares/admission.h"
#include "vfs/names.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

// The last part of "\\server\share".
Result<std::string_view> share_name(std::string_view path) {
  if (!path.starts_with("\\\\")) return fail(NtStatus::kInvalidParameter);
  path.remove_prefix(2);
  const size_t separator = path.find('\\');
  if (separator == std::string_view::npos) return fail(NtStatus::kInvalidParameter);
  path.remove_prefix(separator + 1);
  if (path.empty() || path.contains('\\')) return fail(NtStatus::kBadNetworkName);
  return path;
}

uint32_t maximal_access(const Share& share, bool may_only_read) {
  using wire::Access;
  if (share.type == ShareType::kPipe) return Access::kFileAllAccess;
  if (share.read_only || may_only_read) {
    return Access::kFileGenericRead | Access::kFileGenericExecute;
  }
  return Access::kFileAllAccess;
}

// Of all sessions, through this and earlier configurations. REQUIRES: Server::places is held.
size_t connections_to(const SessionTable& sessions, const Share& share) {
  size_t count = 0;
  for (const auto& session : sessions.all()) {
    count += static_cast<size_t>(std::ranges::count_if(session->trees(), [&](const auto& tree) {
      return vfs::equal_folded(tree->share->name, share.name);
    }));
  }
  return count;
}

// From now on requests may name the tree. One for which there is no place is never to be found.
NtStatus add_tree(const Request& request, const std::shared_ptr<TreeConnect>& tree) {
  const Share& share = *tree->share;
  const auto add = [&] {
    return request.session->add_tree(tree) ? NtStatus::kSuccess : NtStatus::kInsufficientResources;
  };
  if (share.max_connections == 0) return add();
  const std::scoped_lock lock(request.server.places);
  if (connections_to(request.logons.session_table, share) < share.max_connections) return add();
  log::info("{}: share '{}' has its {} connections, '{}' is refused",
            request.connection->peer_host(), share.name, share.max_connections,
            request.principal.identity->account_name);
  return NtStatus::kRequestNotAccepted;
}

}  // namespace

Task<Result<Reply>> handle_tree_connect(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto connect, wire::TreeConnectRequest::decode(reader));
  const Negotiated& negotiated = request.connection->negotiated;
  Session& session = *request.session;
  const SessionSecurity& security = *session.security();
  // The key depends on every byte of NEGOTIATE: this is where a change to those is noticed.
  const bool is_proven = request.signature_verified || request.is_encrypted;
  if (negotiated.dialect == wire::Dialect::kSmb311 && security.has_session_key && !is_proven) {
    request.connection->disconnect();
    co_return fail(NtStatus::kAccessDenied);
  }

  BRAID_CO_TRY(const std::string_view name, share_name(connect.path));
  const auto entry = request.server.settings.shares()->entry(name);
  if (!entry) {
    log::info("{}: there is no share '{}'", request.connection->peer_host(), name);
    co_return fail(NtStatus::kBadNetworkName);
  }
  if (const auto reaches = check_reaches(request.principal, entry->type(), entry->rules().guest);
      !reaches) {
    log::info("{}: share '{}' refuses who has no account: it has no guest = true",
              request.connection->peer_host(), entry->name());
    co_return fail(reaches.error());
  }
  if (entry->encrypts_data() &&
      (negotiated.cipher == crypto::Cipher::kNone || !security.encryption_key)) {
    log::info("{}: share '{}' wants encryption and the client has none",
              request.connection->peer_host(), entry->name());
    request.refused_by = "encryption";
    co_return fail(NtStatus::kAccessDenied);
  }
  if (!request.connection->comes_from(entry->rules().hosts)) {
    request.refused_by = "hosts";
    log::info("{}: share '{}' refuses '{}': its hosts do not name this address",
              request.connection->peer_host(), entry->name(),
              request.principal.identity->account_name);
    co_return fail(NtStatus::kAccessDenied);
  }
  // Where the folder is now is the disk's to say, which may hang.
  request.seat.belong_to(work_of(*request.principal.identity, entry->name()));
  if (entry->type() == ShareType::kDisk) BRAID_CO_CHECK(co_await request.seat.turn());
  const Admission admission = admission_of(entry->rules(), *request.principal.identity);
  if (!admission.is_admitted) {
    request.refused_by = "allow";
    log::info("{}: share '{}' refuses '{}': its allow names neither the user nor a group of it",
              request.connection->peer_host(), entry->name(),
              request.principal.identity->account_name);
    co_return fail(NtStatus::kAccessDenied);
  }
  BRAID_CO_TRY(const std::shared_ptr<const Share> share,
               entry->connect(request.principal.identity->is_guest
                                  ? std::string()
                                  : request.principal.identity->account_name));

  // As if nothing had been open it would be served without them.
  if (share->continuous_availability && !share->persistent) {
    log::error(
        "{}: share '{}' is absent, as its persistent handles are not known; why was said "
        "when the configuration was read: mend that, and have it read again with braidctl "
        "reload",
        request.connection->peer_host(), share->name);
    co_return fail(NtStatus::kBadNetworkName);
  }

  const TreeId id = session.next_tree_id();
  auto tree = std::make_shared<TreeConnect>(id, share, maximal_access(*share, admission.read_only),
                                            admission.read_only);
  tree->memory = std::move(request.lasting_memory);
  tree->connected_at = request.logons.clock.now();
  if (const NtStatus status = add_tree(request, tree); status != NtStatus::kSuccess) {
    if (status == NtStatus::kRequestNotAccepted) request.refused_by = "max_connections";
    co_return fail(status);
  }
  // A reload that came meanwhile has not seen it. The client may have used it: it may guess the id.
  if (!request.server.may_stay(session, *tree)) {
    session.remove_tree(id);
    if (tree->begin_close()) co_await request.files.close_tree(request.session, tree);
    co_return fail(NtStatus::kAccessDenied);
  }
  if (!security.has_session_key && share->type == ShareType::kDisk) {
    log::info("{}: a guest uses share '{}'", request.connection->peer_host(), share->name);
  }
  begin_sweep(request.files, share);
  request.tree_connect = tree;
  request.reply_tree_id = id;

  wire::TreeConnectResponse response;
  response.share_type =
      share->type == ShareType::kPipe ? wire::ShareType::kPipe : wire::ShareType::kDisk;
  response.share_flags = wire::ShareFlags::kManualCaching;
  if (share->encrypt && negotiated.is_smb3()) {
    response.share_flags |= wire::ShareFlags::kEncryptData;
  }
  // Share.CompressData: clients then compress whatever they write, and ask for what they read.
  if (share->compress == config::Compress::kAlways && share->type == ShareType::kDisk &&
      negotiated.compression.is_on()) {
    response.share_flags |= wire::ShareFlags::kCompressData;
  }
  if (share->hide_unreadable) {
    response.share_flags |= wire::ShareFlags::kAccessBasedDirectoryEnum;
  }
  if (share->persistent && negotiated.is_smb3()) {
    response.capabilities |= wire::ShareCapabilities::kContinuousAvailability;
  }
  // [MS-SMB2] 3.3.5.7. Every node of a cluster serves every share, each as well as the others: it
  // is never asymmetric.
  if (share->type == ShareType::kDisk && negotiated.is_smb3() &&
      (share->scale_out || !request.server.settings.server()->cluster.empty())) {
    response.capabilities |= wire::ShareCapabilities::kScaleout;
  }
  // [MS-SMB2] 3.3.5.7: whoever watches the share's address finds a witness for that.
  if (share->type == ShareType::kDisk && negotiated.is_smb3() &&
      request.server.settings.server()->witness) {
    response.capabilities |= wire::ShareCapabilities::kCluster;
  }
  response.maximal_access = tree->maximal_access;
  co_return reply_with(response);
}

// [MS-SMB2] 3.3.5.8 "Receiving an SMB2 TREE_DISCONNECT Request".
Task<Result<Reply>> handle_tree_disconnect(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_CHECK(wire::TreeDisconnectRequest::decode(reader));
  const auto tree = request.session->remove_tree(request.tree_connect->tree_id);
  if (!tree || !tree->begin_close()) co_return fail(NtStatus::kNetworkNameDeleted);
  co_await request.files.close_tree(request.session, tree);
  co_return reply_with(wire::TreeDisconnectResponse{});
}

}  // namespace braid::smb2
