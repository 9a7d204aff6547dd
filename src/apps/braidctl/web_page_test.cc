#include "apps/braidctl/web_page.h"

#include <gtest/gtest.h>

namespace braid::braidctl {
namespace {

using nlohmann::json;

WebView view_of_one() {
  WebView view;
  view.status = {{"troubles", json::array()}, {"sessions", 1}, {"opens", 1}};
  view.sessions = json::array({{{"session", "0x1"}, {"user", "alice"}, {"opens", 1}}});
  view.opens =
      json::array({{{"session", "0x1"}, {"open", "0x2"}, {"path", "a.txt"}, {"share", "s"}}});
  view.shares = json::array({{{"share", "s"}, {"state", "present"}, {"in_use", true}}});
  return view;
}

TEST(WebPage, TextOfClientsIsText) {
  EXPECT_EQ(html_text("<b a=\"1\" c='2'>&\x1b"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\\u{1b}");
  const std::string hostile = "\"'></td><script>alert(1)</script><img src=x>";
  WebView view = view_of_one();
  for (json* each : {&view.sessions[0], &view.opens[0], &view.shares[0]}) {
    for (const char* key : {"user", "machine", "client", "session", "open", "path", "share", "why",
                            "caching", "method", "state"}) {
      (*each)[key] = hostile;
    }
  }
  view.sessions[0]["channels"] = json::array({{{"channel", hostile}, {"interface", hostile}}});
  view.opens[0]["rights"] = json::array({hostile});
  view.events = json::array({{{"time", hostile}, {"level", hostile}, {"text", hostile}}});
  view.status["troubles"] = view.status["notes"] = json::array({hostile});
  view.status["penalties"] = json::array({{{"address", hostile}, {"account", hostile}}});
  const std::string content = web_content(view, "1a");
  EXPECT_EQ(content.find("<img"), content.npos);
  EXPECT_EQ(content.find("<script"), content.npos);
  EXPECT_EQ(content.find("\"'"), content.npos);
  EXPECT_NE(content.find("&lt;script&gt;"), content.npos);
}

TEST(WebPage, FormsOnlyWithASecret) {
  const WebView view = view_of_one();
  EXPECT_EQ(web_page(view, "").find("<form"), std::string::npos);
  const std::string page = web_page(view, "1a");
  EXPECT_NE(page.find("name=\"open\" value=\"0x2\""), page.npos);
  EXPECT_NE(page.find("name=\"session\" value=\"0x1\""), page.npos);
}

TEST(WebPage, ManyRowsAreCut) {
  WebView view;
  view.status = {{"troubles", json::array({"a share is absent"})}, {"sessions", kWebRowsMax + 5}};
  for (size_t i = 0; i < kWebRowsMax + 5; ++i) {
    view.sessions.push_back({{"session", std::to_string(i)}, {"user", "alice"}});
    for (size_t open = 0; open < 6; ++open) {
      view.opens.push_back({{"session", std::to_string(i)}, {"path", "file"}});
    }
  }
  const std::string page = web_content(view, "");
  EXPECT_NE(page.find("and 5 more: braidctl sessions"), page.npos);
  EXPECT_NE(page.find("6 more: braidctl opens --user alice"), page.npos);
  EXPECT_NE(page.find("trouble: a share is absent"), page.npos);
  size_t shown = 0;
  for (size_t at = 0; (at = page.find(">file<", at)) != page.npos; ++at) ++shown;
  EXPECT_EQ(shown, kWebOpensMax);
}

TEST(WebPage, MoreThanAreAskedForIsSaid) {
  WebView view;
  view.status = {{"troubles", json::array()}, {"sessions", 100'000u}};
  EXPECT_NE(web_content(view, "").find("<p>100000 more: braidctl sessions"), std::string::npos);
}

TEST(WebPage, NobodyAnswers) {
  WebView view;
  view.why = "no server runs on /x";
  EXPECT_NE(web_page(view, "").find("no answer: no server runs on /x"), std::string::npos);
}

TEST(WebPage, EventIsOneLine) {
  const std::string event = web_event("<p>\n\"\u2028\xff");
  EXPECT_TRUE(event.starts_with("data: \"<p>\\n\\\""));
  EXPECT_EQ(event.find('\n'), event.size() - 2);
}

}  // namespace
}  // namespace braid::braidctl
