#include "auth/logon_penalties.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/printable.h"
#include "crypto/secret.h"
#include "wire/fold.h"

namespace braid::auth {
namespace {

using std::chrono::milliseconds;
using Instant = Clock::Instant;

// Waiting for others, whose end wakes it: should nothing do, it looks again.
constexpr milliseconds kLookAgain{1'000};

// An IPv6 host owns its /64.
std::string address_key(const std::string& text) {
  const auto address = IpAddress::parse(std::string_view(text).substr(0, text.find('%')));
  if (!address || address->is_v4()) return text;
  std::array<uint8_t, 16> network{};
  std::ranges::copy(address->bytes().first(8), network.begin());
  return IpAddress(network).to_string() + "/64";
}

std::string account_key(std::string_view account) {
  return wire::fold(cut_text(account, LogonPenalties::kNameMax));
}

milliseconds pause_after(uint32_t failures, uint32_t free, milliseconds pause_max) {
  if (failures < free) return milliseconds{0};
  const uint32_t steps = std::min(failures - free, 10u);
  return std::min(LogonPenalties::kFirstPause * (1u << steps), pause_max);
}

// The allowance of a party or of an address.
struct Counts {
  uint32_t failures = 0;
  uint32_t under_way = 0;
  Instant last{};  // failure
  Instant next{};  // beyond the allowance, not before

  void forgive(Instant now) {
    if (now - last > LogonPenalties::kForgetAfter) failures = 0;
  }
  bool is_beyond(uint32_t free) const { return failures >= free; }
  bool is_open(uint32_t free, Instant now) const {
    if (failures + under_way < free) return true;
    return under_way == 0 && now >= next;
  }
  void count_failure(uint32_t free, milliseconds pause_max, Instant now, bool of_another) {
    forgive(now);
    if (failures < UINT32_MAX) ++failures;
    last = now;
    milliseconds pause = pause_after(failures, free, pause_max);
    if (pause.count() == 0) return;
    if (of_another) {
      // Its worker first, and then not all of the others at one moment.
      uint8_t random = 0;
      crypto::random_bytes({&random, 1});
      pause += pause * random / 2048;
    }
    next = std::max(next, now + pause);
  }
};

}  // namespace

struct LogonPenalties::Party {
  Counts counts;
  Instant known_until{};
  std::deque<Place*> waiting;
  std::list<Party*>::iterator turn;  // in its address's rotation, while any wait

  bool is_pinned() const { return counts.under_way > 0 || !waiting.empty(); }
};

struct LogonPenalties::Address {
  Counts counts;
  std::list<Party*> rotation;  // those with attempts that wait; the next to be judged first
  size_t waiting = 0;
  size_t known_waiting = 0;

  bool is_pinned() const { return counts.under_way > 0 || waiting > 0; }
};

struct LogonPenalties::Account {
  Counts counts;
  size_t places = 0;  // waiting or under way

  bool is_pinned() const { return places > 0; }
};

struct LogonPenalties::Place {
  enum class Stage : uint8_t { kNew, kWaiting, kJudged, kRefused };

  std::string address_name;
  std::string party_name;
  std::string account_name;  // empty: no name
  milliseconds address_pause_max{};

  Stage stage = Stage::kNew;
  bool is_known = false;
  bool is_beyond = false;
  // From kWaiting to the end of kJudged, and pinned by it.
  Party* party = nullptr;
  Address* address = nullptr;
  Account* account = nullptr;  // null without a name
  Instant since{};
  std::function<void()> wake;

  // An account that is guessed at makes everybody wait, but who is known.
  Instant not_before() const {
    if (!account || is_known) return since;
    return since + pause_after(account->counts.failures + account->counts.under_way,
                               kFreeAccountFailures, kAccountPauseMax);
  }

