#include "apps/braidctl/web_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "apps/braidctl/json_values.h"
#include "base/printable.h"

namespace braid::braidctl {
namespace {

using nlohmann::json;

// Of a line of the log that names what a client sent.
constexpr size_t kWebEventTextMax = 400;

std::string cell(const json& row, const char* key) { return html_text(text_of(row, key)); }

std::string size_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit > 0 && bytes < 10 ? 1 : 0, kUnits[unit]);
}
std::string size_of(const json& row, const char* key) {
  return size_text(static_cast<double>(number_of(row, key)));
}

std::string time_span(uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7'200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{} h", seconds / 3'600);
  return fmt::format("{} days", seconds / 86'400);
}

std::string tile(std::string_view name, std::string_view value) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", html_text(value),
                     html_text(name));
}

// Scrolls by itself where it is wider than a phone. `heads` and `rows` are HTML.
std::string table(std::string_view heads, const std::string& rows) {
  return fmt::format("<div class=\"wide\"><table><tr>{}</tr>\n{}</table></div>\n", heads, rows);
}

// A button that ends something; nothing where that is not allowed.
std::string end_button(const std::string& form_secret, const char* what, const std::string& id) {
  if (form_secret.empty()) return "";
  return fmt::format(
      "<form method=\"post\" action=\"/end\"><input type=\"hidden\" name=\"form\" value=\"{}\">"
      "<button name=\"{}\" value=\"{}\">End</button></form>",
      html_text(form_secret), what, html_text(id));
}

std::string rate_text(uint64_t bytes, double seconds) {
  if (seconds <= 0) return "\u2026";
  return size_text(static_cast<double>(bytes) / seconds) + "/s";
}

std::string tiles(const WebView& view) {
  const json& status = view.status;
  std::string out = "<section class=\"tiles\">\n";
  out += tile("users", text_of(status, "users"));
  out += tile("sessions", text_of(status, "sessions"));
  out += tile("open files", text_of(status, "opens"));
  out += tile("read", rate_text(view.bytes_read_more, view.seconds));
  out += tile("written", rate_text(view.bytes_written_more, view.seconds));
  out += tile("failed logons", fmt::format("{}", view.traffic.logons_failed));
  out += tile("up", time_span(number_of(status, "uptime_seconds")));
  return out + "</section>\n";
}

std::string lines_of_status(const json& status) {
  std::string out;
  for (const json& each : list_of(status, "troubles")) {
    if (each.is_string()) {
      out += "<li class=\"bad\">" + html_text(each.get<std::string>()) + "</li>\n";
    }
  }
  for (const json& each : list_of(status, "notes")) {
    if (each.is_string()) out += "<li>" + html_text(each.get<std::string>()) + "</li>\n";
  }
  return out.empty() ? "" : "<ul>\n" + out + "</ul>\n";
}

std::string channels_of(const json& session) {
  std::string rows;
  for (const json& channel : list_of(session, "channels")) {
    rows += fmt::format(
        "<tr><td>{}<td class=\"nowrap\">{}<td class=\"nowrap\">{}<td>{}<td class=\"nowrap\">{}"
        "<td class=\"nowrap\">{}<td>{}</tr>\n",
        cell(channel, "channel"), cell(channel, "client"), cell(channel, "server"),
        cell(channel, "interface"), size_of(channel, "bytes_in"), size_of(channel, "bytes_out"),
        cell(channel, "requests_in_flight"));
  }
  return table("<th>Channel<th>Client<th>Server<th>Interface<th>In<th>Out<th>In flight", rows);
}

std::string words_of(const json& open) {
  std::string words;
  for (const json& word : list_of(open, "rights")) {
    if (!word.is_string()) continue;
    words += (words.empty() ? "" : ", ") + word.get<std::string>();
  }
  return html_text(words);
}

// Rows of opens that may still be shown.
struct Room {
  size_t opens = kWebOpensMax;
};

std::string opens_of_session(const WebView& view, const json& session,
                             const std::string& form_secret, Room& room) {
  const std::string id = text_of(session, "session");
  std::string rows;
  size_t count = 0;
  size_t shown = 0;
  for (const json& open : view.opens) {
    if (text_of(open, "session") != id) continue;
    ++count;
    if (shown == kWebRowsMax || room.opens == 0) continue;
    ++shown;
    --room.opens;
    rows +=
        fmt::format("<tr><td>{}<td class=\"text\">{}<td>{}<td>{}<td>{}<td>{}</tr>\n",
                    cell(open, "share"), cell(open, "path"), words_of(open), cell(open, "caching"),
                    cell(open, "locks"), end_button(form_secret, "open", text_of(open, "open")));
  }
  // Of more than are asked for, none are there.
  const size_t all = std::max<size_t>(count, view.opens.empty() ? number_of(session, "opens") : 0);
  std::string out;
  if (shown > 0) {
    out = table("<th>Share<th>Path<th>May<th>Caches<th>Locks<th>", rows);
  }
  if (all > shown) {
    out += fmt::format("<p>{}{} more: braidctl opens --user {}</p>\n", shown > 0 ? "and " : "",
                       all - shown, cell(session, "user"));
  }
  return out;
}

