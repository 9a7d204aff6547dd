// Our answers against those of Samba to the same requests.
#include "rpc/captured_testing.h"

#include <gtest/gtest.h>

#include "rpc/pipe_testing.h"

namespace braid::rpc {
namespace {

TEST(Srvsvc, ShareEnumOfSmbclientIsAnsweredAsSambaDoes) {
  PipeFixture f;
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  EXPECT_EQ(without_referents(answer(*pipe, captured::kShareEnum)),
            without_referents(unhex(captured::kShareEnumAnswer)));
}

TEST(Lsarpc, QueriesOfRpcclientAreAnsweredAsSambaDoes) {
  PipeFixture f;
  auto pipe = f.bound("lsarpc", captured::kLsarpcBind);
  const Bytes opened = answer(*pipe, captured::kOpenPolicy);
  ASSERT_EQ(opened.size(), 48u);
  const ByteView handle = ByteView(opened).subspan(24, 20);
  const std::pair<const char*, const char*> exchanges[] = {
      {captured::kQueryPolicy, captured::kQueryPolicyAnswer},
      {captured::kLookupNames, captured::kLookupNamesAnswer},
      {captured::kLookupSids, captured::kLookupSidsAnswer},
      {captured::kLsaClose, captured::kLsaCloseAnswer}};
  for (const auto& [request, expected] : exchanges) {
    EXPECT_EQ(without_referents(answer(*pipe, with_handle(request, handle))),
              without_referents(unhex(expected)));
  }
}

TEST(Samr, EnumDomainUsersOfRpcclientIsAnsweredAsSambaDoes) {
  PipeFixture f;
  auto pipe = f.bound("samr", captured::kSamrBind);
  const Bytes connected = answer(*pipe, captured::kConnect5);
  ASSERT_EQ(connected.size(), 64u);
  const ByteView server = ByteView(connected).subspan(40, 20);
  EXPECT_EQ(without_referents(answer(*pipe, with_handle(captured::kSamLookupDomain, server))),
            without_referents(unhex(captured::kSamLookupDomainAnswer)));
  const Bytes opened = answer(*pipe, with_handle(captured::kSamOpenDomain, server));
  ASSERT_EQ(opened.size(), 48u);
  const ByteView domain = ByteView(opened).subspan(24, 20);
  EXPECT_EQ(without_referents(answer(*pipe, with_handle(captured::kSamEnumUsers, domain))),
            without_referents(unhex(captured::kSamEnumUsersAnswer)));
}

}  // namespace
}  // namespace braid::rpc
