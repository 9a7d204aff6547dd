#include "smb2/persistent/persistent_handles.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "runtime/task_scope.h"
#include "smb2/persistent/handles_folder.h"
#include "smb2/shares/tree_path.h"

namespace braid::smb2 {

// Of one share. With the lock of PersistentHandles, but for what never changes.
struct PersistentShare {
  std::shared_ptr<const Share> share;  // keeps its folder open, whoever is connected
  // The Share that clients come to by now, if a reload has made another. Nobody else keeps it while
  // no client is there, and the next one would be without persistent handles.
  std::shared_ptr<const Share> served;
  std::unique_ptr<store::LogFolder> folder;
  std::unique_ptr<HandleJournal> journal;
  std::vector<std::unique_ptr<HandleJournal>> parcels;  // while it begins
  // Put, and not known to be there yet, in order; of which open, 0 for one that has ended.
  struct Unsettled {
    store::HandleLog::Ticket ticket;
    uint64_t open = 0;
    bool is_minor = false;  // no promise of it is another one than before
    // Of a new open or the end of one: nobody relies on it but who asks about this file.
    std::optional<FileKey> only_of = {};
  };
  std::deque<Unsettled> unsettled;
  // Of these, what was put last is not there: it is tried again by who settles about it.
  std::unordered_set<uint64_t> behind;
  // Why something could not be written: the last time.
  std::atomic<Error> why_not = Error::os(EIO);
  bool is_failing = false;

  std::string log_path() const {
    return fmt::format("{}/.braid/handles/{}", share->real_path, journal->name());
  }
};

namespace {

constexpr size_t kLogThreads = 2;  // one may compact while another commits

// What is kept of an open beside the Open: its values, and its record as it was written last, here
// and in the log.
constexpr size_t kPersistentOpenSize = 2u << 10;
constexpr size_t kPathCopies = 4;
// What the new names of a file may take, in the records of all its opens, while it is renamed: it
// is written whatever else is in the log.
constexpr size_t kMovingBytesMax = 1u << 20;

// A server that was killed has its logs until its last thread has ended, which on a busy machine is
// later than it is gone for who looks. Each time the share is begun.
class WaitForOwner {
 public:
  bool operator()() {
    if (left_ == 0) return false;
    --left_;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return true;
  }

 private:
  int left_ = 150;  // 3 s
};

// Continues where it is woken.
struct WhereWoken final : Executor {
  void post(std::move_only_function<void()> work) override { work(); }
  bool is_current() const override { return true; }
};
Executor& where_woken() {
  static WhereWoken executor;
  return executor;
}

// Of the data of a file. A folder has none, and a stream not what is looked at after a restart.
std::optional<FileStamp> stamp_of(const Open& open) {
  if (open.attributes.is_directory || open.attributes.is_stream) return std::nullopt;
  const auto now = open.file->stat();
  if (!now) return std::nullopt;
  return FileStamp{now->size, now->write_time};
}

// A local program has changed it while no server was there to take the caching from its client.
bool was_changed(const PersistentOpen& open, const SeenFile& seen) {
  return open.stamp && *open.stamp != FileStamp{seen.size, seen.write_time};
}

void drop_caching(PersistentOpen& open) {
  if (open.state.lease) {
    open.state.lease->state = filestate::Caching::kNone;
    ++open.state.lease->epoch;
  } else {
    open.state.oplock = filestate::OplockLevel::kNone;
  }
}

// A name is made or goes before the leases of its directory hear of it, so of one there is no
// telling whether what its client has cached of it is still true.
void forget_listing(PersistentOpen& open) {
  if (open.attributes.is_directory && open.state.lease) drop_caching(open);
}

std::optional<filestate::LeaseId> lease_in(const PersistentOpen& open) {
  return open.state.lease ? std::optional(filestate::lease_of(open.state)) : std::nullopt;
}

filestate::Caching caching_in(const PersistentOpen& open) {
  return open.state.lease ? open.state.lease->state : filestate::caching_of(open.state.oplock);
}

FileKey whole_file(FileKey file) {
  file.stream = 0;
  return file;
}

bool is_one_of(const FileKey& file, const std::vector<FileKey>& files) {
  return std::ranges::any_of(
      files, [&](const FileKey& each) { return whole_file(each) == whole_file(file); });
}

}  // namespace

// What has been put and is waited for.
struct PersistentHandles::Settling {
  struct Each {
    store::HandleLog::Ticket ticket;
    bool is_relied_on = false;  // of what the request is about
  };
  std::vector<Each> all;
  bool is_behind = false;  // something of it cannot even be put

