#include "rpc/srvsvc/server.h"

#include <ctime>
#include <string_view>

#include "wire/utf16.h"

namespace braid::rpc::srvsvc {
namespace {

constexpr uint32_t kPlatformNt = 500;  // [MS-SRVS] 2.2.2.6 "Platform IDs"
// [MS-SRVS] 2.2.2.7 "Software Type Flags": workstation, server, Unix, NT, NT server.
constexpr uint32_t kSoftwareType = 0x00000001 | 0x00000002 | 0x00000800 | 0x00001000 | 0x00008000;
constexpr uint32_t kAutoDisconnectMinutes = 15;
constexpr uint32_t kAnnounceSeconds = 240;
constexpr uint32_t kAnnounceDeltaMs = 3000;
constexpr uint32_t kNoLimit = 0xffffffff;
constexpr std::string_view kUserPath = "C:\\";
// Ten-thousandths of a second between ticks, the clock of a PC.
constexpr uint32_t kTickInterval = 310;

// [MS-SRVS] 2.2.4.40 "SERVER_INFO_100" to 2.2.4.42 "SERVER_INFO_102", which is 101 with more.
void write_server_info(wire::NdrWriter& out, const ServerFacts& facts, uint32_t level) {
  out.u32(kPlatformNt);
  out.pointer(true);
  if (level >= 101) {
    out.u32(facts.version_major);
    out.u32(facts.version_minor);
    out.u32(kSoftwareType);
    out.pointer(true);
  }
  if (level == 102) {
    out.u32(kNoLimit);  // users
    out.u32(kAutoDisconnectMinutes);
    out.u32(0);  // hidden
    out.u32(kAnnounceSeconds);
    out.u32(kAnnounceDeltaMs);
    out.u32(0);  // licenses
    out.pointer(true);
  }
  out.wide_string(facts.netbios_name);
  if (level >= 101) out.wide_string(facts.comment);
  if (level == 102) out.wide_string(kUserPath);
}

}  // namespace

FaultStatus server_get_info(Call& call) {
  (void)call.in.unique_wide_string();
  const uint32_t level = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  uint32_t error = win32::kSuccess;
  if (level < 100 || level > 102) {
    error = win32::kInvalidLevel;
  } else if (level == 102 && !call.caller.is_administrator) {
    error = win32::kAccessDenied;
  }
  call.out.u32(level);
  call.out.pointer(error == win32::kSuccess);
  if (error == win32::kSuccess) {
    write_server_info(call.out, call.directory.identity.facts(), level);
  }
  return call.finish(error);
}

FaultStatus remote_tod(Call& call) {
  (void)call.in.unique_wide_string();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  const timespec now = to_timespec(call.directory.clock.now());
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  const auto uptime = call.directory.clock.monotonic().time_since_epoch();
  wire::NdrWriter& out = call.out;
  // [MS-SRVS] 2.2.4.105 "TIME_OF_DAY_INFO".
  out.pointer(true);
  out.u32(static_cast<uint32_t>(now.tv_sec));
  out.u32(
      static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count()));
  out.u32(static_cast<uint32_t>(parts.tm_hour));
  out.u32(static_cast<uint32_t>(parts.tm_min));
  out.u32(static_cast<uint32_t>(parts.tm_sec));
  out.u32(static_cast<uint32_t>(now.tv_nsec / 10'000'000));
  out.u32(0);  // minutes west of UTC: the parts above are UTC
  out.u32(kTickInterval);
  out.u32(static_cast<uint32_t>(parts.tm_mday));
  out.u32(static_cast<uint32_t>(parts.tm_mon + 1));
  out.u32(static_cast<uint32_t>(parts.tm_year + 1900));
  out.u32(static_cast<uint32_t>(parts.tm_wday));
  return call.finish(win32::kSuccess);
}

FaultStatus name_validate(Call& call) {
  constexpr uint32_t kFirstType = 1, kShareType = 9, kLastType = 13;
  constexpr uint32_t kOldLimits = 0x80000000;
  constexpr size_t kShareLength = 80, kOldShareLength = 13, kOtherLength = 255;
  constexpr std::string_view kForbidden = "\"/\\[]:|<>+=;,*?";

  (void)call.in.unique_wide_string();
  const std::string name = call.in.wide_string();
  const uint32_t type = call.in.u32();
  const uint32_t flags = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (type < kFirstType || type > kLastType || (flags & ~kOldLimits) != 0) {
    return call.finish(win32::kInvalidParameter);
  }
  const size_t limit = type != kShareType    ? kOtherLength
                       : flags == kOldLimits ? kOldShareLength
                                             : kShareLength;
  if (name.empty() || wire::utf16le_size(name) / 2 > limit) return call.finish(win32::kInvalidName);
  for (char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || kForbidden.contains(c)) {
      return call.finish(win32::kInvalidName);
    }
  }
  return call.finish(win32::kSuccess);
}

}  // namespace braid::rpc::srvsvc
