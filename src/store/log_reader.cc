#include "store/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace braid::store {
namespace {

constexpr size_t kReadBytes = 1 << 20;
// What is read alone around a place that the disk cannot give.
constexpr size_t kBlockBytes = 4096;
constexpr size_t kDamagesNamed = 8;

bool is_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

// The records of a file from front to back. What cannot be read is stepped over: every record says
// where it lies and is sealed, so the next one is known when it comes.
class RecordWalk {
 public:
  RecordWalk(ByteView file, uint32_t seed) : file_(file), seed_(seed) {}

  std::optional<LogRecord> next() {
    for (; at_ + LogRecord::kFixedBytes <= file_.size(); at_ += LogRecord::kAlignment) {
      const auto record = LogRecord::decode(file_, at_, seed_);
      if (!record) continue;
      at_ += record->size();
      return *record;
    }
    return std::nullopt;
  }

 private:
  const ByteView file_;
  const uint32_t seed_;
  uint64_t at_ = kLogHeaderBytes;
};

void add_damage(RecoveredLog& log, LogDamage damage) {
  log.condition = LogCondition::kDamaged;
  if (log.damages_in_all++ < RecoveredLog::kDamagesMax) log.damages.push_back(std::move(damage));
}

void apply(RecoveredLog& log, const LogRecord& record) {
  std::string key(as_text(record.key));
  if (!record.value_is_whole) {
    add_damage(log, {record.position, record.size(), key});
    log.records.erase(key);  // what it was before it is not any more
  } else if (record.operation == LogOperation::kErase) {
    log.records.erase(key);
  } else {
    log.records.insert_or_assign(
        std::move(key), RecoveredRecord{std::string(as_text(record.value)), record.position});
  }
}

// Everything before this was on the disk when the last commit that is found began.
uint64_t find_proven(ByteView file, uint32_t seed) {
  uint64_t proven = kLogHeaderBytes;
  RecordWalk walk(file, seed);
  while (const auto record = walk.next()) proven = std::max(proven, record->synced);
  return proven;
}

void read_records(ByteView file, RecoveredLog& log) {
  const uint32_t seed = log.header.seed();
  const uint64_t proven = find_proven(file, seed);
  uint64_t at = kLogHeaderBytes;
  uint64_t last_unknown = 0;  // where something lies of which not even the key is known
  const auto lose = [&](uint64_t end) {
    add_damage(log, {at, end - at, {}});
    last_unknown = at = end;
  };
  RecordWalk walk(file, seed);
  while (const auto record = walk.next()) {
    if (record->position > at && at < proven) lose(std::min(record->position, proven));
    // Of the last commit what is before the first gap counts.
    if (record->position > at) break;
    if (at >= proven && !record->value_is_whole) break;
    apply(log, *record);
    at += record->size();
  }
  if (at < proven) lose(proven);
  log.end = std::min<uint64_t>(at, file.size());
  const ByteView rest = file.subspan(log.end);
  const auto last =
      std::ranges::find_if(rest.rbegin(), rest.rend(), [](uint8_t byte) { return byte != 0; });
  log.torn_bytes = static_cast<uint64_t>(rest.rend() - last);
  for (auto& [key, record] : log.records) record.may_be_old = record.position < last_unknown;
}

// The whole file; what cannot be read is zeros and in `lost`.
Result<Buffer> load(LogFile& file, uint64_t size, std::vector<LogDamage>& lost) {
  Buffer whole(size);
  uint64_t at = 0;
  while (at < size) {
    const auto part = whole.view().subspan(at, std::min<uint64_t>(kReadBytes, size - at));
    const auto got = file.read(at, part);
    if (got && *got == 0) break;  // shorter than it was
    if (got) {
      at += *got;
      continue;
    }
    if (!got.error().is_os(EIO)) return fail(got.error());
    for (uint64_t block = 0; block < part.size(); block += kBlockBytes) {
      const auto piece = part.subspan(block, std::min(kBlockBytes, part.size() - block));
      const auto read = file.read(at + block, piece);
      if (read && *read == piece.size()) continue;
      std::ranges::fill(piece, 0);
      lost.push_back({at + block, piece.size(), {}});
    }
    at += part.size();
  }
  whole.resize_within(at);
  return whole;
}

RecoveredLog unreadable(Error error) {
  RecoveredLog log;
  log.condition = error.is_os(ENOENT) ? LogCondition::kMissing : LogCondition::kUnreadable;
  log.error = error;
  return log;
}

std::string first_damages(const RecoveredLog& log) {
  std::string text;
  for (const LogDamage& damage : log.damages) {
    if (&damage - log.damages.data() == kDamagesNamed) return text + ", ...";
    text +=
        fmt::format("{} {} bytes at {}", text.empty() ? ":" : ",", damage.bytes, damage.position);
    if (damage.key.empty()) continue;
    text += " (record ";
    for (const char c : damage.key.substr(0, 32)) {
      text += fmt::format("{:02x}", static_cast<uint8_t>(c));
    }
    text += ")";
  }
  return text;
}

}  // namespace

