#include "smb2/persistent/handle_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <expected>
#include <map>
#include <utility>

namespace braid::smb2 {
namespace {

using store::LogCondition;
using store::RecoveredRecord;

std::string hex_of(ByteView key) {
  std::string text;
  for (const uint8_t byte : key) text += fmt::format("{:02x}", byte);
  return text;
}

// What the logs of writers that have ended say together.
struct OldLogs {
  std::map<std::string, RecoveredRecord, std::less<>> records;
  std::vector<std::string> seen;        // whoever's they are
  std::vector<std::string> read;        // their names
  std::vector<std::string> taken_over;  // of them, those of other servers
  // Nobody else takes those over meanwhile.
  std::vector<std::unique_ptr<store::LogFile>> claims;
  uint64_t next_epoch = 1;
};

constexpr std::string_view kServedElsewhere =
    ": another server serves this folder now; end that one, or take the share out of one of the "
    "two configurations";
constexpr std::string_view kNobodyCanTell =
    ": another server's, and on this file system nobody can tell whether that has ended; if it "
    "has, remove this file, and with it what that has promised";
constexpr std::string_view kNobodyCanTellOfWorkers =
    ": on this file system nobody can tell whether the worker that wrote it has ended; give "
    "workers = 1 in [server], or take another file system";

// Who wrote a log that lies there.
enum class Writer : uint8_t {
  kEnded,
  kPeer,  // another worker of this server, which lives
  kNone,  // it is not there any more
};

struct LookedAt {
  Writer writer = Writer::kNone;
  std::unique_ptr<store::LogFile> claim;  // of one that has ended, where there are such locks
};

bool is_of_peer(const HandleJournal::Where& where, const std::string& name,
                const store::LogOwner& owner) {
  if (!where.workers || owner.server != where.server || owner.worker == where.worker) return false;
  const auto file = where.folder.open(name);
  if (!file) return false;
  Bytes first(store::kLogHeaderBytes);
  const auto got = (*file)->read(0, first);
  if (!got || *got != first.size()) return false;
  uint32_t version = 0;
  const auto header = store::LogHeader::decode(first, version);
  return header && store::is_kin(header->salt, where.workers->kin);
}

// An error: whoever wrote it serves the folder now, or may.
std::expected<LookedAt, std::string> look_at_writer(const HandleJournal::Where& where,
                                                    const std::string& name,
                                                    const store::LogOwner& owner) {
  const bool is_own = owner.server == where.server;
  auto claim = where.folder.claim(name);
  while (claim && !*claim) {
    if (is_of_peer(where, name, owner)) return LookedAt{Writer::kPeer, nullptr};
    if (!where.wait_for_owner || !where.wait_for_owner()) break;
    claim = where.folder.claim(name);
  }
  if (claim && *claim) return LookedAt{Writer::kEnded, std::move(**claim)};
  if (claim) {
    // With the id of this server, too: it may have a copy of its state_dir.
    return std::unexpected(name + std::string(kServedElsewhere));
  }
  if (claim.error().is_os(ENOENT)) return LookedAt{};
  if (!claim.error().is_os(EOPNOTSUPP)) {
    return std::unexpected(fmt::format("{}: {}; whether its server has ended is not known", name,
                                       claim.error().message()));
  }
  if (!is_own) return std::unexpected(name + std::string(kNobodyCanTell));
  // One process of a server is this worker at any time, so what it began before has ended.
  if (!where.workers || owner.worker == where.worker) return LookedAt{Writer::kEnded, nullptr};
  return std::unexpected(name + std::string(kNobodyCanTellOfWorkers));
}

struct Candidate {
  std::string name;
  store::LogOwner owner;
  std::unique_ptr<store::LogFile> claim;
};

// The logs to be read, the oldest first.
std::expected<std::vector<Candidate>, std::string> find_ended(const HandleJournal::Where& where,
                                                              const OldLogs& old) {
  std::vector<Candidate> ended;
  bool is_first = true;
  for (const std::string& name : old.seen) {
    const auto owner = store::parse_log_name(name);
    if (!owner) continue;
    auto looked = look_at_writer(where, name, *owner);
    if (!looked) return std::unexpected(looked.error());
    if (looked->writer == Writer::kPeer) is_first = false;
    if (looked->writer == Writer::kEnded) {
      ended.push_back({name, *owner, std::move(looked->claim)});
    }
  }
  if (!is_first) {
    std::erase_if(ended, [&](const Candidate& each) {
      return each.owner.server != where.server || each.owner.worker != where.worker;
    });
  }
  return ended;
}

// Two servers that begin at the same time have not seen each other's logs, where there is no
// LogFolder::alone(). Each looks again when its own is there, so that one of them does at least.
std::expected<void, std::string> check_alone(const HandleJournal::Where& where, const OldLogs& old,
                                             const std::vector<std::string>& own) {
  const auto listing = store::list_logs(where.folder);
  if (!listing) return std::unexpected("the handle logs: " + listing.error().message());
  for (const std::string& name : listing->logs) {
    const auto is_known = std::ranges::find(old.seen, name) != old.seen.end() ||
                          std::ranges::find(own, name) != own.end();
    if (is_known || !store::parse_log_name(name)) continue;
    return std::unexpected(name + std::string(kServedElsewhere));
  }
  return {};
}

std::expected<OldLogs, std::string> read_old_logs(const HandleJournal::Where& where,
                                                  std::vector<std::string>& complaints) {
  OldLogs old;
  auto listing = store::list_logs(where.folder);
  if (!listing) {
    return std::unexpected("the handle logs: " + listing.error().message());
  }
  old.next_epoch = listing->next_epoch;
  for (const std::string& name : listing->strangers) {
    complaints.push_back(name + ": no handle log");
  }
  old.seen = listing->logs;
  auto ended = find_ended(where, old);
  if (!ended) return std::unexpected(ended.error());
  for (Candidate& each : *ended) {
    const std::string& name = each.name;
    if (each.claim) old.claims.push_back(std::move(each.claim));
    store::RecoveredLog log = store::recover_log(where.folder, name, where.share);
    if (log.condition == LogCondition::kMissing) continue;  // nobody's any more
    std::string complaint = log.complaint(name);
    if (log.condition == LogCondition::kNewer) return std::unexpected(std::move(complaint));
    // A log has its name when its first records are on the disk.
    if (log.condition == LogCondition::kEmpty) {
      complaints.push_back(name + ": empty, which no log is; what it has promised is lost");
      old.read.push_back(name);
      continue;
    }
    // The folder is served as this share now, and nothing has kept what the other has promised.
    if (log.condition == LogCondition::kOtherShare) {
      complaints.push_back(complaint + "; what that has promised is not kept, and the log removed");
      old.read.push_back(name);
      continue;
    }
    if (!complaint.empty()) complaints.push_back(std::move(complaint));
    if (!log.is_usable()) continue;
    if (each.owner.server != where.server) old.taken_over.push_back(name);
    // The oldest comes first.
    if (old.records.empty()) {
      old.records = std::move(log.records);
    } else {
      for (auto& [key, record] : log.records) old.records[key] = std::move(record);
    }
    old.read.push_back(name);
  }
  return old;
}

// Sorts what is true from what cannot be read. An error: a record of a newer version.
class Reading {
 public:
  explicit Reading(std::vector<std::string>& complaints) : complaints_(complaints) {}

