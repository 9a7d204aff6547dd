// hostile_victim: the other user, whose work is measured while somebody attacks the server. Five
// loops, each on a connection of its own: CREATE of a file and of the share's root, READ of 4 KiB,
// ECHO, and logging on.
// Prints one line for each kind: "create count=900 median_us=210 slowest_us=1800".
// Exit status 0 if no request failed. The password comes in BRAID_VICTIM_PASSWORD.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include "auth/initiators.h"
#include "client/file.h"

namespace braid::hostile {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// Between two requests of a loop: the measure must not be a load itself.
constexpr auto kPause = 3ms;
constexpr auto kPauseBetweenLogons = 20ms;
constexpr uint32_t kReadSize = 4096;
constexpr const char* kFile = "victim-file";

volatile std::sig_atomic_t stop_requested = 0;

struct Arguments {
  std::string server;
  std::string share = "share";
  std::string user;
  std::string password;
  double seconds = 0;    // 0: until SIGTERM
  double give_up = 120;  // what is not answered so long after the end counts with that
};

// Thread: the reactor's.
struct Series {
  std::vector<int64_t> times_us;
  std::optional<steady_clock::time_point> waiting_since;
};

struct Context {
  Reactor& reactor;
  const Arguments& arguments;
  steady_clock::time_point end;
  std::map<std::string, Series> series;
  uint64_t failures = 0;
  bool ready = false;

  bool is_over() const { return stop_requested != 0 || steady_clock::now() >= end; }

