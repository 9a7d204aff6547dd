#include "apps/braidctl/web_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "admin/protocol.h"
#include "apps/braidctl/complaints.h"
#include "apps/braidctl/web_page.h"
#include "apps/braidctl/web_request.h"
#include "apps/braidctl/web_source.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/peer_address.h"
#include "base/printable.h"
#include "crypto/secret.h"
#include "runtime/asio.h"

namespace braid::braidctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;
using asio::ip::tcp;
using namespace std::chrono_literals;

// A form has two short fields, a browser's headers a few kilobytes.
constexpr uint32_t kHeaderMax = 16u << 10;
constexpr uint64_t kBodyMax = 4u << 10;
// Until its header is there; for the rest of a request, and for each piece of an answer.
constexpr auto kHeaderTime = 5s;
constexpr auto kRequestTime = 10s;
// Browsers open six; of those that watch each has one more. An address has half of them at most.
constexpr size_t kConnectionsMax = 64;
constexpr size_t kWatchersMax = 16;
constexpr auto kBetweenEvents = 2s;
// After a wrong token.
constexpr auto kWrongTokenPause = 500ms;
// When there are no descriptors.
constexpr auto kAcceptPause = 100ms;

using WebRequest = http::request<http::string_body>;
using WebResponse = http::response<http::string_body>;

std::string random_text() {
  std::string out;
  const crypto::Secret secret = crypto::Secret::random(16);
  for (const uint8_t byte : secret.reveal()) {
    fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  }
  return out;
}

bool is_same_secret(std::string_view a, std::string_view b) {
  return crypto::equal_constant_time(as_bytes(a), as_bytes(b));
}

WebResponse success(std::string body, const char* type) {
  WebResponse response(http::status::ok, 11);
  response.set(http::field::content_type, type);
  response.body() = std::move(body);
  return response;
}

WebResponse refusal(http::status status, const std::string& why) {
  WebResponse response(status, 11);
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = printable(why) + "\n";
  return response;
}

// What a browser is told of every answer. No other page may use one in any way.
constexpr std::pair<std::string_view, std::string_view> kRules[] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
     "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "same-origin"},
};

// Whether a page of somebody else asks. Its user may follow a link that leads here.
bool is_of_another_page(const WebRequest& request) {
  const std::string_view site = request["Sec-Fetch-Site"];
  if (site.empty() || site == "same-origin" || site == "none") return false;
  return request["Sec-Fetch-Mode"] != "navigate" || request["Sec-Fetch-Dest"] != "document";
}

// Of a page that is this server's, or of no page.
bool is_own_page(const WebRequest& request) {
  const std::string_view origin = request[http::field::origin];
  const std::string_view site = request["Sec-Fetch-Site"];
  const size_t scheme = origin.find("://");
  const bool is_own_origin =
      origin.empty() ||
      (scheme != origin.npos && origin.substr(scheme + 3) == request[http::field::host]);
  return is_own_origin && (site.empty() || site == "same-origin");
}

// A connection, for as long as it is served.
struct Visitor {
  PeerAddress address{};
  std::string host;
  beast::tcp_stream stream;
  bool is_silent = true;  // has not said what it wants
  bool gave_way = false;
  bool watches = false;
};

}  // namespace

class WebServer::Impl {
 public:
  Impl(WebSource& source, std::string token)
      : source_(source),
        token_(std::move(token)),
        form_secret_(token_.empty() ? "" : random_text()) {}

  std::expected<uint16_t, std::string> listen(const std::string& address, uint16_t port) {
    boost::system::error_code error;
    const auto parsed = asio::ip::make_address(address, error);
    const tcp::endpoint place(parsed, port);
    if (!error) acceptor_.open(place.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(place, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) return std::unexpected(error.message());
    return acceptor_.local_endpoint().port();
  }

  void run() {
    asking_.emplace(1);
    asio::co_spawn(io_, accept(), asio::detached);
    io_.run();
  }

 private:
  asio::awaitable<void> accept() {
    while (true) {
      boost::system::error_code error;
      tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(use_awaitable, error));
      if (error) {
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(use_awaitable);
      } else {
        const auto peer = socket.remote_endpoint(error);
        const PeerAddress address = peer_address_of(socket.native_handle());
        const std::string host = peer.address().to_string();
        if (make_room_for(address, host)) {
          visitors_.push_back({address, host, beast::tcp_stream(std::move(socket))});
          asio::co_spawn(io_, serve(std::prev(visitors_.end())), asio::detached);
        }
      }
    }
  }