  // Whether what is relied on is there, once it is known of each.
  static Task<bool> committed(Settling settling, Executor& executor) {
    bool is_there = true;
    for (const Each& each : settling.all) {
      if (!co_await each.ticket.committed(executor) && each.is_relied_on) is_there = false;
    }
    co_return is_there;
  }
};

PersistentHandles::PersistentHandles(const RestoreParts& parts, OtherWorkers& workers)
    : parts_(parts), workers_(workers), others_(workers, [this](PromiseQuestion asked) {
        return answer_elsewhere(std::move(asked));
      }) {
  may_sleep_ = parts_.file_table.set_sleepers(&sleepers_);
  if (may_sleep_) parts_.open_table.set_sleepers(&sleepers_);
}
PersistentHandles::~PersistentHandles() {
  stop();
  if (!may_sleep_) return;
  parts_.file_table.set_sleepers(nullptr);
  parts_.open_table.set_sleepers(nullptr);
}

const std::shared_ptr<const Share>& share_of(const PersistentShare& of) { return of.share; }

void PersistentHandles::stop() {
  forget_sleepers();
  has_stopped_ = true;
  auto state = state_.lock();
  // A log ends on a thread that no pool has, and its pool after it.
  for (const auto& each : state->shares) {
    each->share->persistent = nullptr;
    each->unsettled.clear();
  }
  state->shares.clear();
  state->opens.clear();
  state->of.clear();
  pool_.reset();
}

std::expected<void, std::string> PersistentHandles::begin(std::shared_ptr<const Share> share,
                                                          std::unique_ptr<store::LogFolder> folder,
                                                          Server server) {
  {
    auto state = state_.lock();
    for (const auto& each : state->shares) {
      if (share_id(*each->share) != share_id(*share) || each->share->folder != share->folder) {
        continue;
      }
      share->persistent = each.get();
      std::swap(each->served, share);  // the one before ends without the lock
      return {};
    }
  }
  if (!pool_) pool_ = std::make_unique<WorkerPool>(kLogThreads);
  auto made = std::make_unique<PersistentShare>();
  made->share = std::move(share);
  made->folder = std::move(folder);
  // Until all that was promised is where others meet it.
  const auto alone = made->folder->alone();
  if (!alone && (server.worker_of || alone.error().is_os(ETIMEDOUT))) {
    return std::unexpected(
        alone.error().is_os(ETIMEDOUT)
            ? "another process has been reading the handle logs for a minute; look whether a "
              "server or worker hangs, and end it"
            : fmt::format("its file system has no locks ({}), and several workers need them; give "
                          "workers = 1 in [server], or take another file system",
                          alone.error().message()));
  }
  if (server.worker_of) parts_.file_table.expect_kept();
  is_recovering_ = true;
  std::string failure;
  TaskScope scope;
  scope.spawn(recover(*made, server, failure));
  scope.wait();
  made->parcels.clear();
  // What recovery needed for a moment may be many times what stays.
  ::malloc_trim(0);
  if (!failure.empty()) return std::unexpected(std::move(failure));
  made->share->persistent = made.get();
  state_.lock()->shares.push_back(std::move(made));
  any_ = true;
  return {};
}

void PersistentHandles::end_recovery(bool have_all_begun) {
  if (!is_recovering_ || !have_all_begun) return;
  is_recovering_ = false;
  parts_.file_table.drop_kept();
}

Task<void> PersistentHandles::recover(PersistentShare& of, Server server, std::string& failure) {
  const std::string name = of.share->name;
  std::vector<Result<SeenFile>> seen;
  const auto see_all = [&](std::vector<HandleJournal::FoundOpen>& opens) {
    seen.reserve(opens.size());
    for (const auto& open : opens) seen.push_back(see_file(*of.share, open));
  };
  HandleJournal::Where where{.folder = *of.folder,
                             .share = share_id(*of.share),
                             .server = server.id,
                             .worker = server.worker,
                             .meanwhile = see_all,
                             .wait_for_owner = WaitForOwner()};
  if (server.worker_of) where.workers = {workers_.group()->hash_key(), server.worker_of};
  auto begun = co_await HandleJournal::begin(std::move(where), {}, *pool_, {}, parts_.clock);
  for (const std::string& line : begun.complaints) log::error("share '{}': {}", name, line);
  of.journal = std::move(begun.journal);
  of.parcels = std::move(begun.parcels);
  if (!begun.failure.empty()) {
    failure = std::move(begun.failure);
    co_return;
  }
  for (const std::string& log : begun.taken_over) {
    log::info("share '{}': handle log {} of another server is taken over, as that has ended", name,
              log);
  }
  if (!begun.of_others.empty()) hold_all(of, server, begun);
  if (!begun.opens.empty()) co_await restore_all(of, begun, std::move(seen));
}

// No life of this worker that there was lately: the one before the first.
store::WorkerTag PersistentHandles::no_life_of(size_t worker) const {
  constexpr uint32_t kLast = store::WorkerTag::kGenerations - 1;
  const auto tag = store::WorkerTag::make(worker, kLast);
  return workers_.group()->living(worker) == tag ? store::WorkerTag::make(worker, kLast - 1) : tag;
}

// Whoever of them comes later restores them from the log that was written for it; until then they
// keep others out as those of a worker that was killed.
void PersistentHandles::hold_all(PersistentShare& of, const Server& server,
                                 HandleJournal::Begun& begun) {
  size_t held = 0;
  for (HandleJournal::FoundOpen& open : begun.of_others) {
    auto seen = see_file(*of.share, open);
    if (!seen) continue;  // its worker says so
    if (was_changed(open, *seen)) drop_caching(open);
    const auto life = no_life_of(server.worker_of(open.client_guid));
    const uint64_t number = parts_.file_ids.next().volatile_id;
    const filestate::OpenToken token{life.tagged(number)};
    held += hold_open(parts_, of.share, std::move(open), std::move(*seen), token).has_value();
  }
  log::info(
      "share '{}': {} of {} persistent opens of other workers' clients wait for those workers",
      of.share->name, held, begun.of_others.size());
}

Task<void> PersistentHandles::restore_all(PersistentShare& of, HandleJournal::Begun& begun,
                                          std::vector<Result<SeenFile>> seen) {
  const std::string& name = of.share->name;
  // Of one file all sleep, or none.
  std::unordered_set<FileKey> awake;
  std::unordered_set<FileKey> changed;
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i]) continue;
    // What is open already was handed over by an older program.
    if (!SleepingOpens::can_sleep(begun.opens[i], *seen[i]) ||
        parts_.file_table.is_open(seen[i]->key)) {
      awake.insert(seen[i]->key);
    }
    if (was_changed(begun.opens[i], *seen[i])) changed.insert(seen[i]->key);
  }
  if (!changed.empty()) {
    log::warn(
        "share '{}': {} of its open files were changed while the server was not there; their "
        "clients come back to them without what they had cached",
        name, changed.size());
  }
  size_t restored = 0;
  const auto now = parts_.clock.monotonic();
  for (size_t i = 0; i < seen.size(); ++i) {
    HandleJournal::FoundOpen& open = begun.opens[i];
    if (!seen[i]) {
      lose(of, open, seen[i].error());
      continue;
    }
    if (!kept_listings_.contains(open.file_id.persistent)) forget_listing(open);
    if (changed.contains(seen[i]->key)) drop_caching(open);
    const auto until = now + open.changes.durable_terms.timeout;
    const std::string_view record = open.record;
    SleepingOpens::Sleeper sleeper{std::move(open), &of, std::move(*seen[i]), until};
    if (may_sleep_ && !awake.contains(sleeper.seen.key)) {
      const auto lease = lease_in(sleeper.open);
      if (!lease || parts_.file_table.keep_lease_key(*lease, sleeper.seen.key)) {
        sleepers_.add(sleeper, record);
        ++restored;
        continue;
      }
    }
    restored += restore(std::move(sleeper));
  }
  log::info("share '{}': {} of {} persistent opens are back and wait for their clients", name,
            restored, begun.opens.size());
  if (!workers_.any()) co_return;
  // What others have kept may be less by now than the log says.
  co_await Settling::committed(settle_here(of, {}), where_woken());
}

