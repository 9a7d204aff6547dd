#include "smb2/files/open_claims.h"

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "smb2/common/store_account.h"
#include "smb2/files/durable.h"
#include "smb2/files/file_services.h"
#include "smb2/files/local_access.h"
#include "smb2/opens/preserved_open_codec.h"
#include "smb2/persistent/restore_open.h"
#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {
namespace {

bool is_lack_of_room(const Error& error) {
  return error.is_os(EMFILE) || error.is_os(ENFILE) || error.is_os(ENOMEM);
}

}  // namespace

void ClaimAnswer::encode(wire::Writer& w) const {
  w.value(kind);
  w.value(refusal);
  w.bytes(open);
}

Result<ClaimAnswer> ClaimAnswer::decode(wire::Reader& r) {
  ClaimAnswer answer;
  answer.kind = r.as<Kind>();
  r.expect(answer.kind <= Kind::kRefused);
  answer.refusal = r.as<NtStatus>();
  r.expect((answer.refusal != NtStatus::kSuccess) == (answer.kind == Kind::kRefused));
  const ByteView open = r.rest();
  r.expect(open.empty() == (answer.kind != Kind::kOffer));
  answer.open.assign(open.begin(), open.end());
  return r.finish(std::move(answer));
}

Result<ClaimEnd> ClaimEnd::decode(wire::Reader& r) {
  const ClaimEnd end{r.as<Fate>()};
  r.expect(end.fate >= Fate::kTaken && end.fate <= Fate::kClosed);
  return r.finish(end);
}

OpenClaims::OpenClaims(FileServices& files, OtherWorkers& workers)
    : files_(files),
      workers_(workers),
      questions_(workers, store::Topic::kClaims,
                 [this](Question question) { files_.spawn(offer(std::move(question))); }) {}

Task<Result<std::optional<PreservedOpen>>> OpenClaims::claim_here(const ClaimQuestion& asked,
                                                                  WorkerPool::Seat& seat) {
  bool is_second_look = false;
  for (;;) {
    OpenTable::Look look = files_.open_table.look_at(asked.persistent_id);
    if (look.open) {
      const NtStatus status = judge_claim(files_, asked, *look.open);
      if (status != NtStatus::kSuccess) co_return fail(status);
      if (auto claim = files_.open_table.claim(asked.persistent_id); claim.open) {
        co_return co_await with_its_file(std::move(*claim.open));
      }
      continue;  // somebody was faster
    }
    auto until = look.try_again;
    // Its client has ended the connection and is back before that was noticed.
    if (!until && look.connected) {
      until = loss_under_way(*std::exchange(look.connected, nullptr), asked.client, asked.user_id);
      // Or that was over between the look and the question.
      if (!until && !std::exchange(is_second_look, true)) continue;
    }
    if (!until) co_return std::nullopt;
    co_await until->wait(seat);
  }
}

Task<Result<std::optional<PreservedOpen>>> OpenClaims::with_its_file(PreservedOpen open) {
  const auto opened = open_file(files_.file_table, files_.fds, open);
  if (opened) co_return std::move(open);
  const Error& why = opened.error();
  if (why.is_os(ENOENT) || why.is_os(ESTALE) || why.is_os(ENOTDIR)) {
    log::warn("share '{}': the persistent open of '{}' by {} is lost: {}", open.share->name,
              open.changes.path.text(), open.owner->account_name, why.message());
    co_await close_claimed(files_, std::move(open));
    co_return std::nullopt;
  }
  keep(std::move(open));
  co_return is_lack_of_room(why) ? fail(NtStatus::kInsufficientResources) : std::unexpected(why);
}

void OpenClaims::keep(PreservedOpen open) {
  files_.open_table.give_back(std::move(open));
  files_.arm_scavenger();
}

void OpenClaims::tell(const Questions::Answer& offer, ClaimEnd::Fate fate) {
  questions_.answer(*offer, bytes_of(ClaimEnd{fate}));
}

Task<Result<std::optional<OpenClaim>>> OpenClaims::claim(ClaimQuestion asked,
                                                         WorkerPool::Seat& seat) {
  BRAID_CO_TRY(auto here, co_await claim_here(asked, seat));
  if (here) {
    OpenClaim claim{.open = std::move(*here), .offer = nullptr};
    see_to_local_programs(claim);
    co_return std::move(claim);
  }
  // From an offer on others may wait for this: it is not queued behind what its user waits with.
  WorkerPool::Seat at_once(files_.pool, {});
  // The one that made it first; it may have moved since, and nobody keeps a list.
  const size_t first = store::WorkerTag::of(asked.persistent_id).index();
  for (const size_t worker : workers_.indexes(first)) {
    BRAID_CO_TRY(auto said, co_await questions_.ask(worker, bytes_of(asked), at_once));
    if (!said) continue;
    wire::Reader r(said->payload);
    const auto answer = ClaimAnswer::decode(r);
    if (!answer || answer->kind == ClaimAnswer::Kind::kNone) continue;
    if (answer->kind == ClaimAnswer::Kind::kRefused) co_return fail(answer->refusal);
    if (answer->kind == ClaimAnswer::Kind::kNoRoom) {
      co_return fail(NtStatus::kInsufficientResources);
    }
    co_await at_once.schedule();
    auto accepted = accept(said, answer->open);
    if (accepted) co_return std::move(*accepted);
    log::debug("open {} of another worker: {}", asked.persistent_id, accepted.error().message());
    tell(said, ClaimEnd::Fate::kGivenBack);
    if (is_lack_of_room(accepted.error())) co_return fail(NtStatus::kInsufficientResources);
    break;
  }
  co_return std::nullopt;
}