  // Who says nothing gives way, the oldest first; so who asks is served, whoever else only comes.
  bool make_room_for(const PeerAddress& address, const std::string& host) {
    const auto is_here = [](const Visitor& each) { return !each.gave_way; };
    const bool is_full = std::ranges::count_if(visitors_, is_here) >= long{kConnectionsMax};
    const bool has_share = std::ranges::count_if(visitors_, [&](const Visitor& each) {
                             return is_here(each) && each.address == address;
                           }) >= long{kConnectionsMax / 2};
    if (!is_full && !has_share) return true;
    if (crowds_.count(host, std::chrono::steady_clock::now())) {
      log::warn("there is no room for all who connect, as {} does; who says nothing is closed",
                host);
    }
    const auto oldest = std::ranges::find_if(visitors_, [&](const Visitor& each) {
      return is_here(each) && each.is_silent && (!has_share || each.address == address);
    });
    if (oldest == visitors_.end()) return false;
    oldest->gave_way = true;
    oldest->stream.close();
    return true;
  }

  asio::awaitable<void> serve(std::list<Visitor>::iterator visitor) {
    // Whatever is wrong with a connection ends it, and nothing else.
    try {
      co_await answer(*visitor);
      boost::system::error_code ignored;
      visitor->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    } catch (const std::exception&) {
    }
    visitors_.erase(visitor);
  }