  template <class T>
  bool went_well(const char* kind, const Result<T>& result) {
    if (!result) {
      ++failures;
      fmt::print(stderr, "hostile_victim: {}: {}\n", kind, result.error().message());
    }
    return result.has_value();
  }
};

int64_t microseconds(steady_clock::duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

struct Mounted {
  client::ConnectionPtr connection;
  client::TreePtr tree;
};

Task<Result<client::TreePtr>> log_on(client::ConnectionPtr connection, const Arguments& arguments) {
  auth::NtlmCredentials credentials;
  credentials.user = arguments.user;
  credentials.password = arguments.password;
  BRAID_CO_TRY(const auto session,
               co_await client::Session::setup(connection,
                                               auth::make_ntlm_initiator(std::move(credentials))));
  co_return co_await session->tree_connect(arguments.share);
}

Task<Result<Mounted>> mount(Context& context) {
  BRAID_CO_TRY(const auto address,
               transport::SocketAddress::parse_with_port(context.arguments.server));
  BRAID_CO_TRY(const auto connection,
               co_await client::Connection::connect(context.reactor, address));
  auto tree = co_await log_on(connection, context.arguments);
  if (!tree) {
    co_await connection->close();
    co_return std::unexpected(tree.error());
  }
  co_return Mounted{connection, std::move(*tree)};
}

// Times `one` again and again; the rest of a round is in `between`.
Task<void> repeat(Context& context, const char* kind, std::chrono::milliseconds pause,
                  std::function<Task<Result<void>>()> one,
                  std::function<Task<Result<void>>()> between = {}) {
  Series& series = context.series[kind];
  while (!context.is_over()) {
    series.waiting_since = steady_clock::now();
    const auto done = co_await one();
    series.times_us.push_back(microseconds(steady_clock::now() - *series.waiting_since));
    series.waiting_since.reset();
    if (!context.went_well(kind, done)) co_return;
    if (between && !context.went_well(kind, co_await between())) co_return;
    co_await context.reactor.sleep_for(pause);
  }
}

// CREATE of `name`, and a CLOSE that is not timed.
Task<void> create_loop(Context& context, const char* kind, std::string name) {
  const auto mounted = co_await mount(context);
  if (!context.went_well(kind, mounted)) co_return;
  client::FilePtr file;
  co_await repeat(
      context, kind, kPause,
      [&]() -> Task<Result<void>> {
        BRAID_CO_TRY(file, co_await mounted->tree->open(name));
        co_return Result<void>{};
      },
      [&]() -> Task<Result<void>> {
        BRAID_CO_TRY(const auto closed, co_await file->close());
        static_cast<void>(closed);
        co_return Result<void>{};
      });
  co_await mounted->connection->close();
}

Task<void> read_loop(Context& context) {
  const auto mounted = co_await mount(context);
  if (!context.went_well("read", mounted)) co_return;
  const auto file = co_await mounted->tree->open(kFile);
  if (context.went_well("read", file)) {
    co_await repeat(context, "read", kPause, [&]() -> Task<Result<void>> {
      BRAID_CO_TRY(const auto reply, co_await (*file)->read(0, kReadSize));
      static_cast<void>(reply);
      co_return Result<void>{};
    });
  }
  co_await mounted->connection->close();
}

Task<void> echo_loop(Context& context) {
  const auto mounted = co_await mount(context);
  if (!context.went_well("echo", mounted)) co_return;
  co_await repeat(context, "echo", kPause, [&] { return mounted->connection->echo(); });
  co_await mounted->connection->close();
}

Task<void> logon_loop(Context& context) {
  co_await repeat(context, "logon", kPauseBetweenLogons, [&]() -> Task<Result<void>> {
    BRAID_CO_TRY(const auto mounted, co_await mount(context));
    co_await mounted.connection->close();
    co_return Result<void>{};
  });
}

void print(Context& context) {
  for (auto& [kind, series] : context.series) {
    if (series.waiting_since) {
      series.times_us.push_back(microseconds(steady_clock::now() - *series.waiting_since));
    }
    std::ranges::sort(series.times_us);
    const auto& times = series.times_us;
    if (times.empty()) continue;
    fmt::print("{} count={} median_us={} slowest_us={}\n", kind, times.size(),
               times[times.size() / 2], times.back());
  }
  std::fflush(stdout);
}

// What is still not answered long after the end is not waited for.
Task<void> give_up_at_last(Context& context) {
  while (!context.is_over()) co_await context.reactor.sleep_for(20ms);
  const auto limit = steady_clock::now() + std::chrono::duration<double>(context.arguments.give_up);
  while (steady_clock::now() < limit) {
    const bool waits = std::ranges::any_of(
        context.series, [](const auto& entry) { return entry.second.waiting_since.has_value(); });
    if (!waits) co_return;
    co_await context.reactor.sleep_for(20ms);
  }
  print(context);
  std::_Exit(1);
}

Task<void> work(Context& context) {
  const auto mounted = co_await mount(context);
  if (!context.went_well("begin", mounted)) co_return;
  const auto written = co_await mounted->tree->write_file(kFile, Bytes(kReadSize));
  co_await mounted->connection->close();
  if (!context.went_well("begin", written)) co_return;
  fmt::print("ready\n");
  std::fflush(stdout);
  TaskScope scope;
  scope.spawn(create_loop(context, "create", kFile));
  scope.spawn(create_loop(context, "root", ""));
  scope.spawn(read_loop(context));
  scope.spawn(echo_loop(context));
  scope.spawn(logon_loop(context));
  scope.spawn(give_up_at_last(context));
  co_await scope.join();
  print(context);
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Measures what another user notices of an attack.");
  app.add_option("--server", arguments.server, "ADDRESS:PORT")->required();
  app.add_option("--share", arguments.share)->capture_default_str();
  app.add_option("--user", arguments.user)->required();
  app.add_option("--seconds", arguments.seconds, "0: until SIGTERM")->capture_default_str();
  app.add_option("--give-up", arguments.give_up, "Seconds to wait after the end")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const char* const password = std::getenv("BRAID_VICTIM_PASSWORD");
  if (password != nullptr) arguments.password = password;
  std::signal(SIGTERM, [](int) { stop_requested = 1; });

  Reactor reactor;
  const auto length =
      arguments.seconds > 0 ? std::chrono::duration<double>(arguments.seconds) : 24h;
  Context context{
      .reactor = reactor,
      .arguments = arguments,
      .end = steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(length),
      .series = {}};
  TaskScope scope;
  const auto whole = [&]() -> Task<void> {
    co_await work(context);
    reactor.stop();
  };
  reactor.post([&] { scope.spawn(whole()); });
  reactor.run();
  return context.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace braid::hostile

int main(int argc, char** argv) { return braid::hostile::run(argc, argv); }
