// Disconnected opens on their way to a session of this worker, whichever worker keeps them.
// [MS-SMB2] 3.3.5.9.7 and 3.3.5.9.12 find an open by its FileId alone, so a client with another
// ClientGuid, and thus another worker, may come back for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/opens/preserved_open.h"
#include "smb2/workers/questions.h"

namespace braid::smb2 {

class FileServices;

// What a claim of another worker's open does, step by step. The keeper claims it, which keeps
// everyone else away, and sends it with its descriptor; the claimant judges it as one of its own
// and takes it over in filestate, which is one change of a record that both share, and says what
// became of it. Each may die between any two steps: the keeper of a claim without an answer finds
// in filestate whether the open was taken, and an open whose new worker dies is dropped like all of
// its opens.
struct OpenClaim {
  PreservedOpen open;
  // The keeper's offer; null when the keeper is this worker.
  Questions::Answer offer;
};

// Once whoever else is about to do something with the open is done. Nothing: there is no such open
// without a session. Each claim ends with take() or one of the two below it. Continues with `seat`;
// the others on some thread of the worker pool.
Task<std::optional<OpenClaim>> claim_open(FileServices& files, uint64_t persistent_id,
                                          WorkerPool::Seat& seat);
// filestate gives it to `session`. False: it has given it up, and the claim is to be given back.
bool take(FileServices& files, OpenClaim& claim, SessionId session);
void give_back(FileServices& files, OpenClaim claim);
// Its file has changed, so nobody may have it.
Task<void> close_claim(FileServices& files, OpenClaim claim);

// The keeper's part: the answer to the question `number` of the worker `to`. Returns when it is
// known what became of the open, or that there is none.
Task<void> offer_open(FileServices& files, Questions& claims, store::WorkerTag to, uint64_t number,
                      uint64_t persistent_id);

}  // namespace braid::smb2