void PersistentHandles::lose(PersistentShare& of, const PersistentOpen& open, const Error& why) {
  log::error("share '{}': the persistent open of '{}' by {} is lost: {}", of.share->name,
             open.changes.path.text(), open.owner->account_name, why.message());
  auto state = state_.lock();
  for (auto& ticket : of.journal->erase(open.file_id.persistent)) {
    of.unsettled.push_back({std::move(ticket), 0});
  }
}

bool PersistentHandles::restore(SleepingOpens::Sleeper found) {
  PersistentShare& of = *found.of;
  const FileKey file = found.seen.key;
  const filestate::Caching caching = caching_in(found.open);
  const auto renamed_to = found.seen.renamed_to;
  Kept kept{
      .now = found.open, .open = {}, .of = &of, .is_promised = true, .lease = lease_in(found.open)};
  const auto ref =
      restore_open(parts_, of.share, std::move(found.open), std::move(found.seen), found.until);
  if (!ref) {
    lose(of, kept.now, ref.error());
    if (kept.lease) parts_.file_table.drop_lease_key(*kept.lease, file);
    return false;
  }
  // One that other workers have kept is as these know it, and what its client was not told of is
  // in no log.
  if (workers_.any()) {
    (void)parts_.file_table.keep_only(*ref, caching, filestate::Caching::kNone);
    if (renamed_to) {
      parts_.file_table.renamed(
          *ref, std::make_shared<const std::string>(in_all_shares(*of.share, renamed_to->text())));
    }
  }
  kept.now.attributes.file_key = ref->file;
  kept.now.file_id.volatile_id = ref->token.value;
  kept.now.state = {};
  kept.now.moving_to.clear();
  add(*state_.lock(), std::move(kept));
  return true;
}