  static std::shared_ptr<Place> of(const LogonClaim& claim) {
    auto place = std::make_shared<Place>();
    place->address_name = address_key(claim.address);
    place->account_name = account_key(claim.account);
    const bool has_name = !place->account_name.empty();
    place->party_name = place->address_name + '\n' +
                        (has_name ? place->account_name : '#' + std::to_string(claim.connection));
    if (!has_name) place->address_name += '#';
    place->address_pause_max = has_name ? kAddressPauseMax : kNamelessPauseMax;
    return place;
  }
};

struct LogonPenalties::State {
  RecentTable<Party> parties{kNamesMax};
  RecentTable<Address> addresses{kNamesMax};
  RecentTable<Account> accounts{kNamesMax};
  size_t waiting = 0;

  using Woken = std::vector<std::function<void()>>;

  void find(Place& place, Instant now) {
    place.party = &parties.use(place.party_name);
    place.address = &addresses.use(place.address_name);
    place.party->counts.forgive(now);
    place.address->counts.forgive(now);
    if (place.account_name.empty()) return;
    place.account = &accounts.use(place.account_name);
    place.account->counts.forgive(now);
  }

  void enqueue(Place& place, Instant now) {
    find(place, now);
    if (waiting >= kWaitingMax || place.address->waiting >= kCrowdMax) return refuse_new(place);
    place.is_known = now < place.party->known_until;
    place.since = now;
    if (place.account) ++place.account->places;
    place.stage = Place::Stage::kWaiting;
    Party& party = *place.party;
    auto& rotation = place.address->rotation;
    if (party.waiting.empty()) party.turn = rotation.insert(rotation.end(), &party);
    party.waiting.push_back(&place);
    ++waiting;
    ++place.address->waiting;
    if (place.is_known) ++place.address->known_waiting;
  }
  static void refuse_new(Place& place) {
    place.stage = Place::Stage::kRefused;
    place.party = nullptr;
    place.address = nullptr;
    place.account = nullptr;
  }

  // Out of the queues; whoever waits behind it has to look again.
  void leave_queue(Place& place, Woken& woken) {
    auto& queue = place.party->waiting;
    if (queue.back() == &place) {
      queue.pop_back();
    } else {
      std::erase(queue, &place);
    }
    if (queue.empty()) {
      place.address->rotation.erase(place.party->turn);
    } else {
      wake(*queue.front(), woken);
    }
    --waiting;
    --place.address->waiting;
    if (place.is_known) --place.address->known_waiting;
  }
  static void wake(Place& place, Woken& woken) {
    if (place.wake) woken.push_back(std::exchange(place.wake, nullptr));
  }
  void refuse(Place& place, Woken& woken) {
    leave_queue(place, woken);
    if (place.account) --place.account->places;
    wake(place, woken);
    refuse_new(place);
  }

  static bool is_turn(const Place& place, Instant now) {
    return now >= place.not_before() && place.party->counts.is_open(kFreeFailures, now) &&
           (place.is_known || place.address->counts.is_open(kFreeAddressFailures, now));
  }
  // Whose turn it is, party by party.
  void admit(Address& address, Instant now, Woken& woken) {
    auto& rotation = address.rotation;
    for (auto it = rotation.begin(); it != rotation.end();) {
      // Nothing more to find in a crowd that waits for its address.
      if (address.known_waiting == 0 && !address.counts.is_open(kFreeAddressFailures, now)) return;
      Place& place = *(*it)->waiting.front();
      if (!is_turn(place, now)) {
        ++it;
        continue;
      }
      const auto party = it++;
      (*party)->waiting.pop_front();
      if ((*party)->waiting.empty()) {
        rotation.erase(party);
      } else {
        // Behind the others, which may be where `it` is: then it is looked at again.
        const bool was_last = it == rotation.end();
        rotation.splice(rotation.end(), rotation, party);
        if (was_last) it = party;
      }
      --waiting;
      --address.waiting;
      if (place.is_known) --address.known_waiting;
      place.is_beyond = place.party->counts.is_beyond(kFreeFailures) ||
                        address.counts.is_beyond(kFreeAddressFailures);
      ++place.party->counts.under_way;
      ++address.counts.under_way;
      if (place.account) ++place.account->counts.under_way;
      place.stage = Place::Stage::kJudged;
      wake(place, woken);
    }
  }

