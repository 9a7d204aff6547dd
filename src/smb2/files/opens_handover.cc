#include "smb2/files/opens_handover.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "smb2/common/store_account.h"
#include "smb2/files/file_services.h"
#include "smb2/files/local_access.h"
#include "smb2/opens/preserved_open_codec.h"
#include "smb2/persistent/handed_open.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

constexpr uint32_t kHandoverMagic = 0x4F48'5242;  // "BRHO"
constexpr uint16_t kHandoverVersion = 1;
constexpr size_t kCountAt = 4 + 2;

void begin_part(Bytes& state) {
  wire::Writer w(state);
  w.u32(kHandoverMagic);
  w.u16(kHandoverVersion);
  w.u32(0);  // how many, when that is known
}

std::chrono::milliseconds time_left(Clock::Instant until, Clock::Instant now) {
  return std::chrono::ceil<std::chrono::milliseconds>(std::max(until - now, {}));
}

Result<std::vector<HandedOpen>> decode_part(ByteView state) {
  wire::Reader r(state);
  const uint32_t magic = r.u32();
  const uint16_t version = r.u16();
  if (r.ok() && magic == kHandoverMagic && version > kHandoverVersion) {
    return fail(Error::unsupported());
  }
  r.expect(magic == kHandoverMagic && version != 0);
  const uint32_t count = r.u32();
  std::vector<HandedOpen> all;
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    const uint32_t size = r.u32();
    const ByteView bytes = r.bytes(size);
    if (!r.ok()) break;
    BRAID_TRY(auto open, decode_handed_open(bytes));
    all.push_back(std::move(open));
  }
  r.expect(r.remaining() == 0);
  if (!r.ok()) return std::unexpected(r.error());
  return all;
}

// Of this configuration, with its folder open.
std::shared_ptr<const Share> share_of(const FileServices& files, const HandedOpen& open) {
  const auto entry = files.settings.shares()->entry(open.share);
  if (!entry) return nullptr;
  auto share = entry->connect(open.open.owner->account_name);
  if (!share || !(*share)->volume || (*share)->real_path != open.real_path) return nullptr;
  return std::move(*share);
}

void tell_lost(const HandedOpen& open, std::string_view why) {
  log::warn("share '{}': the open of '{}' by {} could not be handed over: {}", open.share,
            open.open.changes.path.text(), open.open.owner->account_name, why);
}

bool has_its_name(const PreservedOpen& open) {
  vfs::File& named = open.base_file ? *open.base_file : *open.file;
  const vfs::Volume& volume = *open.share->volume;
  const auto name = volume.name_of(named);
  if (name && *name == open.changes.path) return true;
  const auto found = open.share->volume->find(server_credentials(), open.changes.path);
  return found && found->attributes.key == named.key();
}

// From now on, while the process before still does: a name that others change meanwhile, or
// anything else, would be seen by nobody until its client is back.
void watch(FileServices& files, const HandedOpen& handed) {
  auto claim = files.open_table.claim(handed.open.file_id.persistent);
  if (!claim.open) return;
  PreservedOpen& open = *claim.open;
  const filestate::Caching caching = files.file_table.caching_of(open.ref());
  const FileKey key = open.attributes.file_key;
  LocalAccessTerms terms{.kept = caching, .watch = nullptr};
  bool is_elsewhere = false;
  const bool is_told = open.share->local_access == config::LocalAccess::kNotify;
  if (is_told && open.file && (filestate::any(caching) || open.lease_key)) {
    terms =
        see_to_local_programs(files, *open.share, key, *open.file, caching, account_of(open.owner));
    is_elsewhere = terms.watch && !has_its_name(open);
  }
  open.local_watch = std::move(terms.watch);
  files.open_table.give_back(std::move(open));
  constexpr auto kAll = filestate::Caching::kReadWriteHandle;
  if (is_elsewhere) {
    files.file_table.take_for_local(key, kAll);
  } else if (!filestate::is_subset(caching, terms.kept)) {
    files.file_table.take_for_local(key, kAll - terms.kept);
  }
}

