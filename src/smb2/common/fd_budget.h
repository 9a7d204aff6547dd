// FdBudget: who may have how many of the worker's file descriptors.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "auth/identity.h"
#include "base/peer_address.h"
#include "base/result.h"

namespace braid::smb2 {

// How the descriptors of a process are divided; a function of RLIMIT_NOFILE alone.
struct FdDivision {
  size_t own = 0;          // the server's: shares, what a request opens for its time, reactors
  size_t connections = 0;  // of clients
  size_t strangers = 0;    // of these, before anyone has logged on
  size_t strangers_per_address = 0;
  size_t files = 0;  // opens of clients, kept ones too

  static FdDivision of(size_t descriptors);
};

// Opens are what a client can have most of, so connections and what the server needs for itself
// are set apart: whoever opens files to the last one cannot keep others from connecting, nor from
// their own files, as each user gets a fair share of those, and each address one of the
// connections (base/fair_shares.h). A connection takes from the part for strangers until somebody
// has logged on over it.
//
// Owned by the Server; places may outlive it. Thread: any.
class FdBudget {
 public:
  explicit FdBudget(size_t descriptors);

  // Room for the descriptors of one open, given back by the destructor.
  class Files {
   public:
    Files() = default;
    Files(Files&& other) noexcept;
    Files& operator=(Files&& other) noexcept;
    ~Files() { give_back(count_); }
    explicit operator bool() const { return count_ > 0; }
    // Gives back what is more than `count`.
    void keep(size_t count);

   private:
    friend class FdBudget;
    void give_back(size_t count);
    std::shared_ptr<struct FdShares> shares_;
    std::pair<wire::Sid, std::string> user_;
    size_t count_ = 0;
  };
  // The most that an open holds: a stream and its file, a directory and where its listing is.
  static constexpr size_t kFilesPerOpenMax = 2;
  // EMFILE: the user has his share, or there are none.
  Result<Files> take_files(const auth::Identity& user);

  // A connection's descriptor, given back by the destructor.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place() { give_back(); }
    explicit operator bool() const { return shares_ != nullptr; }
    // Somebody has logged on: it counts no more among strangers.
    void user_known();

   private:
    friend class FdBudget;
    void give_back();
    std::shared_ptr<FdShares> shares_;
    PeerAddress address_{};
    bool is_stranger_ = false;
  };
  // No place: there is none for this address.
  Place connect(const PeerAddress& address);

 private:
  std::shared_ptr<FdShares> shares_;
};

}  // namespace braid::smb2