  // What it gives points to the records.
  std::expected<std::vector<HandleJournal::FoundOpen>, std::string> read(
      const std::map<std::string, RecoveredRecord, std::less<>>& records) {
    using Each = std::pair<const std::string, RecoveredRecord>;
    std::vector<std::pair<uint64_t, const Each*>> found;
    for (const Each& each : records) {
      const auto& [key, record] = each;
      const auto kind = kind_of_record(as_bytes(key));
      if (!kind) {
        complain(key, "of no kind that is known");
      } else if (kind == RecordKind::kOpen) {
        found.emplace_back(*persistent_id_in(as_bytes(key)), &each);
      } else if (auto lease = value_of(key, record, read_lease_record)) {
        leases_.emplace(key, *lease);
      }
    }
    std::ranges::sort(found);
    std::vector<HandleJournal::FoundOpen> opens;
    opens.reserve(found.size());
    for (const auto& [id, each] : found) {
      const auto& [key, record] = *each;
      auto open = value_of(key, record, read_open_record);
      if (!open || !is_whole(key, *open)) continue;
      opens.push_back({std::move(*open), record.value});
    }
    if (!newer_.empty()) return std::unexpected(std::move(newer_));
    return opens;
  }

 private:
  void complain(std::string_view key, std::string_view what) {
    complaints_.push_back(fmt::format("record {}: {}", hex_of(as_bytes(key)), what));
  }

