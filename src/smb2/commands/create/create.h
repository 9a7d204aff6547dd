// The parts of CREATE. [MS-SMB2] 3.3.5.9 "Receiving an SMB2 CREATE Request".
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "base/result.h"
#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "smb2/files/open_claims.h"
#include "smb2/opens/create_reservations.h"
#include "smb2/opens/open.h"
#include "smb2/security/evaluate.h"
#include "vfs/vfs.h"
#include "wire/fscc/full_ea.h"
#include "wire/smb2/create.h"

namespace braid::smb2 {

// A CREATE on its way, after its request was checked. Lives in handle_create.
struct CreateState {
  wire::CreateRequest create;
  vfs::PathAndStream name;
  bool is_quota_file = false;     // quota_file.h
  bool is_posix = false;          // asked for and to be had: OpenAttributes::is_posix
  FileId file_id;                 // the one it will have; also its filestate token
  std::vector<wire::FullEa> eas;  // for a file that is made or overwritten
  FdBudget::Files descriptors;    // for the Open
  // Of the CreateGuid, while the request is under way.
  CreateReservations::Reservation reservation;
  // A CREATE with the same CreateGuid whose turn is first.
  std::shared_ptr<PendingCreate> behind;

  // Filled by the attempt that succeeds.
  std::shared_ptr<Open> open;
  wire::CreateAction action = wire::CreateAction::kOpened;
  vfs::Attributes attributes;  // as they are after the open
  uint32_t maximal_access = 0;
  // A guard of the file that is in the way is broken for this, and no local program.
  std::shared_ptr<const void> opening;
  filestate::OpenDecision caching;
  DurableTerms terms;  // granted
};

// create_checks.cc: everything that can be said without looking at the file system.
Result<void> check_create(const Request& request, const wire::CreateRequest& create);
// create_checks.cc: contexts that exclude each other.
Result<void> check_contexts(const wire::CreateRequestContexts& contexts);

// create_reconnect.cc: the whole of a CREATE with DHnC or DH2C. STATUS_OBJECT_NAME_NOT_FOUND,
// STATUS_INVALID_PARAMETER, STATUS_ACCESS_DENIED.
Task<Result<Reply>> reconnect(Request& request, CreateState& state);
// The same file: whether a disconnected open may be had through the request's tree.
// STATUS_OBJECT_NAME_NOT_FOUND: it is another share. STATUS_ACCESS_DENIED: the open has more
// rights.
NtStatus check_tree(const Request& request, const PreservedOpen& open);
// The same file: what a maximal access context tells who asks for it now, [MS-SMB2] 3.3.5.9.5, of
// an open that an earlier CREATE made. REQUIRES: on the pool.
uint32_t maximal_access_now(Request& request, const CreateState& state, const Open& open);
// The same file: gives a claimed open to the request's session, and its state to `state` for the
// answer. False: filestate has given it up, and it is given back. STATUS_INSUFFICIENT_RESOURCES,
// STATUS_FILE_CLOSED: the session or tree is ending. REQUIRES: on the pool.
Task<Result<bool>> take_back(Request& request, CreateState& state, OpenClaim claim);

// create_replay.cc: the answer to a CREATE whose CreateGuid has an open that nothing was done with;
// one that lost its session with its connection comes into this one. No answer: it is a CREATE like
// any other. STATUS_DUPLICATE_OBJECTID, STATUS_ACCESS_DENIED, STATUS_FILE_NOT_AVAILABLE.
Task<Result<std::optional<Reply>>> answer_replay(Request& request, CreateState& state);

// create_app_instance.cc: closes the open that the same application had on another client.
// STATUS_FILE_FORCED_CLOSED.
Task<Result<void>> end_other_instance(Request& request, const CreateState& state);

// create_snapshot.cc: makes the request one for a previous version of the share when it asks for
// it. STATUS_OBJECT_NAME_NOT_FOUND.
Result<void> enter_snapshot(Request& request, CreateState& state);

// create_quota_file.cc: the name as the path of the Open, and nothing asked for that only a file on
// a disk can promise. STATUS_OBJECT_NAME_NOT_FOUND.
Result<void> name_quota_file(CreateState& state);

// create_file.cc: resolves, checks, opens or makes the file and hands it to create_finish.cc.
// A Reply: done. A FileKey: filestate said wait for that file, then try again. A OneShot: the same
// when it is set. Elsewhere: when what all machines know of that file is here.
struct Elsewhere {
  FileKey file;
};
using CreateOutcome =
    std::variant<Reply, Error, FileKey, std::shared_ptr<OneShot<bool>>, Elsewhere>;
CreateOutcome try_create(Request& request, CreateState& state);

// create_file.cc: whether it asks for nothing that may take a disk's time, if it opens what is
// there.
bool may_be_at_once(const Request& request, const wire::CreateRequest& create);
// The same file: opens what the kernel has in memory under its very name. Nothing: that takes a
// try_create(), which may wait. REQUIRES may_be_at_once(). Thread: a reactor.
std::optional<CreateOutcome> try_at_once(Request& request, CreateState& state);

// create_reply.cc
Reply create_reply(const Request& request, const CreateState& state);
// STATUS_STOPPED_ON_SYMLINK with where the link leads, from the first `components_consumed` of the
// path on.
Reply symlink_reply(const Request& request, const CreateState& state, std::string target,
                    size_t components_consumed);

}  // namespace braid::smb2