RecoveredLog read_log(ByteView file, const ShareId& share) {
  RecoveredLog log;
  if (is_zero(file.first(std::min(file.size(), kLogHeaderBytes))) && is_zero(file)) {
    log.condition = LogCondition::kEmpty;
    return log;
  }
  const auto header = LogHeader::decode(file, log.version);
  if (!header) {
    log.condition =
        header.error() == Error::unsupported() ? LogCondition::kNewer : LogCondition::kNoLog;
    return log;
  }
  log.header = *header;
  if (header->owner.share != share) {
    log.condition = LogCondition::kOtherShare;
    return log;
  }
  log.condition = LogCondition::kWhole;
  read_records(file, log);
  return log;
}

RecoveredLog recover_log(LogFolder& folder, const std::string& name, const ShareId& share) {
  const auto file = folder.open(name);
  if (!file) return unreadable(file.error());
  const auto size = (*file)->size();
  if (!size) return unreadable(size.error());
  if (*size > kLogFileMax) return unreadable(Error::os(EFBIG));
  std::vector<LogDamage> lost;
  const auto whole = load(**file, *size, lost);
  if (!whole) return unreadable(whole.error());
  if (!lost.empty() && lost.front().position < kLogHeaderBytes) return unreadable(Error::os(EIO));

  RecoveredLog log = read_log(whole->view(), share);
  if (log.condition == LogCondition::kEmpty && !lost.empty()) return unreadable(Error::os(EIO));
  if (!log.is_usable()) return log;
  if (log_name(log.header.owner) != name) {
    RecoveredLog misnamed;
    misnamed.condition = LogCondition::kMisnamed;
    misnamed.version = log.version;
    misnamed.header = log.header;
    return misnamed;
  }
  for (LogDamage& damage : lost) {
    // It may have been the end.
    const uint64_t end = damage.position + damage.bytes;
    for (auto& [key, record] : log.records) record.may_be_old |= record.position < end;
    add_damage(log, std::move(damage));
  }
  return log;
}

std::string RecoveredLog::complaint(std::string_view name) const {
  switch (condition) {
    case LogCondition::kWhole:
      return {};
    case LogCondition::kDamaged:
      return fmt::format("{}: cannot be read in {} places, {} records are kept{}", name,
                         damages_in_all, records.size(), first_damages(*this));
    case LogCondition::kMissing:
      return fmt::format("{}: there is no such file", name);
    case LogCondition::kEmpty:
      return fmt::format("{}: empty", name);
    case LogCondition::kNoLog:
      return fmt::format("{}: no handle log, or its first sector is damaged", name);
    case LogCondition::kMisnamed:
      return fmt::format("{}: a copy of {}, which is not used", name, log_name(header.owner));
    case LogCondition::kNewer:
      return fmt::format("{}: of version {}, and this program reads up to {}", name, version,
                         kLogVersion);
    case LogCondition::kOtherShare:
      return fmt::format("{}: belongs to another share", name);
    case LogCondition::kUnreadable:
      return fmt::format("{}: cannot be read: {}", name, error.message());
  }
  return std::string(name);
}

Result<LogListing> list_logs(LogFolder& folder) {
  BRAID_TRY(const std::vector<std::string> names, folder.list());
  LogListing listing;
  std::vector<std::pair<uint64_t, std::string>> logs;
  for (const std::string& name : names) {
    const bool is_unfinished = name.ends_with(kLogUnfinishedSuffix);
    const auto stem = std::string_view(name).substr(
        0, name.size() - (is_unfinished ? kLogUnfinishedSuffix.size() : 0));
    const auto owner = parse_log_name(stem);
    if (!owner) {
      listing.strangers.push_back(name);
      continue;
    }
    if (owner->epoch < ~uint64_t{0}) {
      listing.next_epoch = std::max(listing.next_epoch, owner->epoch + 1);
    }
    if (!is_unfinished) logs.emplace_back(owner->epoch, name);
  }
  std::ranges::sort(logs);
  for (auto& [epoch, name] : logs) listing.logs.push_back(std::move(name));
  std::ranges::sort(listing.strangers);
  return listing;
}

Result<void> remove_log(LogFolder& folder, const std::string& name) {
  if (const auto gone = folder.remove(name + std::string(kLogUnfinishedSuffix));
      !gone && !gone.error().is_os(ENOENT)) {
    return gone;
  }
  BRAID_CHECK(folder.remove(name));
  return folder.sync();
}

}  // namespace braid::store
