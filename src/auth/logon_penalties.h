// LogonPenalties: when the next attempt to log on is judged.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/recent_table.h"
#include "base/clock.h"
#include "base/guarded.h"

namespace braid::auth {

// Whose attempt it is.
struct LogonClaim {
  std::string address;      // of the client, as text; IPv6 counts by /64
  std::string account;      // as the client claims; empty: no name, as with Kerberos
  uint64_t connection = 0;  // keeps those without a name apart
};

// Passwords are guessed as fast as a server judges them, so an attempt counts before it is judged:
// failures and attempts under way together stay within the allowance of its party (one account from
// one address) and of its address. Within them nobody waits for more than those under way. Beyond,
// one attempt after the other is judged, with a pause between them that grows; a few wait for their
// turn, the rest is refused without being judged. Parties of an address take turns, so that one
// misconfigured client holds up itself only; a party that logged on lately does not wait for its
// address. An account guessed at from many addresses makes them all wait a little, never for ever:
// nobody can lock an account. What has no name is counted by address, apart from what has.
//
// Nothing sleeps here: who waits holds no thread, and is woken. Owner: the worker, told of the
// others' (smb2/logons/logon_news.h). Thread: any.
class LogonPenalties {
 public:
  class Attempt;
  explicit LogonPenalties(const Clock& clock = system_clock());
  ~LogonPenalties();

  // Failures for nothing: a stored old password is tried once or twice by every client.
  static constexpr uint32_t kFreeFailures = 3;
  // Per address, over all of its users: a terminal server has many of them.
  static constexpr uint32_t kFreeAddressFailures = 30;
  // Per account, over all addresses: a service whose password has changed has that many clients.
  static constexpr uint32_t kFreeAccountFailures = 100;
  // The pause after the first failure too many; it doubles with each, up to these.
  static constexpr std::chrono::milliseconds kFirstPause{250};
  static constexpr std::chrono::milliseconds kPartyPauseMax{8'000};
  static constexpr std::chrono::milliseconds kAddressPauseMax{1'000};
  // A ticket cannot be guessed: this only keeps a flood of them off the pool.
  static constexpr std::chrono::milliseconds kNamelessPauseMax{125};
  static constexpr std::chrono::milliseconds kAccountPauseMax{4'000};
  static constexpr std::chrono::minutes kForgetAfter{10};
  // How long a party that logged on does not wait for its address and for its account's others.
  static constexpr std::chrono::hours kKnownFor{24};
  // Waiting beyond the allowance: so many, and none longer than that. Clients give up after a
  // minute, the first of them.
  static constexpr std::chrono::seconds kWaitMax{20};
  static constexpr size_t kPartyWaitingMax = 2;
  static constexpr size_t kAddressWaitingMax = 16;
  // Waiting within it, for those under way: clients of a network that comes back, all at once. Of
  // an address, and of all.
  static constexpr size_t kCrowdMax = 4'096;
  static constexpr size_t kWaitingMax = 65'536;
  // Names remembered, of each kind. About 300 bytes each.
  static constexpr size_t kNamesMax = 10'000;
  // What is kept of a name, in bytes: longer ones are no account's.
  static constexpr size_t kNameMax = 64;

  enum class Turn : uint8_t { kJudge, kWait, kRefuse };
  struct Answer {
    Turn turn = Turn::kRefuse;
    std::chrono::milliseconds after{};  // with kWait: ask again then, if nothing woke it before
  };

  // What another worker says of its attempts.
  enum class News : uint8_t { kFailed, kSucceeded, kFailedNotAfterAll };
  void hear(const LogonClaim& claim, News news);

  // Who has to wait now, for administrators: an address, or one account from it.
  struct Penalty {
    std::string address;  // in numbers; IPv6 with /64 behind it
    std::string account;  // in upper case; empty: all that comes from the address
    uint32_t failures = 0;
    std::chrono::milliseconds wait{};  // until the next attempt is judged
  };
  // The latest, `count_max` at most.
  std::vector<Penalty> penalties(size_t count_max) const;

  size_t names() const;    // for tests
  size_t waiting() const;  // for tests

 private:
  struct Party;
  struct Address;
  struct Account;
  struct Place;
  struct State;

  const Clock& clock_;
  const std::unique_ptr<Guarded<State>> state_;
};

// One attempt, from before it is judged until its outcome. Owner: the request. Thread: one at a
// time. An attempt that was judged and of which nothing is said has failed.
class LogonPenalties::Attempt {
 public:
  // `penalties` outlives it.
  Attempt(LogonPenalties& penalties, const LogonClaim& claim);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Whether it is its turn. kWait: `wake` is called when it is worth asking again, once, by any
  // thread and without a lock. REQUIRES: was not answered with kJudge or kRefuse before.
  Answer ask(std::function<void()> wake);
  // It was right, and the account is this one. REQUIRES: kJudge.
  void succeeded(std::string_view account);
  // It was not wrong, and is not over: another leg decides. REQUIRES: kJudge.
  void goes_on();
  // Whether it is judged beyond the allowance, so that other workers have to know before.
  bool is_beyond_allowance() const;

 private:
  void end(const std::string& account);

  LogonPenalties& penalties_;
  const std::shared_ptr<Place> place_;
};

}  // namespace braid::auth
