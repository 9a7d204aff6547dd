// The page of braidctl web: HTML made here, readable without a script.
#pragma once

#include <string>
#include <string_view>

#include "apps/braidctl/web_view.h"

namespace braid::braidctl {

// Rows of a table at most, and opens of all tables together: whoever has more asks braidctl.
inline constexpr size_t kWebRowsMax = 200;
inline constexpr size_t kWebOpensMax = 1'000;

// `text` between tags or in the quotes of an attribute: whatever a client called itself or a file
// shows, and does nothing.
std::string html_text(std::string_view text);

// What changes: the inside of <main>. `form_secret`: for forms that end something; empty: there are
// none.
std::string web_content(const WebView& view, const std::string& form_secret);
// The whole page.
std::string web_page(const WebView& view, const std::string& form_secret);
// `content` as an event of a stream of them: the HTML standard, 9.2 "Server-sent events".
std::string web_event(const std::string& content);

// What the page names beside itself.
std::string_view web_script();
std::string_view web_style();

}  // namespace braid::braidctl