void PersistentHandles::add(State& state, Kept kept) {
  const uint64_t id = kept.now.file_id.persistent;
  state.of[whole_file(kept.now.attributes.file_key)].insert(id);
  state.opens.insert_or_assign(id, std::move(kept));
}

// What has failed by now is known of its open, which is behind unless it was never promised.
void PersistentHandles::reap(State& state, PersistentShare& of) {
  while (!of.unsettled.empty()) {
    const auto result = of.unsettled.front().ticket.result();
    if (!result) return;
    const uint64_t id = of.unsettled.front().open;
    const bool is_minor = of.unsettled.front().is_minor;
    of.unsettled.pop_front();
    if (*result) {
      of.is_failing = false;
      continue;
    }
    of.why_not.store(result->error());
    if (!std::exchange(of.is_failing, true)) {
      log::error(
          "share '{}': {} cannot be written: {}; what clients change of open files that it has "
          "promised to keep is not answered until it can",
          of.share->name, of.log_path(), result->error().message());
    }
    const auto kept = state.opens.find(id);
    if (kept == state.opens.end()) continue;
    of.journal->forget(id);
    if (is_minor || !kept->second.is_promised) continue;
    kept->second.promises = 0;
    of.behind.insert(id);
  }
}

void PersistentHandles::write(Kept& kept, store::Urgency urgency) {
  PersistentShare& of = *kept.of;
  const uint64_t id = kept.now.file_id.persistent;
  if (const auto open = kept.open.lock()) look_at(*open, kept.now);
  if (!take_image(parts_.file_table, *of.share, kept.now)) return;  // it is about to be erased
  const bool is_minor = names_promises_of(kept);
  auto tickets = of.journal->put(kept.now, urgency);
  kept.now.state = {};
  if (!tickets) {
    // Nothing that a client may do makes one so large: LOCK has a limit.
    log::error("share '{}': the open of '{}' is too large for a record", of.share->name,
               kept.now.changes.path.text());
    of.behind.insert(id);
    return;
  }
  for (auto& ticket : *tickets) of.unsettled.push_back({std::move(ticket), id, is_minor});
}

