#include "apps/braidctl/web_server.h"

#include <fmt/format.h>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "admin/protocol.h"
#include "apps/braidctl/web_page.h"
#include "apps/braidctl/web_request.h"
#include "apps/braidctl/web_source.h"
#include "base/bytes.h"
#include "base/log.h"
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
// For the whole of a request, and for each piece of an answer.
constexpr auto kRequestTime = 10s;
// Browsers open six; of those that watch each has one more.
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

// Counts what there is while it is there.
class Place {
 public:
  explicit Place(size_t& count) : count_(++count) {}
  ~Place() { --count_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  size_t& count_;
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
      } else if (connections_ < kConnectionsMax) {
        asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
      }
    }
  }

  asio::awaitable<void> serve(tcp::socket socket) {
    const Place place(connections_);
    beast::tcp_stream stream(std::move(socket));
    // Whatever is wrong with a connection ends it, and nothing else.
    try {
      co_await answer(stream);
    } catch (const std::exception&) {
      co_return;
    }
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  asio::awaitable<void> answer(beast::tcp_stream& stream) {
    beast::flat_buffer buffer(kHeaderMax + kBodyMax);
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeaderMax);
    parser.body_limit(kBodyMax);
    stream.expires_after(kRequestTime);
    boost::system::error_code error;
    co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_awaitable, error));
    if (error == http::error::end_of_stream || error == beast::error::timeout) co_return;
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
    const WebRequest request = parser.release();
    auto refused = co_await refuse(request, stream);
    if (refused) co_return co_await send(stream, *std::move(refused));
    const std::string_view target = request.target();
    if (target == "/live" && request.method() == http::verb::get) {
      co_return co_await watch(stream);
    }
    WebResponse response = co_await respond(request);
    co_await send(stream, std::move(response), request.method() == http::verb::head);
  }

  // Before anything is done: whose page asks, and with which right.
  asio::awaitable<std::optional<WebResponse>> refuse(const WebRequest& request,
                                                     beast::tcp_stream& stream) {
    if (token_.empty()) {
      if (is_own_host(request[http::field::host])) co_return std::nullopt;
      co_return refusal(http::status::misdirected_request,
                        "address this server by its number, or as localhost");
    }
    const std::string_view given = request[http::field::authorization];
    if (is_same_secret(token_in(given), token_)) co_return std::nullopt;
    if (!given.empty()) {
      boost::system::error_code error;
      const auto peer = stream.socket().remote_endpoint(error);
      log::warn("a wrong token came from {}", peer.address().to_string());
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
  asio::awaitable<void> watch(beast::tcp_stream& stream) {
    if (watchers_ >= kWatchersMax) {
      co_return co_await send(
          stream, refusal(http::status::service_unavailable, "too many pages watch already"));
    }
    const Place place(watchers_);
    std::string text =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        "Connection: close\r\n\r\n";
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
    response.set(http::field::cache_control, "no-store");
    response.set("Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                 "form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Cross-Origin-Resource-Policy", "same-origin");
    response.set("Referrer-Policy", "same-origin");
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
  size_t connections_ = 0;
  size_t watchers_ = 0;
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
