#include "apps/braidctl/web_request.h"

#include <gtest/gtest.h>

namespace braid::braidctl {
namespace {

TEST(WebRequest, FieldsOfAForm) {
  EXPECT_EQ(form_field("form=12ab&session=0x1f", "session"), "0x1f");
  EXPECT_EQ(form_field("form=12ab&session=0x1f", "form"), "12ab");
  EXPECT_EQ(form_field("sessions=1&session=2", "session"), "2");
  for (const char* none :
       {"", "session", "session=", "&&=", "session=0x1%66", "session=a b", "form=1"}) {
    EXPECT_EQ(form_field(none, "session"), "") << none;
  }
}

TEST(WebRequest, TokenOfAScriptOrABrowser) {
  EXPECT_EQ(token_in("Bearer secret"), "secret");
  EXPECT_EQ(token_in("Basic YW55Ym9keTpzZWNyZXQ="), "secret");  // anybody:secret
  EXPECT_EQ(token_in("Basic OnM6ZQ=="), "s:e");                 // :s:e
  for (const char* none :
       {"", "Bearer", "basic OnNlY3JldA==", "Basic ", "Basic c2VjcmV0", "Basic !!"}) {
    EXPECT_EQ(token_in(none), "") << none;
  }
}

TEST(WebRequest, HostIsANumberOrLocalhost) {
  for (const char* good : {"localhost", "localhost:9445", "LocalHost", "localhost.:80",
                           "127.0.0.1:80", "[::1]:80", "[fd00::1]", "192.0.2.7", "127.0.0.1:"}) {
    EXPECT_TRUE(is_own_host(good)) << good;
  }
  for (const char* bad :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", ":80", "[]",
        "localhost@evil.example", "[::1].evil", "[::1]80", "localhost:evil@evil",
        "localhost:1234567", "localhost..", "[127.0.0.1]", "::1", "localhos\x54\x01", "."}) {
    EXPECT_FALSE(is_own_host(bad)) << bad;
  }
}

TEST(WebRequest, ATargetMayNameItsHost) {
  const auto named = absolute_target("http://127.0.0.1:9445/metrics");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->host, "127.0.0.1:9445");
  EXPECT_EQ(named->path, "/metrics");
  EXPECT_EQ(absolute_target("http://localhost")->path, "/");
  EXPECT_EQ(absolute_target("http:///x")->host, "");
  for (const char* none : {"/metrics", "*", "https://localhost/", "/http://x"}) {
    EXPECT_FALSE(absolute_target(none)) << none;
  }
}

}  // namespace
}  // namespace braid::braidctl
