#include "rpc/accounts.h"

#include <gtest/gtest.h>

#include "rpc/pipe_testing.h"

namespace braid::rpc {
namespace {

TEST(FindAccount, NamesComeWithAndWithoutDomain) {
  PipeFixture f;
  const Directory directory = f.directory.directory();
  for (const char* name : {"root", "ROOT", "FRSERV\\root", "frserv\\Root", "root@FRSERV"}) {
    const auto found = find_account(directory, name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->account.sid.rid(), 1000u);
    EXPECT_EQ(found->domain_sid, f.directory.server.account_domain_sid);
  }
  for (const char* name : {"", "\\", "nobody", "OTHER\\root", "BUILTIN\\root", "FRSERV\\Users"}) {
    EXPECT_FALSE(find_account(directory, name)) << name;
  }
}

TEST(FindAccount, WellKnownNamesAndSidsNeedNoDirectory) {
  PipeFixture f;
  const Directory directory = f.directory.directory();
  EXPECT_EQ(find_account(directory, "Everyone")->account.sid, wire::sids::kEveryone);
  EXPECT_EQ(find_account(directory, "builtin\\administrators")->account.sid,
            wire::sids::kAdministrators);
  EXPECT_EQ(find_account(directory, wire::sids::kLocalSystem)->account.name, "SYSTEM");
  EXPECT_EQ(find_account(directory, "BUILTIN")->account.type, AccountType::kDomain);
  EXPECT_EQ(find_account(directory, "FRSERV")->account.type, AccountType::kDomain);
}

TEST(FindDomain, DomainOfAnUnknownAccountIsKnown) {
  PipeFixture f;
  const Directory directory = f.directory.directory();
  EXPECT_EQ(find_domain_of(directory, "frserv\\nobody")->sid,
            f.directory.server.account_domain_sid);
  EXPECT_FALSE(find_domain_of(directory, "nobody"));
  EXPECT_FALSE(find_domain_of(directory, "OTHER\\nobody"));
  EXPECT_EQ(find_domain(directory, wire::sids::kBuiltin), "BUILTIN");
  EXPECT_FALSE(find_domain(directory, wire::Sid{5, {21, 9, 9, 9}}));
}

}  // namespace
}  // namespace braid::rpc
