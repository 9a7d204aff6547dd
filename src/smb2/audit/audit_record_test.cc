#include "smb2/audit/audit_record.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  append_escaped(out, text);
  return out;
}

constexpr FileTime kTime{kUnixEpochTicks + (1'796'040'000 * kTicksPerSecond) + 1'230'000};

TEST(AuditRecord, HasTheFieldsThatAreGivenInTheirOrder) {
  const std::string line = std::move(AuditRecord(kTime, "open", "STATUS_SUCCESS")
                                         .add("user", "alice")
                                         .add("machine", "")
                                         .add("path", "a\\b.txt")
                                         .add("lines", 7))
                               .take();
  EXPECT_EQ(line, R"({"v":1,"time":"2026-11-30T12:00:00.123Z","op":"open",)"
                  R"("result":"STATUS_SUCCESS","user":"alice","path":"a\\b.txt","lines":7})");
}

TEST(AuditRecord, WhateverAClientSendsStaysOneLineOfAscii) {
  EXPECT_EQ(escaped("plain"), "plain");
  EXPECT_EQ(escaped("\"\\\n\r\t\x1b\x7f"), R"(\"\\\u000a\u000d\u0009\u001b\u007f)");
  EXPECT_EQ(escaped("\xC3\xA4\xE2\x80\xAE\xF0\x9F\x98\x80"), R"(\u00e4\u202e\ud83d\ude00)");
  // Cut short, overlong, a surrogate, beyond the last, a part alone.
  EXPECT_EQ(escaped("\xE2\x80"), R"(\ufffd\ufffd)");
  EXPECT_EQ(escaped("\xC0\xAFx"), R"(\ufffd\ufffdx)");
  EXPECT_EQ(escaped("\xE0\x80\xAF"), R"(\ufffd\ufffd\ufffd)");
  EXPECT_EQ(escaped("\xED\xA0\x80"), R"(\ufffd\ufffd\ufffd)");
  EXPECT_EQ(escaped("\xF4\x90\x80\x80"), R"(\ufffd\ufffd\ufffd\ufffd)");
  EXPECT_EQ(escaped("\x80\xFF"), R"(\ufffd\ufffd)");
  EXPECT_EQ(escaped(std::string_view("a\0b", 3)), R"(a\u0000b)");
}

TEST(AuditRecord, LongTextsAreCut) {
  const std::string line =
      std::move(AuditRecord(kTime, "open", "x").add("path", std::string(100'000, 'p'))).take();
  EXPECT_LT(line.size(), kAuditTextMax + 200);
  EXPECT_TRUE(line.ends_with("ppp...\"}"));
}

TEST(AuditRecord, SaysHowManyAreMissing) {
  EXPECT_TRUE(lost_record(12).ends_with(R"("op":"lost","lines":12})")) << lost_record(12);
}

}  // namespace
}  // namespace braid::smb2