size_t take_all(FileServices& files, std::vector<HandedOpen> opens,
                std::vector<UniqueFd> descriptors) {
  const RestoreParts parts{.clock = files.clock,
                           .file_table = files.file_table,
                           .open_table = files.open_table,
                           .file_ids = files.file_ids,
                           .fds = files.fds};
  size_t taken = 0;
  auto next = descriptors.begin();
  for (HandedOpen& each : opens) {
    UniqueFd descriptor;
    if (each.has_descriptor && next != descriptors.end()) descriptor = std::move(*next++);
    auto share = share_of(files, each);
    if (!share) {
      tell_lost(each, "there is no such share with this folder any more");
      continue;
    }
    const auto ref = take_handed(parts, std::move(share), each, std::move(descriptor));
    if (ref) {
      ++taken;
      watch(files, each);
    } else {
      tell_lost(each, ref.error().message());
    }
  }
  return taken;
}

}  // namespace

std::vector<OpensHandover::Part> OpensHandover::give(size_t workers, const WorkerOf& worker_of) {
  std::vector<Part> parts(workers);
  std::vector<uint32_t> counts(workers);
  for (Part& each : parts) begin_part(each.state);
  const auto now = files_.clock.monotonic();
  // Those that sleep are in a log, and sleep on.
  for (auto& [open_now, until] : files_.open_table.claim_awake()) {
    const PreservedOpen& open = given_.emplace_back(std::move(open_now));
    if (FileServices::is_recorded(open)) continue;
    const auto left = time_left(until, now);
    const auto handed = handed_open_of(files_.file_table, open, left);
    if (!handed) continue;  // given up just now
    const size_t to = worker_of(open.client_guid) % workers;
    const Bytes bytes = encode(*handed);
    wire::Writer w(parts[to].state);
    w.u32(static_cast<uint32_t>(bytes.size()));
    w.bytes(bytes);
    ++counts[to];
    if (handed->has_descriptor) parts[to].descriptors.push_back(descriptor_of(open));
  }
  for (size_t i = 0; i < workers; ++i) {
    for (size_t byte = 0; byte < sizeof(uint32_t); ++byte) {
      parts[i].state[kCountAt + byte] = static_cast<uint8_t>(counts[i] >> (8 * byte));
    }
  }
  return parts;
}

void OpensHandover::take_back() {
  for (PreservedOpen& open : std::exchange(given_, {})) {
    files_.open_table.give_back(std::move(open));
  }
}

// On a thread of its own, as it acts as users, which the caller is not to do.
Result<size_t> OpensHandover::take(ByteView state, std::vector<UniqueFd> descriptors) {
  BRAID_TRY(auto opens, decode_part(state));
  size_t taken = 0;
  for (const HandedOpen& each : opens) guarded_.push_back(each.open.file_id.persistent);
  std::thread([&] { taken = take_all(files_, std::move(opens), std::move(descriptors)); }).join();
  return taken;
}

void OpensHandover::serve() {
  std::thread([this] {
    for (const uint64_t id : std::exchange(guarded_, {})) guard_again(files_, id);
  }).join();
}

void guard_again(FileServices& files, uint64_t persistent_id) {
  auto claim = files.open_table.claim(persistent_id);
  if (!claim.open) return;
  PreservedOpen& open = *claim.open;
  const filestate::Caching caching = files.file_table.caching_of(open.ref());
  const FileKey key = open.attributes.file_key;
  filestate::Caching kept = caching;
  if (open.share->local_access == config::LocalAccess::kStrict && open.file) {
    kept = see_to_local_programs(files, *open.share, key, *open.file, caching,
                                 account_of(open.owner), GuardedBefore::kByProcessBefore)
               .kept;
  }
  files.open_table.give_back(std::move(open));
  if (!filestate::is_subset(caching, kept)) {
    files.file_table.take_for_local(key, filestate::Caching::kReadWriteHandle - kept);
  }
}

}  // namespace braid::smb2