  asio::awaitable<void> answer(Visitor& visitor) {
    beast::tcp_stream& stream = visitor.stream;
    beast::flat_buffer buffer(kHeaderMax + kBodyMax);
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeaderMax);
    parser.body_limit(kBodyMax);
    stream.expires_after(kHeaderTime);
    boost::system::error_code error;
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(use_awaitable, error));
    visitor.is_silent = false;
    if (!error && !parser.is_done()) {
      stream.expires_after(kRequestTime);
      if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on(http::status::continue_, 11);
        co_await http::async_write(stream, go_on, use_awaitable);
      }
      co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_awaitable, error));
    }
    if (visitor.gave_way || error == http::error::end_of_stream || error == beast::error::timeout) {
      co_return;
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      co_return co_await send(stream, refusal(http::status::request_header_fields_too_large,
                                              "the request is too long"));
    }
    if (error == http::error::body_limit) {
      co_return co_await send(stream,
                              refusal(http::status::payload_too_large, "the request is too long"));
    }
    if (error) {
      co_return co_await send(stream, refusal(http::status::bad_request, "this is no request"));
    }
    WebRequest request = parser.release();
    // RFC 9112, 3.2: one Host, or with HTTP/1.0 none; and what a target names in front counts.
    const auto hosts = request.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && request.version() >= 11)) {
      co_return co_await send(stream, refusal(http::status::bad_request, "this takes one Host"));
    }
    if (const auto named = absolute_target(request.target())) {
      const std::string host(named->host), path(named->path);
      request.set(http::field::host, host);
      request.target(path);
    }
    auto refused = co_await refuse(request, visitor);
    if (refused) co_return co_await send(stream, *std::move(refused));
    const std::string_view target = request.target();
    if (target == "/live" && request.method() == http::verb::get) {
      co_return co_await watch(visitor);
    }
    WebResponse response = co_await respond(request);
    co_await send(stream, std::move(response), request.method() == http::verb::head);
  }

  // Before anything is done: whose page asks, and with which right.
  asio::awaitable<std::optional<WebResponse>> refuse(const WebRequest& request,
                                                     const Visitor& visitor) {
    if (is_of_another_page(request)) {
      co_return refusal(http::status::forbidden, "another page asks for this");
    }
    if (token_.empty()) {
      if (is_own_host(request[http::field::host])) co_return std::nullopt;
      co_return refusal(http::status::misdirected_request,
                        "address this server by its number, or as localhost");
    }
    const std::string_view given = request[http::field::authorization];
    if (is_same_secret(token_in(given), token_)) co_return std::nullopt;
    if (!given.empty()) {
      if (const auto count = wrong_tokens_.count(visitor.host, std::chrono::steady_clock::now())) {
        log::warn("{} came from {}",
                  *count == 1 ? "a wrong token" : fmt::format("{} wrong tokens", *count),
                  visitor.host);
      }
      asio::steady_timer pause(io_, kWrongTokenPause);
      co_await pause.async_wait(use_awaitable);
    }
    WebResponse response =
        refusal(http::status::unauthorized, "this takes the token: as a password, with any name");
    response.set(http::field::www_authenticate, "Basic realm=\"braid\", charset=\"UTF-8\"");
    co_return response;
  }

  asio::awaitable<WebResponse> respond(const WebRequest& request) {
    const std::string_view target = request.target();
    if (target == "/end" && request.method() == http::verb::post) {
      co_return co_await end(request);
    }
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      WebResponse response =
          refusal(http::status::method_not_allowed, "only looking is possible here");
      response.set(http::field::allow, "GET, HEAD");
      co_return response;
    }
    if (target == "/metrics") {
      auto text = co_await apart([this] { return source_.metrics(); });
      if (!text) co_return refusal(http::status::service_unavailable, text.error());
      co_return success(*std::move(text), "text/plain; version=0.0.4; charset=utf-8");
    }
    if (target == "/style.css") co_return success(std::string(web_style()), "text/css");
    if (target == "/script.js") co_return success(std::string(web_script()), "text/javascript");
    if (target != "/") co_return refusal(http::status::not_found, "there is no such page");
    const auto view = co_await apart([this] { return source_.look(); });
    co_return success(web_page(*view, form_secret_), "text/html; charset=utf-8");
  }

  asio::awaitable<WebResponse> end(const WebRequest& request) {
    if (form_secret_.empty()) {
      co_return refusal(http::status::forbidden, "without a token nothing can be ended here");
    }
    const std::string& body = request.body();
    if (!is_own_page(request) || !is_same_secret(form_field(body, "form"), form_secret_)) {
      co_return refusal(http::status::forbidden, "this comes from another page; look again");
    }
    const std::string session = form_field(body, "session");
    const std::string open = form_field(body, "open");
    const auto id = admin::parse_id(session.empty() ? open : session);
    if (!id) co_return refusal(http::status::bad_request, id.error());
    const admin::ControlRequest order =
        session.empty()
            ? admin::ControlRequest{.command = admin::Command::kOpenClose,
                                    .open = admin::id_text(*id)}
            : admin::ControlRequest{.command = admin::Command::kSessionClose, .session = {*id}};
    const auto done = co_await apart([this, order] { return source_.order(order); });
    if (!done) co_return refusal(http::status::service_unavailable, done.error());
    WebResponse response = refusal(http::status::see_other, "done");
    response.set(http::field::location, "/");
    co_return response;
  }

  // Server-sent events: the content anew, until the browser goes.
  asio::awaitable<void> watch(Visitor& visitor) {
    beast::tcp_stream& stream = visitor.stream;
    const auto watchers = std::ranges::count_if(visitors_, &Visitor::watches);
    const auto own = std::ranges::count_if(visitors_, [&](const Visitor& each) {
      return each.watches && each.address == visitor.address;
    });
    if (watchers >= long{kWatchersMax} || own >= long{kWatchersMax / 2}) {
      co_return co_await send(
          stream, refusal(http::status::service_unavailable, "too many pages watch already"));
    }
    visitor.watches = true;
    std::string text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    for (const auto& [name, value] : kRules) {
      fmt::format_to(std::back_inserter(text), "{}: {}\r\n", name, value);
    }
    text += "Connection: close\r\n\r\n";
    while (true) {
      const auto view = co_await apart([this] { return source_.look(); });
      text += web_event(web_content(*view, form_secret_));
      stream.expires_after(kRequestTime);
      co_await asio::async_write(stream, asio::buffer(text), use_awaitable);
      text.clear();
      asio::steady_timer pause(io_, kBetweenEvents);
      co_await pause.async_wait(use_awaitable);
    }
  }

  // What waits for the server's workers, one after the other.
  template <class Work>
  asio::awaitable<std::invoke_result_t<Work>> apart(Work work) {
    return asio::co_spawn(*asking_, run_there(std::move(work)), use_awaitable);
  }
  template <class Work>
  static asio::awaitable<std::invoke_result_t<Work>> run_there(Work work) {
    co_return work();
  }

  static asio::awaitable<void> send(beast::tcp_stream& stream, WebResponse response,
                                    bool is_head = false) {
    for (const auto& [name, value] : kRules) response.set(name, value);
    response.keep_alive(false);
    response.content_length(response.body().size());
    if (is_head) response.body().clear();
    stream.expires_after(kRequestTime);
    co_await http::async_write(stream, response, use_awaitable);
  }

  WebSource& source_;
  const std::string token_;
  const std::string form_secret_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  // Thread: that of io_.
  std::list<Visitor> visitors_;  // oldest first
  Complaints wrong_tokens_;
  Complaints crowds_;
  std::optional<asio::thread_pool> asking_;  // once run() runs
};

WebServer::WebServer(WebSource& source, std::string token)
    : impl_(std::make_unique<Impl>(source, std::move(token))) {}

WebServer::~WebServer() = default;

std::expected<uint16_t, std::string> WebServer::listen(const std::string& address, uint16_t port) {
  return impl_->listen(address, port);
}

void WebServer::run() { impl_->run(); }

}  // namespace braid::braidctl