Result<OpenClaim> OpenClaims::accept(Questions::Answer offer, ByteView bytes) {
  if (offer->is_fd_lost) return fail_os(EMFILE);
  BRAID_TRY(auto open,
            decode_preserved_open(bytes, std::move(offer->fd), *files_.settings.shares()));
  // As a CREATE takes them.
  if (!open.owner) return fail(Error::malformed());
  BRAID_TRY(open.descriptors, files_.fds.take_files(*open.owner));
  if (!open.attributes.is_directory && !open.attributes.is_stream) open.descriptors.keep(1);
  OpenClaim claim{.open = std::move(open), .offer = std::move(offer)};
  see_to_local_programs(claim);
  return claim;
}

void OpenClaims::see_to_local_programs(OpenClaim& claim) {
  PreservedOpen& open = claim.open;
  if (open.local_watch) return;
  const filestate::Caching caching = files_.file_table.caching_of(open.ref());
  if (!filestate::any(caching) && !open.lease_key) return;
  LocalAccessTerms terms = smb2::see_to_local_programs(
      files_, *open.share, open.attributes.file_key, *open.file, caching, account_of(open.owner));
  open.local_watch = std::move(terms.watch);
  claim.kept = terms.kept;
}

void OpenClaims::keep_only(const OpenClaim& claim) {
  const filestate::Caching all = filestate::Caching::kReadWriteHandle;
  if (filestate::is_subset(files_.file_table.caching_of(claim.open.ref()), claim.kept)) return;
  files_.file_table.take_for_local(claim.open.attributes.file_key, all - claim.kept);
}

bool OpenClaims::take(OpenClaim& claim, SessionId session) {
  if (!claim.offer) {
    if (!files_.file_table.reconnect(claim.open.ref(), session)) return false;
    keep_only(claim);
    return true;
  }
  const FileId moved{claim.open.file_id.persistent, files_.file_ids.next().volatile_id};
  if (!files_.file_table.take_over(claim.open.ref(), filestate::OpenToken{moved.volatile_id},
                                   session)) {
    return false;
  }
  claim.open.file_id = moved;
  keep_only(claim);
  tell(claim.offer, ClaimEnd::Fate::kTaken);
  return true;
}

void OpenClaims::give_back(OpenClaim claim) {
  if (claim.offer) return tell(claim.offer, ClaimEnd::Fate::kGivenBack);
  keep(std::move(claim.open));
}

Task<void> OpenClaims::close(OpenClaim claim) {
  if (claim.offer) {
    tell(claim.offer, ClaimEnd::Fate::kClosed);
    co_return;
  }
  co_await close_claimed(files_, std::move(claim.open));
}

Task<void> OpenClaims::offer(Question question) {
  WorkerPool::Seat seat(files_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  const auto asked = ClaimQuestion::decode(r);
  std::optional<PreservedOpen> open;
  if (asked) {
    auto claimed = co_await claim_here(*asked, seat);
    if (!claimed) {
      const ClaimAnswer refused{
          .kind = ClaimAnswer::Kind::kRefused, .refusal = claimed.error().status(), .open = {}};
      co_return questions_.answer(question, bytes_of(refused));
    }
    open = std::move(*claimed);
    // This worker's log has it, as it has all of its own clients' and of nobody else.
    if (open && FileServices::is_recorded(*open)) {
      keep(std::move(*open));
      open.reset();
    }
  }
  const int descriptor = open ? descriptor_of(*open) : -1;
  if (descriptor < 0) {
    questions_.answer(question, bytes_of(ClaimAnswer{}));
    if (open) keep(std::move(*open));
    co_return;
  }
  const ClaimAnswer here{.kind = ClaimAnswer::Kind::kOffer, .open = encode(*open)};
  const auto answer = co_await questions_.answer_and_ask(question.from, question.number,
                                                         bytes_of(here), seat, descriptor);
  co_await seat.schedule();
  ClaimEnd end;
  if (answer && *answer) {
    wire::Reader said((*answer)->payload);
    end = ClaimEnd::decode(said).value_or(ClaimEnd{});
  }
  if (!answer) {
    questions_.answer(question,
                      bytes_of(ClaimAnswer{.kind = ClaimAnswer::Kind::kNoRoom, .open = {}}));
    end.fate = ClaimEnd::Fate::kGivenBack;
  } else if (end.fate == ClaimEnd::Fate{}) {
    // The claimant has ended, or never began.
    end.fate = files_.file_table.is_disconnected(open->ref()) ? ClaimEnd::Fate::kGivenBack
                                                              : ClaimEnd::Fate::kTaken;
  }
  switch (end.fate) {
    case ClaimEnd::Fate::kTaken:
      log::debug("open {} is another worker's now", asked->persistent_id);
      co_return files_.open_table.moved_away(std::move(*open));
    case ClaimEnd::Fate::kGivenBack:
      co_return keep(std::move(*open));
    case ClaimEnd::Fate::kClosed:
      co_return co_await close_claimed(files_, std::move(*open));
  }
}

}  // namespace braid::smb2
