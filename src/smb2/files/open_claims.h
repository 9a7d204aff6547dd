// Disconnected opens on their way to a session of this worker, whichever worker keeps them.
// [MS-SMB2] 3.3.5.9.7 and 3.3.5.9.12 find an open by its FileId alone, so a client with another
// ClientGuid, and thus another worker, may come back for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "filestate/file_table.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/files/claim_rules.h"
#include "smb2/opens/preserved_open.h"
#include "smb2/workers/questions.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

class FileServices;

// The answer to a ClaimQuestion. An offer comes with the descriptor, and is a question: what became
// of it?
struct ClaimAnswer {
  enum class Kind : uint8_t {
    kNone,     // not this worker
    kOffer,    // here it is
    kNoRoom,   // this worker, but it cannot be handed over now
    kRefused,  // this worker, and it is not the asker's
  };
  Kind kind = Kind::kNone;
  NtStatus refusal = NtStatus::kSuccess;
  Bytes open;  // of an offer: preserved_open_codec.h

  void encode(wire::Writer& w) const;
  static Result<ClaimAnswer> decode(wire::Reader& r);
};

// The answer to an offer.
struct ClaimEnd {
  enum class Fate : uint8_t { kTaken = 1, kGivenBack, kClosed };
  Fate fate{};

  void encode(wire::Writer& w) const { w.value(fate); }
  static Result<ClaimEnd> decode(wire::Reader& r);
};

// What a claim of another worker's open does, step by step. The keeper judges whose it is, as it
// does for its own clients; it claims what is the asker's, which keeps everyone else away, and
// sends it with its descriptor. The claimant waits for nobody's turn before it takes it over in
// filestate, which is one change of a record that both share, and says what became of it. Each may
// die between any two steps: the keeper of a claim without an answer finds in filestate whether the
// open was taken, and an open whose new worker dies is dropped like all of its opens.
struct OpenClaim {
  PreservedOpen open;
  // The keeper's offer; null when the keeper is this worker.
  Questions::Answer offer;
  // What of what it caches it may keep, as local programs are: files/local_access.h.
  filestate::Caching kept = filestate::Caching::kReadWriteHandle;
};

// Topic::kClaims. Owned by FileServices. Thread: any.
class OpenClaims {
 public:
  OpenClaims(FileServices& files, OtherWorkers& workers);

  // Once whoever else is about to do something with the open is done. Nothing: there is no such
  // open without a session. An error of judge_claim(): it is not the asker's, and nothing has
  // happened. STATUS_INSUFFICIENT_RESOURCES: this worker or the other has no room for handing it
  // over; it stays where it is. Each claim ends with take() or one of the two below it, and until
  // then waits for no turn on the pool. Continues on some thread of the worker pool, as the others
  // do: `seat` is only waited with for what others do with the open, before it is claimed.
  Task<Result<std::optional<OpenClaim>>> claim(ClaimQuestion asked, WorkerPool::Seat& seat);
  // filestate gives it to `session`. False: it has given it up, and the claim is to be given back.
  bool take(OpenClaim& claim, SessionId session);
  void give_back(OpenClaim claim);
  // Its file has changed, so nobody may have it.
  Task<void> close(OpenClaim claim);

 private:
  Task<Result<std::optional<PreservedOpen>>> claim_here(const ClaimQuestion& asked,
                                                        WorkerPool::Seat& seat);
  // An earlier life of the server had it. Nothing: its file is not there any more.
  Task<Result<std::optional<PreservedOpen>>> with_its_file(PreservedOpen open);
  // Before anybody looks whether the file is what it was.
  void see_to_local_programs(OpenClaim& claim);
  void keep_only(const OpenClaim& claim);
  Result<OpenClaim> accept(Questions::Answer offer, ByteView open);
  void tell(const Questions::Answer& offer, ClaimEnd::Fate fate);
  void keep(PreservedOpen open);
  // The keeper's part. Returns when it is known what became of the open, or that there is none.
  Task<void> offer(Question question);

  FileServices& files_;
  OtherWorkers& workers_;
  Questions questions_;
};

}  // namespace braid::smb2