// True: they are what they were when it was put last.
bool PersistentHandles::names_promises_of(Kept& kept) const {
  const uint64_t now = std::max<uint64_t>(sip_hash(promises_key_, promises_of(kept.now)), 1);
  return std::exchange(kept.promises, now) == now;
}

void PersistentHandles::forget_stamps(State& state, const About& about) {
  for (const FileKey& file : about.files) {
    const auto of = state.of.find(whole_file(file));
    if (of == state.of.end()) continue;
    for (const uint64_t id : of->second) {
      Kept& kept = state.opens.at(id);
      if (std::exchange(kept.now.stamp, std::nullopt)) write(kept, store::Urgency::kMustNotFail);
    }
  }
}

void PersistentHandles::write_changes(State& state) {
  for (const FileKey& file : parts_.file_table.take_noted()) {
    const auto of = state.of.find(file);
    if (of == state.of.end()) continue;
    for (const uint64_t id : of->second) {
      write(state.opens.at(id), store::Urgency::kMustNotFail);
    }
  }
}

// Whether it holds up who asks about `about`, while it is behind.
bool PersistentHandles::is_about(const Kept& kept, const About& about) {
  if (is_one_of(kept.now.attributes.file_key, about.files)) return true;
  return about.lease && kept.lease == about.lease;
}

std::vector<uint64_t> PersistentHandles::behind(const State& state, const PersistentShare& of,
                                                const About& about) {
  std::vector<uint64_t> ids;
  for (const uint64_t id : of.behind) {
    const auto kept = state.opens.find(id);
    if (kept != state.opens.end() && is_about(kept->second, about)) ids.push_back(id);
  }
  return ids;
}

PersistentHandles::Settling PersistentHandles::settle_here(PersistentShare& of,
                                                           const About& about) {
  auto state = state_.lock();
  reap(*state, of);
  for (const uint64_t id : behind(*state, of, about)) {
    of.behind.erase(id);
    write(state->opens.at(id), store::Urgency::kMustNotFail);
  }
  write_changes(*state);
  if (about.changes_data) forget_stamps(*state, about);
  Settling settling{.all = {}, .is_behind = !behind(*state, of, about).empty()};
  // Clients that open and close files of their own would wait for each other's syncs otherwise.
  const auto concerns = [&about](const PersistentShare::Unsettled& each) {
    return !each.only_of || about.files.empty() || is_one_of(*each.only_of, about.files);
  };
  for (const auto& each : of.unsettled) {
    if (!concerns(each)) continue;
    const auto kept = state->opens.find(each.open);
    const bool is_relied_on =
        !each.is_minor && kept != state->opens.end() && is_about(kept->second, about);
    settling.all.push_back({each.ticket, is_relied_on});
  }
  return settling;
}