  template <class Read>
  auto value_of(const std::string& key, const RecoveredRecord& record, Read read)
      -> std::optional<std::remove_cvref_t<decltype(*read({}))>> {
    if (record.may_be_old) {
      complain(key, "may be out of date, as something behind it cannot be read");
      return std::nullopt;
    }
    auto value = read(as_bytes(record.value));
    if (value) return std::move(*value);
    if (value.error() == Error::unsupported()) {
      newer_ = fmt::format("record {}: of a newer version", hex_of(as_bytes(key)));
    } else {
      complain(key, value.error().message());
    }
    return std::nullopt;
  }

  bool is_whole(const std::string& key, PersistentOpen& open) {
    if (as_text(open_record_key(open.file_id.persistent)) != key) {
      complain(key, "is of another open");
      return false;
    }
    if (!open.state.lease) return true;
    const auto lease = leases_.find(std::string(as_text(lease_record_key(open))));
    if (lease == leases_.end()) {
      complain(key, "there is no record of its lease");
      return false;
    }
    const LeaseKey lease_key = open.state.lease->key;
    open.state.lease = lease->second;
    open.state.lease->key = lease_key;
    return true;
  }

  std::vector<std::string>& complaints_;
  std::unordered_map<std::string, filestate::LeaseImage> leases_;
  std::string newer_;
};

}  // namespace

Task<HandleJournal::Begun> HandleJournal::begin(Where where, store::LogLimits limits,
                                                WorkerPool& pool, WorkOwner work_owner,
                                                const Clock& clock) {
  WorkerPool::Seat seat(pool, work_owner);
  co_await seat.schedule();
  Begun begun;
  const auto fails = [&begun](std::string_view name, std::string_view why) {
    begun.failure = fmt::format("{}: {}", name, why);
  };
  auto old = read_old_logs(where, begun.complaints);
  auto opens = old ? Reading(begun.complaints).read(old->records) : std::unexpected(old.error());
  if (!opens) {
    begun.failure = std::move(opens.error());
    co_return std::move(begun);
  }
  for (FoundOpen& open : *opens) {
    const bool is_own =
        !where.workers || where.workers->worker_of(open.client_guid) == where.worker;
    (is_own ? begun.opens : begun.of_others).push_back(std::move(open));
  }
  begun.records = std::move(old->records);
  begun.taken_over = std::move(old->taken_over);

  // Of this worker, and of those that are to find something.
  std::map<size_t, std::unique_ptr<HandleJournal>> journals;
  std::vector<std::string> names;
  Tickets all;
  const auto journal_of = [&](size_t worker) -> HandleJournal* {
    auto& journal = journals[worker];
    if (journal) return journal.get();
    const store::LogOwner owner{.share = where.share,
                                .server = where.server,
                                .worker = static_cast<uint32_t>(worker),
                                .epoch = old->next_epoch};
    auto log =
        store::HandleLog::create(where.folder, owner, limits, pool, work_owner, clock,
                                 where.workers ? std::optional(where.workers->kin) : std::nullopt);
    if (!log) {
      fails(store::log_name(owner), log.error().message());
      return nullptr;
    }
    journal.reset(new HandleJournal(std::move(*log), limits));
    names.push_back(journal->name());
    return journal.get();
  };
  // All at once, so that they share their commits.
  const auto write = [&](const FoundOpen& open, size_t worker) {
    HandleJournal* const journal = journal_of(worker);
    if (!journal) return false;
    for (auto& ticket : journal->put(open, as_bytes(open.record), store::Urgency::kMustNotFail)) {
      if (all.empty() || all.back() != ticket) all.push_back(std::move(ticket));
    }
    return true;
  };
  bool is_made = journal_of(where.worker) != nullptr;
  for (size_t i = 0; is_made && i < begun.opens.size(); ++i) {
    is_made = write(begun.opens[i], where.worker);
  }
  for (size_t i = 0; is_made && i < begun.of_others.size(); ++i) {
    is_made = write(begun.of_others[i], where.workers->worker_of(begun.of_others[i].client_guid));
  }
  if (is_made && where.meanwhile) where.meanwhile(begun.opens);
  if (is_made) {
    if (const auto alone = check_alone(where, *old, names); !alone) begun.failure = alone.error();
  }
  for (const auto& ticket : all) {
    const auto done = co_await ticket.committed(seat);
    if (!done) fails(names.front(), done.error().message());
  }
  co_await seat.schedule();
  bool is_needed = false;
  if (begun.failure.empty()) {
    for (const std::string& name : old->read) {
      // One that stays would bring back what is erased from now on.
      const auto removed = store::remove_log(where.folder, name);
      if (!removed) fails(name, removed.error().message());
      is_needed = is_needed || removed;
    }
  }
  // What the old ones have must not be found here as well, when it is not true any more.
  if (!begun.failure.empty() && !is_needed) {
    for (const std::string& name : names) (void)store::remove_log(where.folder, name);
  }
  begun.journal = std::move(journals[where.worker]);
  journals.erase(where.worker);
  for (auto& [worker, journal] : journals) begun.parcels.push_back(std::move(journal));
  co_return std::move(begun);
}

HandleJournal::Mark HandleJournal::mark_of(ByteView value) const {
  return std::max<Mark>(sip_hash(mark_key_, value), kNothing + 1);
}

std::optional<HandleJournal::Tickets> HandleJournal::put(const PersistentOpen& open,
                                                         store::Urgency urgency) {
  const Bytes value = open_record_of(open);
  if (value.size() > store::kLogValueMax) return std::nullopt;
  return put(open, value, urgency);
}

HandleJournal::Tickets HandleJournal::put(const PersistentOpen& open, ByteView value,
                                          store::Urgency urgency) {
  Tickets tickets;
  const uint64_t id = open.file_id.persistent;
  const auto [known, is_new] = opens_.try_emplace(id);
  OpenRecord& record = known->second;
  if (open.state.lease) {
    // Before the open: a crash in between leaves a lease that nobody has.
    LeaseRecordKey key;
    std::ranges::copy(lease_record_key(open), key.begin());
    auto& lease = *leases_.try_emplace(key).first;
    put_lease(lease, lease_record_of(*open.state.lease), urgency);
    if (record.lease_puts != lease.second.puts) {
      tickets.push_back(*lease.second.ticket);
      record.lease_puts = lease.second.puts;
    }
    if (is_new) {
      ++lease.second.opens;
      record.lease = &lease;
    }
  }
  record.user = open.user;
  count(record, store::LogRecord::size(open_record_key(id).size(), value.size()));
  if (const Mark mark = mark_of(value); record.last != mark) {
    tickets.push_back(log_->put(open_record_key(id), value, urgency));
    record.last = mark;
  }
  return tickets;
}

// What is known not to be there is put again, whichever open it was put for.
void HandleJournal::put_lease(Leases::value_type& of, ByteView value, store::Urgency urgency) {
  auto& [key, lease] = of;
  const Mark mark = mark_of(value);
  if (lease.ticket && lease.last == mark) {
    const auto result = lease.ticket->result();
    if (!result || *result) return;
  }
  lease.ticket = log_->put(key, value, urgency);
  lease.last = mark;
  ++lease.puts;
}

void HandleJournal::count(OpenRecord& record, uint64_t bytes) {
  const uint64_t more = bytes - record.bytes;  // modulo 2^64, as the sums are
  record.bytes = bytes;
  bytes_ += more;
  const auto own = bytes_of_.try_emplace(record.user).first;
  own->second += more;
  if (own->second == 0) bytes_of_.erase(own);
}

bool HandleJournal::has_room(filestate::UserId user, uint64_t bytes) const {
  const auto found = bytes_of_.find(user);
  const uint64_t own = found == bytes_of_.end() ? 0 : found->second;
  const uint64_t others = std::min(bytes_max_, bytes_ - own);
  return own + bytes <= (bytes_max_ - others) / 4 * 3;
}

void HandleJournal::forget(uint64_t persistent_id) {
  const auto known = opens_.find(persistent_id);
  if (known == opens_.end()) return;
  known->second.last = kNothing;
  if (known->second.lease) known->second.lease->second.last = kNothing;
}

HandleJournal::Tickets HandleJournal::erase(uint64_t persistent_id) {
  Tickets tickets;
  tickets.push_back(log_->erase(open_record_key(persistent_id)));
  const auto known = opens_.extract(persistent_id);
  if (!known) return tickets;
  count(known.mapped(), 0);
  if (!known.mapped().lease) return tickets;
  auto& [key, lease] = *known.mapped().lease;
  if (--lease.opens == 0) {
    tickets.push_back(log_->erase(key));
    leases_.erase(LeaseRecordKey(key));
  }
  return tickets;
}

}  // namespace braid::smb2
