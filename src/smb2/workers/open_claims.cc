#include "smb2/workers/open_claims.h"

#include "base/log.h"
#include "smb2/files/durable.h"
#include "smb2/files/file_services.h"
#include "smb2/opens/preserved_open_codec.h"
#include "smb2/workers/siblings.h"

namespace braid::smb2 {
namespace {

// What became of an offered open: the one byte of the answer to an offer.
enum class Fate : uint8_t { kTaken = 1, kGivenBack, kClosed };

void tell(FileServices& files, const OpenClaim& claim, Fate fate) {
  const auto byte = static_cast<uint8_t>(fate);
  files.siblings().answer_claim(*claim.offer, {&byte, 1});
}

Task<std::optional<PreservedOpen>> claim_here(FileServices& files, uint64_t persistent_id,
                                              WorkerPool::Seat& seat) {
  for (;;) {
    OpenTable::Claim claim = files.open_table.claim(persistent_id);
    if (claim.open || !claim.try_again) co_return std::move(claim.open);
    co_await claim.try_again->wait(seat);
  }
}

void keep(FileServices& files, PreservedOpen open) {
  files.open_table.give_back(std::move(open));
  files.arm_scavenger();
}

}  // namespace

Task<std::optional<OpenClaim>> claim_open(FileServices& files, uint64_t persistent_id,
                                          WorkerPool::Seat& seat) {
  if (auto here = co_await claim_here(files, persistent_id, seat)) {
    co_return OpenClaim{.open = std::move(*here), .offer = nullptr};
  }
  auto offer = co_await files.siblings().claim_open(persistent_id, seat);
  if (!offer) co_return std::nullopt;
  co_await seat.schedule();
  auto open = decode_preserved_open(offer->payload, std::move(offer->fd), *files.settings.shares());
  if (open && open->owner) open->descriptors = files.fds.count_in(*open->owner);
  OpenClaim claim{.open = {}, .offer = std::move(offer)};
  if (!open) {
    log::warn("open {} of another worker: {}", persistent_id, open.error().message());
    tell(files, claim, Fate::kGivenBack);
    co_return std::nullopt;
  }
  claim.open = std::move(*open);
  co_return std::move(claim);
}

bool take(FileServices& files, OpenClaim& claim, SessionId session) {
  if (!claim.offer) return files.file_table.reconnect(claim.open.ref(), session);
  const FileId moved{claim.open.file_id.persistent, files.file_ids.next().volatile_id};
  if (!files.file_table.take_over(claim.open.ref(), filestate::OpenToken{moved.volatile_id},
                                  session)) {
    return false;
  }
  claim.open.file_id = moved;
  tell(files, claim, Fate::kTaken);
  return true;
}

void give_back(FileServices& files, OpenClaim claim) {
  if (claim.offer) return tell(files, claim, Fate::kGivenBack);
  keep(files, std::move(claim.open));
}

Task<void> close_claim(FileServices& files, OpenClaim claim) {
  if (claim.offer) {
    tell(files, claim, Fate::kClosed);
    co_return;
  }
  co_await close_claimed(files, std::move(claim.open));
}

Task<void> offer_open(FileServices& files, Questions& claims, store::WorkerTag to, uint64_t number,
                      uint64_t persistent_id) {
  WorkerPool::Seat seat(files.pool, {});
  auto open = co_await claim_here(files, persistent_id, seat);
  if (!open) co_return;
  const int descriptor = descriptor_of(*open);
  Questions::Answer answer;
  if (descriptor >= 0) {
    answer = co_await claims.answer_and_ask(to, number, encode(*open), seat, descriptor);
  }
  co_await seat.schedule();
  auto fate = answer && !answer->payload.empty() ? static_cast<Fate>(answer->payload[0]) : Fate{};
  if (fate == Fate{}) {
    // The claimant has ended, or never began.
    fate = files.file_table.is_disconnected(open->ref()) ? Fate::kGivenBack : Fate::kTaken;
  }
  switch (fate) {
    case Fate::kTaken:
      log::debug("open {} is another worker's now", persistent_id);
      co_return files.open_table.moved_away(std::move(*open));
    case Fate::kGivenBack:
      co_return keep(files, std::move(*open));
    case Fate::kClosed:
      co_return co_await close_claimed(files, std::move(*open));
  }
}

}  // namespace braid::smb2