bool PersistentHandles::is_behind(PersistentShare& of, const About& about) {
  auto state = state_.lock();
  reap(*state, of);
  return !behind(*state, of, about).empty();
}

// What failed may have been somebody's who was promised nothing yet, or have been put again by
// somebody else meanwhile: that has to be waited for as well.
Task<Result<void>> PersistentHandles::settle(const Share& share, About about, Executor& executor) {
  PersistentShare* const of = share.persistent;
  if (!of) co_return Result<void>{};
  bool is_there = false;
  while (!is_there) {
    auto settling = settle_here(*of, about);
    if (settling.is_behind) co_return fail(of->why_not.load());
    const auto asked = ask_others(about);
    is_there = co_await Settling::committed(std::move(settling), executor);
    bool is_there_elsewhere = true;
    for (const Asked& each : asked) {
      const bool is_written = co_await each.is_written->wait(executor);
      if (!is_written && is_one_of(each.file, about.files)) is_there_elsewhere = false;
    }
    if (!is_there_elsewhere) co_return fail_os(EIO);
    if (!is_there && is_behind(*of, about)) co_return fail(of->why_not.load());
  }
  co_return Result<void>{};
}

Task<void> PersistentHandles::settle_into(Task<Result<void>> settling, Result<void>& result) {
  result = co_await std::move(settling);
}

Result<void> PersistentHandles::settle_now(const Share& share, About about) {
  if (!share.persistent) return {};
  Result<void> result;
  TaskScope scope;
  scope.spawn(settle_into(settle(share, std::move(about), where_woken()), result));
  scope.wait();
  return result;
}

// What was asked and is not answered yet whoever settles waits for: he may be the one who has
// changed it.
std::vector<PersistentHandles::Asked> PersistentHandles::ask_others(const About& about) {
  if (!workers_.any()) return {};
  std::vector<Asked> now;
  std::vector<Asked> all;
  {
    auto state = state_.lock();
    std::erase_if(state->asked, [&](const Asked& each) {
      const auto is_written = each.is_written->value();
      if (is_written && !*is_written) state->not_written.push_back({each.file, each.worker});
      return is_written.has_value();
    });
    std::erase_if(state->not_written, [&](const Asked& each) {
      const bool is_asked_again = is_one_of(each.file, about.files);
      if (is_asked_again) now.push_back(each);
      return is_asked_again;
    });
    for (const auto& each : parts_.file_table.take_noted_elsewhere()) {
      for (const store::WorkerTag worker : each.workers) now.push_back({each.file, worker});
    }
    state->asked.insert(state->asked.end(), now.begin(), now.end());
    all = state->asked;
  }
  for (const Asked& each : now) {
    const bool changes_data = about.changes_data && is_one_of(each.file, about.files);
    others_.spawn(ask(each, {.kind = PromiseQuestion::Kind::kSettle,
                             .file = each.file,
                             .changes_data = changes_data,
                             .to = {}}));
  }
  return all;
}

Task<void> PersistentHandles::ask(Asked asked, PromiseQuestion question) {
  asked.is_written->set(co_await others_.ask(asked.worker, std::move(question), where_woken()));
}

// REQUIRES: not what waits for the lock of a file.
Task<bool> PersistentHandles::answer_elsewhere(PromiseQuestion asked) {
  using Kind = PromiseQuestion::Kind;
  if (asked.kind == Kind::kMoved) {
    clear_moving(asked.file);
    co_return true;
  }
  parts_.file_table.catch_up(asked.file);
  if (asked.kind == Kind::kMoving) put_moving(asked.file, asked.to);
  PersistentShare* const of = share_with(asked.file);
  if (!of) co_return !has_stopped_;
  auto settling = settle_here(*of, {.files = {asked.file}, .changes_data = asked.changes_data});
  if (settling.is_behind) co_return false;
  co_return co_await Settling::committed(std::move(settling), where_woken());
}

