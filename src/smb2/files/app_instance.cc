#include "smb2/files/app_instance.h"

#include "smb2/files/close_open.h"
#include "smb2/files/durable.h"
#include "smb2/files/file_services.h"
#include "smb2/workers/worker_messages.h"
#include "vfs/names.h"

namespace braid::smb2 {
namespace {

using Match = OpenTable::AppInstanceOpen;

// Whether the newcomer may not take the place of an open with this version. Before 3.1.1 there are
// no versions.
bool is_newer(const std::optional<wire::AppInstanceVersion>& open,
              const AppInstanceArrival& arrival) {
  if (!open) return false;
  if (!arrival.version) return true;
  return arrival.compares_versions && *open >= *arrival.version;
}

std::optional<Match> find(FileServices& files, const AppInstanceArrival& arrival) {
  return files.open_table.find_app_instance(
      arrival.id, arrival.file, arrival.client,
      [&arrival](std::string_view share, std::string_view stream) {
        return vfs::equal_folded(share, arrival.share) && vfs::equal_folded(stream, arrival.stream);
      });
}

}  // namespace

AppInstances::AppInstances(FileServices& files, OtherWorkers& workers)
    : files_(files),
      workers_(workers),
      questions_(workers, store::Topic::kOpens,
                 [this](Question question) { files_.spawn(answer(std::move(question))); }) {}

bool AppInstances::may_have(const AppInstanceId& id) const {
  return workers_.any() || files_.open_table.has_app_instance(id);
}

Task<Result<bool>> AppInstances::end(AppInstanceArrival arrival, Executor& executor) {
  if (co_await end_here(arrival)) co_return true;
  bool has_newer = false;
  for (const size_t worker : workers_.indexes()) {
    BRAID_CO_TRY(const auto answer, co_await questions_.ask(worker, bytes_of(arrival), executor));
    if (!answer) continue;
    wire::Reader r(answer->payload);
    const auto verdict = AppInstanceVerdict::decode(r);
    has_newer |= verdict && verdict->has_newer;
  }
  co_return has_newer;
}

Task<void> AppInstances::answer(Question question) {
  WorkerPool::Seat seat(files_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  auto arrival = AppInstanceArrival::decode(r);
  AppInstanceVerdict verdict;
  if (arrival) verdict.has_newer = co_await end_here(std::move(*arrival));
  questions_.answer(question, bytes_of(verdict));
}

Task<bool> AppInstances::end_here(AppInstanceArrival arrival) {
  for (;;) {
    auto match = find(files_, arrival);
    if (!match) co_return false;
    if (match->try_again) {
      WorkerPool::Seat seat(files_.pool, {});
      co_await match->try_again->wait(seat);
      continue;
    }
    if (is_newer(match->version, arrival)) co_return true;
    if (!arrival.may_end) co_return false;
    if (match->open) {
      co_await close_open(files_, std::move(match->open));
    } else if (auto claim = files_.open_table.claim(match->persistent_id); claim.open) {
      co_await close_claimed(files_, std::move(*claim.open));
    }
  }
}

void AppInstanceArrival::encode(wire::Writer& w) const {
  w.id128(id);
  w.u8(static_cast<uint8_t>(version.has_value() | compares_versions << 1 | may_end << 2));
  w.u64(version ? version->app_instance_version_high : 0);
  w.u64(version ? version->app_instance_version_low : 0);
  w.id128(client);
  encode_text(share, w);
  w.u64(file.device);
  w.u64(file.inode);
  encode_text(stream, w);
}

Result<AppInstanceArrival> AppInstanceArrival::decode(wire::Reader& r) {
  AppInstanceArrival arrival;
  arrival.id = r.id128<AppInstanceId>();
  const uint8_t flags = r.u8();
  arrival.compares_versions = (flags & 2) != 0;
  arrival.may_end = (flags & 4) != 0;
  wire::AppInstanceVersion version;
  version.app_instance_version_high = r.u64();
  version.app_instance_version_low = r.u64();
  if (flags & 1) arrival.version = version;
  arrival.client = r.id128<ClientGuid>();
  arrival.share = decode_text(r);
  arrival.file.device = r.u64();
  arrival.file.inode = r.u64();
  arrival.stream = decode_text(r);
  return r.finish(std::move(arrival));
}

}  // namespace braid::smb2
