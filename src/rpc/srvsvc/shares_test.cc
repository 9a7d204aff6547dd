#include "rpc/srvsvc/shares.h"

#include <gtest/gtest.h>

#include "rpc/captured_testing.h"
#include "rpc/enumeration.h"
#include "rpc/pipe_testing.h"

namespace braid::rpc {
namespace {

// Runs a handler by itself.
struct Carried {
  Carried(PipeFixture& f, Handler handler, ByteView stub) {
    HandleTable handles;
    const Directory directory = f.directory.directory();
    Call call{f.caller, directory, handles, wire::NdrReader(stub), wire::NdrWriter(out)};
    fault = handler(call);
  }
  uint32_t return_value() const {
    uint32_t value = 0;
    if (out.size() >= 4) std::memcpy(&value, &out[out.size() - 4], 4);
    return value;
  }
  Bytes out;
  FaultStatus fault;
};

Bytes enum_stub(uint32_t level, uint32_t preferred, uint32_t resume) {
  Bytes stub;
  wire::NdrWriter w(stub);
  w.pointer(false);
  w.u32(level);
  w.u32(level);
  w.pointer(true);
  w.u32(0);
  w.pointer(false);
  w.u32(preferred);
  w.pointer(true);
  w.u32(resume);
  return stub;
}

Bytes get_info_stub(std::string_view name, uint32_t level) {
  Bytes stub;
  wire::NdrWriter w(stub);
  w.pointer(false);
  w.wide_string(name);
  w.u32(level);
  return stub;
}

TEST(ShareEnum, LevelsWithPathsAreForAdministrators) {
  PipeFixture f;
  f.caller.is_administrator = false;
  for (uint32_t level : {0, 1, 501}) {
    EXPECT_EQ(
        Carried(f, srvsvc::share_enum, enum_stub(level, EnumRequest::kNoLimit, 0)).return_value(),
        win32::kSuccess);
  }
  for (uint32_t level : {2, 502, 503}) {
    EXPECT_EQ(
        Carried(f, srvsvc::share_enum, enum_stub(level, EnumRequest::kNoLimit, 0)).return_value(),
        win32::kAccessDenied);
    EXPECT_EQ(Carried(f, srvsvc::share_get_info, get_info_stub("share", level)).return_value(),
              win32::kAccessDenied);
  }
}

TEST(ShareEnum, UnknownLevelIsInvalidLevel) {
  PipeFixture f;
  EXPECT_EQ(Carried(f, srvsvc::share_enum, enum_stub(7, EnumRequest::kNoLimit, 0)).return_value(),
            win32::kInvalidLevel);
  for (const auto& [level, result] :
       {std::pair{501u, win32::kInvalidLevel}, {1u, win32::kSuccess}}) {
    EXPECT_EQ(Carried(f, srvsvc::share_enum_sticky, enum_stub(level, EnumRequest::kNoLimit, 0))
                  .return_value(),
              result);
  }
  EXPECT_EQ(Carried(f, srvsvc::share_get_info, get_info_stub("share", 7)).return_value(),
            win32::kInvalidLevel);
}

TEST(ShareEnum, ResumeHandleGoesOnWhereTheLastAnswerEnded) {
  PipeFixture f;
  uint32_t resume = 0;
  size_t calls = 0;
  for (uint32_t result = win32::kMoreData; result == win32::kMoreData; ++calls) {
    const Carried run(f, srvsvc::share_enum, enum_stub(1, 1, resume));
    result = run.return_value();
    std::memcpy(&resume, &run.out[run.out.size() - 8], 4);
    ASSERT_LT(calls, 10u);
  }
  EXPECT_EQ(calls, 3u);
  // Past the end: success and nothing.
  const Carried past(f, srvsvc::share_enum, enum_stub(1, 1, 99));
  EXPECT_EQ(past.return_value(), win32::kSuccess);
}

TEST(ShareGetInfo, NamesIgnoreCaseAndUnknownOnesAreNotFound) {
  PipeFixture f;
  EXPECT_EQ(Carried(f, srvsvc::share_get_info, get_info_stub("SHARE", 1)).return_value(),
            win32::kSuccess);
  EXPECT_EQ(Carried(f, srvsvc::share_get_info, get_info_stub("nope", 1)).return_value(),
            win32::kNetNameNotFound);
}

}  // namespace
}  // namespace braid::rpc
