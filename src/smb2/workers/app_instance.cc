#include "smb2/workers/app_instance.h"

#include "smb2/common/worker_messages.h"
#include "smb2/files/close_open.h"
#include "smb2/files/durable.h"
#include "smb2/files/file_services.h"
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

Task<bool> end_instances_here(FileServices& files, AppInstanceArrival arrival) {
  for (;;) {
    auto match = find(files, arrival);
    if (!match) co_return false;
    if (match->try_again) {
      WorkerPool::Seat seat(files.pool, {});
      co_await match->try_again->wait(seat);
      continue;
    }
    if (is_newer(match->version, arrival)) co_return true;
    if (!arrival.may_end) co_return false;
    if (match->open) {
      co_await close_open(files, std::move(match->open));
    } else if (auto claim = files.open_table.claim(match->persistent_id); claim.open) {
      co_await close_claimed(files, std::move(*claim.open));
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