PersistentShare* PersistentHandles::share_with(const FileKey& file) {
  auto state = state_.lock();
  const auto of = state->of.find(whole_file(file));
  return of == state->of.end() ? nullptr : state->opens.at(*of->second.begin()).of;
}

// The thread waits.
bool PersistentHandles::tell_all(const FileKey& file, PromiseQuestion question) {
  TaskScope scope;
  std::vector<Asked> all;
  for (const store::WorkerTag worker : parts_.file_table.promised_elsewhere(file)) {
    all.push_back({file, worker});
    scope.spawn(ask(all.back(), question));
  }
  scope.wait();
  return std::ranges::all_of(all, [](const Asked& each) { return *each.is_written->value(); });
}

Task<Result<void>> PersistentHandles::promise(std::shared_ptr<Open> open, Executor& executor) {
  PersistentShare& of = *open->tree_connect->share->persistent;
  const uint64_t id = open->file_id.persistent;
  // It neither ends nor is preserved before it is written.
  const OpenUse use = Open::use(open);
  if (!use) co_return fail(NtStatus::kFileClosed);
  const size_t path_size = open->path.lock()->text().size();
  const auto stamp = stamp_of(*open);
  BRAID_CO_CHECK(open->memory.add(kPersistentOpenSize + kPathCopies * path_size));
  HandleJournal::Tickets tickets;
  int refusal = EFBIG;
  {
    auto state = state_.lock();
    Kept kept{.now = {}, .open = open, .of = &of};
    static_cast<OpenValues&>(kept.now) = *open;
    kept.now.stamp = stamp;
    add(*state, std::move(kept));
    Kept& added = state->opens.at(id);
    look_at(*open, added.now);
    if (take_image(parts_.file_table, *of.share, added.now)) {
      added.lease = lease_in(added.now);
      names_promises_of(added);
      if (!of.journal->has_room(open->user, open_record_of(added.now).size())) {
        refusal = ENOSPC;
      } else if (auto put = of.journal->put(added.now, store::Urgency::kOrdinary)) {
        tickets = std::move(*put);
        refusal = 0;
      }
      added.now.state = {};
    }
    for (const auto& each : tickets) {
      of.unsettled.push_back({.ticket = each, .open = id, .only_of = open->attributes.file_key});
    }
  }
  Result<void> done;
  if (refusal != 0) done = fail_os(refusal);
  for (const auto& ticket : tickets) {
    if (const auto each = co_await ticket.committed(executor); !each) done = each;
  }
  if (!done) {
    erase(*open);
    co_return done;
  }
  auto state = state_.lock();
  const auto kept = state->opens.find(id);
  if (kept == state->opens.end()) co_return done;
  kept->second.is_promised = true;
  // A change that came meanwhile may have failed, and was nobody's loss until now.
  write(kept->second, store::Urgency::kMustNotFail);
  co_return done;
}

bool PersistentHandles::attach(const std::shared_ptr<Open>& open) {
  auto state = state_.lock();
  const auto kept = state->opens.find(open->file_id.persistent);
  if (kept == state->opens.end()) return false;
  kept->second.open = open;
  kept->second.now.file_id.volatile_id = open->file_id.volatile_id;
  return true;
}

void PersistentHandles::detach(const Open& open) {
  const auto stamp = stamp_of(open);
  auto state = state_.lock();
  const auto kept = state->opens.find(open.file_id.persistent);
  if (kept == state->opens.end()) return;
  // Nobody waits for that: what its client has is in the log.
  kept->second.now.stamp = stamp;
  write(kept->second, store::Urgency::kMustNotFail);
  kept->second.open.reset();
}

bool PersistentHandles::is_promised(const FileKey& file, const filestate::LeaseId& lease) const {
  if (!any()) return false;
  auto state = state_.lock();
  const auto of = state->of.find(whole_file(file));
  if (of == state->of.end()) return false;
  return std::ranges::any_of(of->second, [&](uint64_t id) {
    const Kept& kept = state->opens.at(id);
    return kept.is_promised && kept.lease == lease;
  });
}