std::string person(const WebView& view, const json& session, const std::string& form_secret,
                   Room& room) {
  const std::string id = text_of(session, "session");
  const std::string machine = text_of(session, "machine");
  const size_t channels = list_of(session, "channels").size();
  std::string out = fmt::format(
      "<details id=\"s{}\"><summary><b>{}</b> {}{} <span class=\"dim\">{} channel{}, {} open, idle "
      "{}</span></summary>\n<div class=\"about\">{} by {}, since {}; SMB {}, {}, encryption {} "
      "{}</div>\n",
      html_text(id), cell(session, "user"), cell(session, "client"),
      machine.empty() ? "" : " (" + html_text(machine) + ")", channels, channels == 1 ? "" : "s",
      cell(session, "opens"), time_span(number_of(session, "idle_seconds")), html_text(id),
      cell(session, "method"), cell(session, "logged_on"), cell(session, "dialect"),
      cell(session, "signing"), cell(session, "encryption"),
      end_button(form_secret, "session", id));
  return out + channels_of(session) + opens_of_session(view, session, form_secret, room) +
         "</details>\n";
}

std::string people(const WebView& view, const std::string& form_secret) {
  std::string out = "<h2>People</h2>\n";
  size_t shown = 0;
  Room room;
  for (const json& session : view.sessions) {
    if (shown == kWebRowsMax) break;
    ++shown;
    out += person(view, session, form_secret, room);
  }
  const uint64_t all = std::max<uint64_t>(view.sessions.size(), number_of(view.status, "sessions"));
  if (all == 0) return out + "<p>Nobody is here.</p>\n";
  if (all > shown) {
    out +=
        fmt::format("<p>{}{} more: braidctl sessions</p>\n", shown > 0 ? "and " : "", all - shown);
  }
  return out;
}

std::string space_of_share(const json& share) {
  const uint64_t size = number_of(share, "size_bytes");
  if (size == 0) return "";
  const uint64_t free = std::min(number_of(share, "free_bytes"), size);
  return fmt::format(
      "<meter min=\"0\" max=\"1\" high=\"0.9\" value=\"{:.3f}\"></meter>{} of {} free",
      static_cast<double>(size - free) / static_cast<double>(size), size_of(share, "free_bytes"),
      size_of(share, "size_bytes"));
}

std::string shares_table(const WebView& view) {
  std::string rows;
  size_t shown = 0;
  for (const json& share : view.shares) {
    if (++shown > kWebRowsMax) break;
    const bool is_well = text_of(share, "why").empty();
    rows += fmt::format(
        "<tr><td>{}<td{}>{}<td>{}<td class=\"nowrap\">{}<td class=\"text\">{}{}</tr>\n",
        cell(share, "share"), is_well ? "" : " class=\"bad\"", cell(share, "state"),
        share.value("in_use", json()) == json(true) ? "yes" : "no", space_of_share(share),
        cell(share, "path"), is_well ? "" : ": " + cell(share, "why"));
  }
  if (shown > kWebRowsMax) {
    rows += fmt::format("<tr><td colspan=\"5\">and {} more: braidctl shares</tr>\n",
                        view.shares.size() - kWebRowsMax);
  }
  return "<h2>Shares</h2>\n" + table("<th>Share<th>State<th>In use<th>Space<th>Folder", rows);
}

std::string events_table(const WebView& view) {
  if (view.events.empty()) return "";
  std::string rows;
  for (const json& event : view.events) {
    const std::string level = text_of(event, "level");
    const uint64_t times = number_of(event, "times");
    rows +=
        fmt::format("<tr><td class=\"nowrap\">{}<td class=\"{}\">{}<td class=\"text\">{}{}</tr>\n",
                    cell(event, "time"),
                    level == "error"     ? "bad"
                    : level == "warning" ? "warning"
                                         : "dim",
                    html_text(level), html_text(cut_text(text_of(event, "text"), kWebEventTextMax)),
                    times > 1 ? fmt::format(" <b>({} times)</b>", times) : "");
  }
  return "<h2>Last events</h2>\n" + table("<th>Time<th><th>What", rows);
}

std::string penalties_table(const json& status) {
  std::string rows;
  size_t shown = 0;
  for (const json& each : list_of(status, "penalties")) {
    if (++shown > kWebRowsMax) break;
    const std::string account = text_of(each, "account");
    rows += fmt::format("<tr><td>{}<td>{}<td>{}</tr>\n", cell(each, "address"),
                        account.empty() ? "all" : html_text(account), cell(each, "failures"));
  }
  if (rows.empty()) return "";
  return "<h2>Waiting to log on</h2>\n" + table("<th>Address<th>Account<th>Failures", rows);
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string web_content(const WebView& view, const std::string& form_secret) {
  if (!view.status.is_object()) {
    return "<p class=\"state bad\">no answer: " + html_text(view.why) + "</p>\n";
  }
  const json troubles = list_of(view.status, "troubles");
  std::string line = "well";
  if (!troubles.empty()) {
    line = "trouble: " + (troubles.front().is_string() ? troubles.front().get<std::string>() : "");
  }
  std::string out = fmt::format("<p class=\"state {}\">{}</p>\n", troubles.empty() ? "good" : "bad",
                                html_text(line));
  out += tiles(view) + lines_of_status(view.status) + people(view, form_secret) +
         shares_table(view) + penalties_table(view.status) + events_table(view);
  out += fmt::format("<p class=\"foot\">braid {}, process {}</p>\n", cell(view.status, "version"),
                     cell(view.status, "process"));
  return out;
}

std::string web_page(const WebView& view, const std::string& form_secret) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<title>braid</title><link rel=\"stylesheet\" href=\"/style.css\">\n"
         "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n"
         "<script src=\"/script.js\" defer></script></head>\n<body><h1>braid</h1>\n<main>\n" +
         web_content(view, form_secret) + "</main></body></html>\n";
}

std::string web_event(const std::string& content) {
  // One line: what breaks one is escaped.
  return "data: " + json(content).dump(-1, ' ', true, json::error_handler_t::replace) + "\n\n";
}

}  // namespace braid::braidctl
