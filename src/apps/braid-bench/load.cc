#include "apps/braid-bench/load.h"

#include <fmt/format.h>

#include "apps/braid-bench/data_loads.h"
#include "apps/braid-bench/lease_load.h"
#include "apps/braid-bench/logon_load.h"
#include "apps/braid-bench/name_loads.h"
#include "apps/braid-bench/office_load.h"

namespace braid::bench {
namespace {

std::string of_paths(const LoadOptions& options) {
  switch (options.paths) {
    case Paths::kOne:
      return ", one path";
    case Paths::kOwn:
      return ", own paths";
    case Paths::kMany:
      return fmt::format(", any of {} paths", options.files);
  }
  return {};
}

}  // namespace

std::unique_ptr<Load> make_load(const LoadOptions& options) {
  switch (options.kind) {
    case LoadKind::kEcho:
      return make_echo_load();
    case LoadKind::kRead:
    case LoadKind::kWrite:
      return make_data_load(options);
    case LoadKind::kOpen:
      return make_open_load(options);
    case LoadKind::kSmallFiles:
      return make_small_files_load(options);
    case LoadKind::kStat:
      return make_stat_load(options);
    case LoadKind::kList:
      return make_list_load(options);
    case LoadKind::kLock:
      return make_lock_load();
    case LoadKind::kLeaseBreak:
      return make_lease_load(options);
    case LoadKind::kLogon:
      return make_logon_load(options);
    case LoadKind::kOffice:
      return make_office_load();
  }
  return nullptr;
}

std::string_view name_of(LoadKind kind) {
  switch (kind) {
    case LoadKind::kEcho:
      return "echo";
    case LoadKind::kRead:
      return "read";
    case LoadKind::kWrite:
      return "write";
    case LoadKind::kOpen:
      return "open";
    case LoadKind::kSmallFiles:
      return "small-files";
    case LoadKind::kStat:
      return "stat";
    case LoadKind::kList:
      return "list";
    case LoadKind::kLock:
      return "lock";
    case LoadKind::kLeaseBreak:
      return "lease-break";
    case LoadKind::kLogon:
      return "logon";
    case LoadKind::kOffice:
      return "office";
  }
  return {};
}

std::string describe(const LoadOptions& options) {
  std::string text(name_of(options.kind));
  switch (options.kind) {
    case LoadKind::kRead:
    case LoadKind::kWrite:
      text +=
          fmt::format(", {} bytes, {}", options.size, options.is_random ? "random" : "sequential");
      break;
    case LoadKind::kSmallFiles:
      text += fmt::format(", {} bytes", options.size);
      break;
    case LoadKind::kOpen:
    case LoadKind::kStat:
      text += of_paths(options);
      break;
    case LoadKind::kList:
      text += fmt::format(", {} names", options.files);
      break;
    case LoadKind::kLogon:
      text += options.connects ? ", a connection each" : ", one connection";
      break;
    case LoadKind::kEcho:
    case LoadKind::kLock:
    case LoadKind::kLeaseBreak:
    case LoadKind::kOffice:
      break;
  }
  return text;
}

}  // namespace braid::bench
