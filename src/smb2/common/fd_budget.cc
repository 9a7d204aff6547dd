#include "smb2/common/fd_budget.h"

#include <algorithm>
#include <cerrno>

#include "base/fair_shares.h"
#include "base/guarded.h"
#include "smb2/common/limits.h"

namespace braid::smb2 {

struct FdShares {
  explicit FdShares(const FdDivision& its_division)
      : division(its_division),
        files(its_division.files),
        connections(Connections{FairShares<PeerAddress>(its_division.connections),
                                FairShares<PeerAddress>(its_division.strangers)}) {}

  struct Connections {
    FairShares<PeerAddress> all;
    FairShares<PeerAddress> strangers;
  };
  const FdDivision division;
  Guarded<FairShares<std::pair<wire::Sid, std::string>>> files;
  Guarded<Connections> connections;
};

FdDivision FdDivision::of(size_t descriptors) {
  FdDivision division;
  division.own = std::clamp<size_t>(descriptors / 8, kOwnDescriptorsMin, kOwnDescriptorsMax);
  const size_t rest = descriptors - std::min(descriptors, division.own);
  division.connections = rest / 4;
  division.strangers = division.connections / 2;
  division.strangers_per_address =
      std::clamp<size_t>(division.strangers / 4, 1, kStrangersPerAddressMax);
  division.files = rest - division.connections;
  return division;
}

FdBudget::FdBudget(size_t descriptors)
    : shares_(std::make_shared<FdShares>(FdDivision::of(descriptors))) {}

FdBudget::Files::Files(Files&& other) noexcept
    : shares_(std::move(other.shares_)),
      user_(std::move(other.user_)),
      count_(std::exchange(other.count_, 0)) {}

FdBudget::Files& FdBudget::Files::operator=(Files&& other) noexcept {
  if (this == &other) return *this;
  give_back(count_);
  shares_ = std::move(other.shares_);
  user_ = std::move(other.user_);
  count_ = std::exchange(other.count_, 0);
  return *this;
}

void FdBudget::Files::keep(size_t count) { give_back(count_ - std::min(count, count_)); }

void FdBudget::Files::give_back(size_t count) {
  if (count == 0) return;
  shares_->files.lock()->give_back(user_, count);
  count_ -= count;
}

Result<FdBudget::Files> FdBudget::take_files(const auth::Identity& user) {
  Files files;
  // Without root all accounts have one SID.
  files.user_ = {user.user_sid, user.account_name};
  if (!shares_->files.lock()->take(files.user_, kFilesPerOpenMax)) return fail_os(EMFILE);
  files.shares_ = shares_;
  files.count_ = kFilesPerOpenMax;
  return files;
}

FdBudget::Place::Place(Place&& other) noexcept
    : shares_(std::move(other.shares_)),
      address_(other.address_),
      is_stranger_(other.is_stranger_) {}

FdBudget::Place& FdBudget::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  shares_ = std::move(other.shares_);
  address_ = other.address_;
  is_stranger_ = other.is_stranger_;
  return *this;
}

void FdBudget::Place::user_known() {
  if (!shares_ || !std::exchange(is_stranger_, false)) return;
  shares_->connections.lock()->strangers.give_back(address_);
}

void FdBudget::Place::give_back() {
  if (!shares_) return;
  {
    auto connections = shares_->connections.lock();
    connections->all.give_back(address_);
    if (is_stranger_) connections->strangers.give_back(address_);
  }
  shares_.reset();
}

FdBudget::Place FdBudget::connect(const PeerAddress& address) {
  auto connections = shares_->connections.lock();
  if (connections->strangers.held_by(address) >= shares_->division.strangers_per_address) return {};
  if (!connections->strangers.take(address)) return {};
  if (!connections->all.take(address)) {
    connections->strangers.give_back(address);
    return {};
  }
  Place place;
  place.shares_ = shares_;
  place.address_ = address;
  place.is_stranger_ = true;
  return place;
}

}  // namespace braid::smb2
