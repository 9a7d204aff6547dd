#include "apps/braid-bench/recovery.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "auth/identity.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "filestate/break_sink.h"
#include "filestate/file_table.h"
#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"
#include "smb2/opens/open_table.h"
#include "smb2/persistent/handle_journal.h"
#include "smb2/persistent/handles_folder.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/shares/share.h"
#include "smb2/workers/other_workers.h"
#include "wire/smb2/access_mask.h"

namespace braid::bench {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr size_t kFilesInFolder = 1000;
constexpr uint32_t kShareAll = 7;
constexpr size_t kDescriptors = 1024;  // fewer than there are opens

// Nobody is there to be told anything.
struct NoSink final : filestate::BreakSink {
  void send_break(const filestate::Break& /*notification*/) override {}
  void completed(const FileKey& /*file*/, const filestate::Completion& /*completion*/) override {}
  void purged(const filestate::OpenRef& /*open*/,
              const filestate::CloseDecision& /*closed*/) override {}
  void orphaned(const filestate::OrphanedDeletion& /*deletion*/) override {}
};

config::Share configured(const std::string& folder) {
  config::Share share;
  share.name = "share";
  share.path = folder;
  share.continuous_availability = true;
  return share;
}

std::string name_of(size_t number) {
  return fmt::format("{:03}/{:06}", number / kFilesInFolder, number % kFilesInFolder);
}

Result<void> make_files(const RecoveryOptions& options) {
  for (size_t number = 0; number < options.opens; ++number) {
    const std::string path = options.folder + "/" + name_of(number);
    const std::string parent = path.substr(0, path.rfind('/'));
    if (number % kFilesInFolder == 0 && ::mkdir(parent.c_str(), 0777) != 0 && errno != EEXIST) {
      return fail_last_os();
    }
    const UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    if (!file) return fail_last_os();
  }
  return {};
}

Result<smb2::PersistentOpen> make_open(const smb2::Share& share, size_t number,
                                       const std::shared_ptr<const auth::Identity>& owner,
                                       const Credentials& who) {
  BRAID_TRY(const auto path, vfs::parse_path(fmt::format("{:03}\\{:06}", number / kFilesInFolder,
                                                         number % kFilesInFolder)));
  BRAID_TRY(const auto found, share.volume->find(who, path.path));
  smb2::PersistentOpen open;
  open.file_id.persistent = number + 1;
  open.attributes.file_key = found.attributes.key;
  open.attributes.born = found.attributes.born.ticks;
  open.attributes.granted_access = wire::Access::kFileAllAccess;
  open.attributes.share_access = kShareAll;
  open.names.create_guid = CreateGuid{};
  std::memcpy(open.names.create_guid->bytes.data(), &number, sizeof number);
  open.owner = owner;
  open.credentials = who;
  open.client_guid.bytes[0] = 1;
  open.lease_key.emplace();
  std::memcpy(open.lease_key->bytes.data(), &number, sizeof number);
  open.changes.durable_terms = {filestate::Durability::kPersistent, std::chrono::seconds(60)};
  open.changes.path = path.path;
  open.state.persistent_id = open.file_id.persistent;
  open.state.client = open.client_guid;
  open.state.access = open.attributes.granted_access;
  open.state.share = open.attributes.share_access;
  open.state.durability = filestate::Durability::kPersistent;
  open.state.oplock = filestate::OplockLevel::kLease;
  open.state.lease = filestate::LeaseImage{
      .key = *open.lease_key, .state = filestate::Caching::kReadWriteHandle, .version = 2};
  return open;
}

Task<void> write_log(const smb2::Share& share, store::LogFolder& folder, size_t opens,
                     WorkerPool& pool, Result<void>& done) {
  auto begun = co_await smb2::HandleJournal::begin(
      {.folder = folder, .share = smb2::share_id(share), .server = {}, .worker = 0}, {}, pool, {});
  if (!begun.failure.empty()) {
    done = fail_os(EIO);
    co_return;
  }
  auto owner = std::make_shared<auth::Identity>();
  owner->account_name = "user";
  owner->user_sid = wire::Sid(5, {21, 1, 2, 3, 1001});
  const auto who = std::make_shared<const UnixCredentials>(
      UnixCredentials{.uid = ::geteuid(), .gid = ::getegid()});
  WorkerPool::Seat seat(pool, {});
  std::vector<smb2::HandleJournal::Tickets> all;
  for (size_t number = 0; number < opens && done; ++number) {
    const auto open = make_open(share, number, owner, who);
    auto tickets = open ? begun.journal->put(*open, store::Urgency::kOrdinary) : std::nullopt;
    if (tickets) {
      all.push_back(std::move(*tickets));
    } else {
      done = open ? fail_os(EFBIG) : fail(open.error());
    }
  }
  for (const auto& tickets : all) {
    for (const auto& ticket : tickets) {
      if (const auto each = co_await ticket.committed(seat); !each) done = each;
    }
  }
}

Result<void> prepare(const RecoveryOptions& options) {
  BRAID_CHECK(make_files(options));
  smb2::ShareEntry entry(configured(options.folder), nullptr);
  BRAID_TRY(const auto share, entry.connect({}));
  BRAID_TRY(const auto folder, smb2::open_handles_folder(*share));
  WorkerPool pool(2);
  Result<void> done;
  TaskScope scope;
  scope.spawn(write_log(*share, *folder, options.opens, pool, done));
  scope.wait();
  return done;
}

size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t size = 0;
  size_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

std::expected<bool, std::string> recover(const RecoveryOptions& options) {
  NoSink sink;
  filestate::FileTable file_table(sink);
  smb2::OpenTable open_table;
  smb2::FileIdSource file_ids;
  file_ids.start_at(options.opens + 1);
  smb2::FdBudget fds(kDescriptors);
  smb2::OtherWorkers none(nullptr);
  smb2::PersistentHandles handles({.clock = system_clock(),
                                   .file_table = file_table,
                                   .open_table = open_table,
                                   .file_ids = file_ids,
                                   .fds = fds},
                                  none);
  smb2::ShareEntry entry(configured(options.folder), nullptr);
  auto share = entry.connect({});
  if (!share) return std::unexpected("the folder is no share");
  auto folder = smb2::open_handles_folder(**share);
  if (!folder) return std::unexpected(folder.error().message());
  ::malloc_trim(0);
  const size_t before = resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  const auto begun = handles.begin(*share, std::move(*folder), {});
  const Seconds time = std::chrono::steady_clock::now() - start;
  if (!begun) return std::unexpected(begun.error());
  const size_t peak = resident_bytes() - before;
  ::malloc_trim(0);
  const size_t bytes = resident_bytes() - before;
  const size_t found = open_table.disconnected();
  const size_t each = bytes / std::max<size_t>(found, 1);
  fmt::print(
      "{} persistent opens recovered in {:.3f} s; {} bytes each, {} with what was needed "
      "for that\n",
      found, time.count(), each, peak / std::max<size_t>(found, 1));
  if (found != options.opens) return std::unexpected("not all of them");
  return (options.recovery_max == 0 || time.count() <= options.recovery_max) &&
         (options.bytes_max == 0 || each <= options.bytes_max);
}

}  // namespace

std::expected<bool, std::string> run_recovery(const RecoveryOptions& options) {
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected("fork: " + Error::last_os_error().message());
  if (child == 0) {
    const auto done = prepare(options);
    if (!done) fmt::print(stderr, "braid-bench: {}\n", done.error().message());
    std::fflush(stderr);
    ::_exit(done ? 0 : 1);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) {
    return std::unexpected("the log could not be made");
  }
  return recover(options);
}

}  // namespace braid::bench