bool PersistentHandles::is_promised(uint64_t persistent_id) const {
  if (!any()) return false;
  auto state = state_.lock();
  const auto kept = state->opens.find(persistent_id);
  return kept != state->opens.end() && kept->second.is_promised;
}

Result<void> PersistentHandles::check_room_for_locks(const Open& open, size_t locks) const {
  constexpr uint64_t kLockBytes = 8 + 8 + 1;  // docs/records.md
  auto state = state_.lock();
  const auto kept = state->opens.find(open.file_id.persistent);
  if (kept == state->opens.end() ||
      kept->second.of->journal->has_room(open.user, locks * kLockBytes)) {
    return {};
  }
  return fail(NtStatus::kInsufficientResources);
}

void PersistentHandles::erase(const Open& open) {
  auto state = state_.lock();
  const auto kept = state->opens.extract(open.file_id.persistent);
  if (!kept) return;
  const uint64_t id = kept.key();
  PersistentShare& of = *kept.mapped().of;
  const auto file = state->of.find(whole_file(kept.mapped().now.attributes.file_key));
  file->second.erase(id);
  if (file->second.empty()) state->of.erase(file);
  of.behind.erase(id);
  for (auto& ticket : of.journal->erase(id)) {
    of.unsettled.push_back(
        {.ticket = std::move(ticket), .only_of = kept.mapped().now.attributes.file_key});
  }
}

Result<void> PersistentHandles::begin_rename(const Share& share, const FileKey& file,
                                             const vfs::Path& to) {
  using Kind = PromiseQuestion::Kind;
  bool is_open = false;
  {
    auto state = state_.lock();
    const auto of = state->of.find(whole_file(file));
    is_open = of != state->of.end();
    if (is_open && of->second.size() * to.text().size() > kMovingBytesMax) {
      return fail(NtStatus::kInsufficientResources);
    }
  }
  put_moving(file, to.text());
  if (workers_.any() && !tell_all(file, {.kind = Kind::kMoving, .file = file, .to = to.text()})) {
    return fail_os(EIO);
  }
  if (!is_open) return {};
  return settle_now(share, {.files = {file}});
}

// What is true now is written with the answer: FileTable has noted the file if it was renamed.
void PersistentHandles::end_rename(const FileKey& file) {
  clear_moving(file);
  if (!workers_.any()) return;
  for (const store::WorkerTag worker : parts_.file_table.promised_elsewhere(file)) {
    others_.spawn(ask({file, worker}, {.kind = PromiseQuestion::Kind::kMoved, .file = file}));
  }
}

void PersistentHandles::put_moving(const FileKey& file, const std::string& to) {
  auto state = state_.lock();
  const auto of = state->of.find(whole_file(file));
  if (of == state->of.end()) return;
  for (const uint64_t id : of->second) {
    Kept& kept = state->opens.at(id);
    kept.now.moving_to = to;
    write(kept, store::Urgency::kMustNotFail);
  }
}

void PersistentHandles::clear_moving(const FileKey& file) {
  auto state = state_.lock();
  const auto of = state->of.find(whole_file(file));
  if (of == state->of.end()) return;
  for (const uint64_t id : of->second) state->opens.at(id).now.moving_to.clear();
}

std::vector<PersistentHandles::ShareMetrics> PersistentHandles::metrics() const {
  std::vector<ShareMetrics> all;
  auto asleep = sleepers_.counts();
  auto state = state_.lock();
  for (const auto& each : state->shares) {
    size_t opens = 0;
    for (const auto& [id, kept] : state->opens) opens += kept.of == each.get();
    opens += asleep[each.get()];
    all.push_back({.share = each->share->name,
                   .log = each->journal->name(),
                   .opens = opens,
                   .metrics = each->journal->metrics()});
  }
  return all;
}

}  // namespace braid::smb2