  // Beyond the allowance only a few wait. The newest of who has the most goes first.
  void trim(Party& party, Address& address, Woken& woken) {
    if (party.counts.is_beyond(kFreeFailures)) {
      while (party.waiting.size() > kPartyWaitingMax) refuse(*party.waiting.back(), woken);
    }
    if (!address.counts.is_beyond(kFreeAddressFailures)) return;
    while (address.waiting - address.known_waiting > kAddressWaitingMax) {
      auto& rotation = address.rotation;
      const auto has_known = [](const Party* each) { return each->waiting.back()->is_known; };
      if (address.waiting > 4 * kAddressWaitingMax) {
        // A crowd that turned out to be guessing: no looking for the longest each time.
        while (has_known(rotation.back())) {
          rotation.splice(rotation.begin(), rotation, std::prev(rotation.end()));
        }
        refuse(*rotation.back()->waiting.back(), woken);
        continue;
      }
      Party* longest = nullptr;
      for (Party* each : rotation) {
        if (has_known(each)) continue;
        if (!longest || each->waiting.size() >= longest->waiting.size()) longest = each;
      }
      if (!longest) return;
      refuse(*longest->waiting.back(), woken);
    }
  }

  void finish(Place& place, bool succeeded, Instant now, Woken& woken) {
    Party& party = *place.party;
    Address& address = *place.address;
    --party.counts.under_way;
    --address.counts.under_way;
    if (place.account) {
      --place.account->counts.under_way;
      --place.account->places;
    }
    if (!succeeded) count_failure(place, now, false);
    admit(address, now, woken);
    trim(party, address, woken);
    // The pauses have changed for these.
    if (address.counts.is_beyond(kFreeAddressFailures)) {
      for (Party* each : address.rotation) wake(*each->waiting.front(), woken);
    } else if (!party.waiting.empty()) {
      wake(*party.waiting.front(), woken);
    }
  }
  static void count_failure(Place& place, Instant now, bool of_another) {
    place.party->counts.count_failure(kFreeFailures, kPartyPauseMax, now, of_another);
    place.address->counts.count_failure(kFreeAddressFailures, place.address_pause_max, now,
                                        of_another);
    if (!place.account) return;
    place.account->counts.count_failure(kFreeAccountFailures, kAccountPauseMax, now, of_another);
  }
  // Only the party: a guesser with one account of its own must not clear its address with it.
  void remember(const std::string& party_name, Instant now) {
    Party& party = parties.use(party_name);
    party.counts.failures = 0;
    party.counts.next = now;
    party.known_until = now + kKnownFor;
  }
};

LogonPenalties::LogonPenalties(const Clock& clock)
    : clock_(clock), state_(std::make_unique<Guarded<State>>()) {}
LogonPenalties::~LogonPenalties() = default;

void LogonPenalties::hear(const LogonClaim& claim, News news) {
  const Instant now = clock_.monotonic();
  const auto place = Place::of(claim);
  auto state = state_->lock();
  state->find(*place, now);
  if (news == News::kFailed) {
    State::count_failure(*place, now, true);
    return;
  }
  if (news == News::kSucceeded) return state->remember(place->party_name, now);
  for (Counts* counts : {&place->party->counts, &place->address->counts,
                         place->account ? &place->account->counts : nullptr}) {
    if (counts && counts->failures > 0) --counts->failures;
  }
}

std::vector<LogonPenalties::Penalty> LogonPenalties::penalties(size_t count_max) const {
  std::vector<Penalty> all;
  auto state = state_->lock();
  const Instant now = clock_.monotonic();
  const auto add = [&](Counts counts, uint32_t free, std::string address, std::string account) {
    counts.forgive(now);
    if (!counts.is_beyond(free)) return;
    if (address.ends_with('#')) address.pop_back();
    // Without a name a party is a connection.
    if (account.starts_with('#')) account.clear();
    const auto wait = std::chrono::ceil<milliseconds>(counts.next - now);
    all.push_back({.address = std::move(address),
                   .account = std::move(account),
                   .failures = counts.failures,
                   .wait = std::max(wait, milliseconds{0})});
  };
  state->addresses.for_each([&](const std::string& name, const Address& address) {
    add(address.counts, kFreeAddressFailures, name, "");
    return all.size() < count_max;
  });
  state->parties.for_each([&](const std::string& name, const Party& party) {
    if (all.size() >= count_max) return false;
    const size_t end = name.find('\n');
    add(party.counts, kFreeFailures, name.substr(0, end), name.substr(end + 1));
    return true;
  });
  return all;
}

size_t LogonPenalties::names() const {
  auto state = state_->lock();
  return state->parties.size() + state->addresses.size() + state->accounts.size();
}
size_t LogonPenalties::waiting() const { return state_->lock()->waiting; }

LogonPenalties::Attempt::Attempt(LogonPenalties& penalties, const LogonClaim& claim)
    : penalties_(penalties), place_(Place::of(claim)) {}

LogonPenalties::Attempt::~Attempt() {
  State::Woken woken;
  {
    auto state = penalties_.state_->lock();
    const Instant now = penalties_.clock_.monotonic();
    place_->wake = nullptr;
    if (place_->stage == Place::Stage::kWaiting) {
      Address& address = *place_->address;
      state->refuse(*place_, woken);
      state->admit(address, now, woken);
    } else if (place_->stage == Place::Stage::kJudged) {
      state->finish(*place_, false, now, woken);
    }
  }
  for (const auto& wake : woken) wake();
}

LogonPenalties::Answer LogonPenalties::Attempt::ask(std::function<void()> wake) {
  Place& place = *place_;
  State::Woken woken;
  Answer answer;
  {
    auto state = penalties_.state_->lock();
    const Instant now = penalties_.clock_.monotonic();
    if (place.stage == Place::Stage::kNew) state->enqueue(place, now);
    place.wake = nullptr;
    if (place.stage == Place::Stage::kWaiting) {
      Party& party = *place.party;
      Address& address = *place.address;
      state->admit(address, now, woken);
      state->trim(party, address, woken);
    }
    if (place.stage == Place::Stage::kWaiting && now - place.since >= kWaitMax) {
      state->refuse(place, woken);
    }
    if (place.stage == Place::Stage::kJudged) answer.turn = Turn::kJudge;
    if (place.stage == Place::Stage::kWaiting) {
      Instant at = place.not_before();
      for (const auto& [counts, free] : {std::pair(&place.party->counts, kFreeFailures),
                                         std::pair(&place.address->counts, kFreeAddressFailures)}) {
        if (place.is_known && counts == &place.address->counts) continue;
        if (counts->is_open(free, now)) continue;
        at = std::max(at, counts->under_way > 0 ? now + kLookAgain : counts->next);
      }
      if (&place != place.party->waiting.front()) at = std::max(at, now + kLookAgain);
      const auto wait = std::chrono::ceil<milliseconds>(at - now);
      answer = {Turn::kWait, std::clamp(wait, milliseconds{1}, kLookAgain)};
      place.wake = std::move(wake);
    }
  }
  for (const auto& each : woken) each();
  return answer;
}

void LogonPenalties::Attempt::succeeded(std::string_view account) { end(account_key(account)); }

void LogonPenalties::Attempt::goes_on() { end({}); }

void LogonPenalties::Attempt::end(const std::string& account) {
  State::Woken woken;
  {
    auto state = penalties_.state_->lock();
    const Instant now = penalties_.clock_.monotonic();
    if (!account.empty()) {
      std::string party_name = place_->address_name;
      if (place_->account_name.empty()) party_name.pop_back();  // the mark of what has no name
      state->remember(party_name + '\n' + account, now);
      state->remember(place_->party_name, now);
    }
    state->finish(*place_, true, now, woken);
    State::refuse_new(*place_);
  }
  for (const auto& wake : woken) wake();
}

bool LogonPenalties::Attempt::is_beyond_allowance() const { return place_->is_beyond; }

}  // namespace braid::auth
