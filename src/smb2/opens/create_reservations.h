// CreateReservations: of all CREATEs with one CreateGuid, one is under way.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "runtime/one_shot.h"
#include "smb2/opens/create_key.h"
#include "smb2/opens/open_table.h"

namespace braid::smb2 {

// A CREATE with a CreateGuid that has not been answered.
struct PendingCreate {
  // Waits, for as long as is known, only for others to give up handles that do not share the file.
  std::atomic<bool> waits_for_sharing = false;
  OneShot<bool> over;  // set when its answer is known
};

// Owned by the Server. Thread: any; no call blocks.
class CreateReservations {
 public:
  explicit CreateReservations(const OpenTable& opens) : opens_(opens) {}

  // [MS-SMB2] 3.3.5.9 "Receiving an SMB2 CREATE Request", Create Context Validation, and
  // 3.3.5.9.10: what a CREATE with a CreateGuid meets. One of them.
  class Reservation;
  struct Replay;
  Replay find_or_reserve(const CreateKey& key);

 private:
  using Pending = std::unordered_map<CreateKey, std::shared_ptr<PendingCreate>>;

  void release(const CreateKey& key, const PendingCreate* pending);

  const OpenTable& opens_;
  Guarded<Pending, LockRank::kCreates> pending_;
};

// The right to be the one CREATE under way with its key; given up by the destructor, whatever
// becomes of the request. The Open is in the OpenTable before. Not to outlive the reservations.
class CreateReservations::Reservation {
 public:
  Reservation() = default;
  Reservation(CreateReservations& all, const CreateKey& key, std::shared_ptr<PendingCreate> pending)
      : all_(&all), key_(key), pending_(std::move(pending)) {}
  Reservation(Reservation&& other) noexcept
      : all_(other.all_), key_(other.key_), pending_(std::move(other.pending_)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(key_, other.key_);
    std::swap(pending_, other.pending_);
    return *this;
  }
  ~Reservation() {
    if (pending_) all_->release(key_, pending_.get());
  }
  PendingCreate* operator->() const { return pending_.get(); }
  explicit operator bool() const { return pending_ != nullptr; }

 private:
  CreateReservations* all_ = nullptr;
  CreateKey key_;
  std::shared_ptr<PendingCreate> pending_;
};

struct CreateReservations::Replay {
  OpenTable::Replayable made;              // by that CREATE, and not used since
  std::shared_ptr<PendingCreate> pending;  // that CREATE is under way
  Reservation reservation;                 // nothing; the caller's CREATE is the one now
};

}  // namespace braid::smb2
