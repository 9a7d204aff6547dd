// AuditRecord: one line of the audit, as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace braid::smb2 {

// A value of it is a client's word, and any bytes: cut to kAuditTextMax, and escaped so that the
// line is ASCII without control characters.
inline constexpr size_t kAuditTextMax = 4'096;

// {"v":1,"time":"2026-11-30T09:00:00.123Z","op":OPERATION,"result":RESULT, ...}: what follows is
// added in the order of the calls, and empty texts are left out. docs/json.md has the operations.
class AuditRecord {
 public:
  AuditRecord(FileTime now, std::string_view operation, std::string_view result);

  AuditRecord& add(std::string_view key, std::string_view text);
  AuditRecord& add(std::string_view key, uint64_t number);

  std::string take() &&;  // without the line's end

 private:
  std::string line_;
};

// `text` without quotes around it; what is no UTF-8 in it becomes U+FFFD.
void append_escaped(std::string& out, std::string_view text);

// That `count` lines are missing here.
std::string lost_record(uint64_t count);

}  // namespace braid::smb2
