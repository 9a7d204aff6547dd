// fault_client: two programs of the fault test. fault_test.py starts them and makes the faults.
//   work      does everything a client does, on several channels, until SIGTERM; then checks
//   disturb   opens the record files again and again on one connection, until SIGTERM
// Standard output, line by line: "channels 10.99.0.1=1 10.99.1.1=0", from `work` whenever one comes
// or goes and from `disturb` once; counts at the end. Exit status 0 if everything was as it has to
// be.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "check.h"
#include "locks.h"
#include "mount.h"
#include "names.h"
#include "records.h"

namespace braid::fault {
namespace {

using namespace std::chrono_literals;

constexpr auto kPollInterval = 10ms;
constexpr size_t kRecordSizes[] = {4'096, 60'000, 300'000};

volatile std::sig_atomic_t stop_requested = 0;

struct Arguments {
  std::string server;
  std::string share = "share";
  std::string user;
  std::string expectations;
  uint64_t seed = 1;
  uint64_t open_ms_max = 20'000;
  bool leases = false;
  std::vector<std::string> places;
  std::vector<std::string> cards;
};

Result<MountOptions> mount_options(const Arguments& arguments) {
  MountOptions options;
  BRAID_TRY(options.server, transport::SocketAddress::parse_with_port(arguments.server));
  options.share = arguments.share;
  options.user = arguments.user;
  const char* const password = std::getenv("BRAID_FAULT_PASSWORD");
  if (password != nullptr) options.password = password;
  for (const std::string& each : arguments.places) {
    BRAID_TRY(options.places.emplace_back(), transport::SocketAddress::parse_with_port(each));
  }
  for (const std::string& each : arguments.cards) {
    BRAID_TRY(options.cards.emplace_back(), transport::SocketAddress::parse_with_port(each));
    options.places.push_back(options.cards.back());
  }
  return options;
}

std::string live_channels(const client::ChannelSet& set, bool has_ports = false) {
  std::string text;
  for (const auto& channel : set.channels()) {
    const auto& address = channel.address;
    text +=
        fmt::format(" {}={:d}", has_ports ? address.to_string() : address.host(), channel.is_live);
  }
  return text;
}

// Tells which channels live, and stops everything when it is time.
Task<void> watch(Context& context, client::ChannelSetPtr set, const MountOptions& options) {
  std::string shown;
  while (!context.stopping) {
    const std::string now = live_channels(*set, !options.places.empty());
    if (now != shown) fmt::print("channels{}\n", now);
    shown = now;
    std::fflush(stdout);
    if (stop_requested != 0 || context.failures != 0) context.stopping = true;
    co_await context.reactor.sleep_for(kPollInterval);
  }
}

Task<void> acknowledge(Context& context, wire::LeaseBreakNotification notification) {
  const auto done = co_await context.tree->acknowledge(wire::LeaseBreakAcknowledgment{
      {.lease_key = notification.lease_key, .lease_state = notification.new_lease_state}});
  context.went_well("acknowledge", "a break", done);
}

Task<void> work_until_stopped(Context& context, Mount mounted, const MountOptions& options) {
  TaskScope acknowledgments;
  mounted.set->set_break_handler([&](const client::BreakEvent& event) {
    const auto* lease = std::get_if<wire::LeaseBreakNotification>(&event.notification);
    if (lease == nullptr) return;
    ++context.done["break"];
    if ((lease->flags & wire::LeaseBreakNotification::kFlagAckRequired) != 0) {
      acknowledgments.spawn(acknowledge(context, *lease));
    }
  });
  std::deque<RecordFile> records;
  bool ready = true;
  for (uint32_t number = 0; ready && number < std::size(kRecordSizes); ++number) {
    ready = co_await records.emplace_back(context, number, kRecordSizes[number]).open();
  }
  for (const char* folder : {"created", "renamed"}) {
    ready = ready && context.went_well("mkdir", folder, co_await context.tree->mkdir(folder));
  }
  TaskScope scope;
  scope.spawn(watch(context, mounted.set, options));
  if (ready) {
    for (RecordFile& file : records) file.run(scope);
    scope.spawn(create_and_delete(context));
    scope.spawn(rename_again_and_again(context));
    scope.spawn(append_lines(context));
    scope.spawn(count_under_lock(context));
  }
  co_await scope.join();
  // The handles that were open all the time.
  for (RecordFile& file : records) co_await file.finish();
  co_await acknowledgments.join();
  mounted.set->set_break_handler([](const client::BreakEvent&) {});
  context.done["replay"] = mounted.set->replays();
  for (const auto& channel : mounted.set->channels()) {
    context.done["loss"] += channel.losses;
    const bool is_card = std::ranges::find(options.cards, channel.address) != options.cards.end();
    if (is_card) context.done["MiB over cards"] += channel.bytes >> 20;
  }
  co_await mounted.set->close();
}

Task<Result<void>> work(Reactor& reactor, const Arguments& arguments) {
  BRAID_CO_TRY(const MountOptions options, mount_options(arguments));
  BRAID_CO_TRY(const Mount mounted, co_await mount(reactor, options));
  Context context{.reactor = reactor,
                  .tree = mounted.tree,
                  .seed = arguments.seed,
                  .leases = arguments.leases,
                  .done = {},
                  .expected = {}};
  co_await work_until_stopped(context, mounted, options);

  MountOptions fresh = options;
  fresh.channels = 1;
  fresh.places.clear();
  BRAID_CO_TRY(const Mount again, co_await mount(reactor, fresh));
  if (context.failures == 0) co_await check_all(context, again.tree);
  co_await again.set->close();
  if (!write_expectations(context, arguments.expectations)) context.fail("no expectations written");
  fmt::print("done {}\n", fmt::join(context.done, ", "));
  if (context.failures != 0) co_return fail(NtStatus::kDataError);
  co_return Result<void>{};
}

// Every open needs the lease of the other client to be broken, and waits until that is over.
Task<Result<void>> disturb(Reactor& reactor, const Arguments& arguments) {
  using std::chrono::steady_clock;
  BRAID_CO_TRY(MountOptions options, mount_options(arguments));
  options.channels = 1;
  BRAID_CO_TRY(const Mount mounted, co_await mount(reactor, options));
  Context context{.reactor = reactor, .tree = mounted.tree, .done = {}, .expected = {}};
  fmt::print("channels{}\n", live_channels(*mounted.set));
  std::fflush(stdout);
  uint64_t longest_ms = 0;
  for (uint64_t number = 0; stop_requested == 0; ++number) {
    const std::string name = fmt::format("records-{}", number % std::size(kRecordSizes));
    const auto start = steady_clock::now();
    const auto file = co_await mounted.tree->open(name, kReadWriteDelete);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
    const auto took_ms = static_cast<uint64_t>(took.count());
    longest_ms = std::max(longest_ms, took_ms);
    if (took_ms > arguments.open_ms_max) context.fail("open of {} took {} ms", name, took_ms);
    if (file) context.went_well("close", name, co_await (*file)->close());
    // Before the other client made it, and after it is gone.
    if (!file && file.error() != Error(NtStatus::kObjectNameNotFound)) {
      context.went_well("open", name, file);
    }
    co_await reactor.sleep_for(30ms);
  }
  co_await mounted.set->close();
  fmt::print("done {}, longest open {} ms\n", fmt::join(context.done, ", "), longest_ms);
  if (context.failures != 0) co_return fail(NtStatus::kDataError);
  co_return Result<void>{};
}

int run_on_reactor(const std::function<Task<Result<void>>(Reactor&)>& body) {
  Reactor reactor;
  TaskScope scope;
  int exit_code = 1;
  const auto whole = [&]() -> Task<void> {
    const auto result = co_await body(reactor);
    if (result) {
      exit_code = 0;
    } else {
      fmt::print(stderr, "fault_client: {}\n", result.error().message());
    }
    reactor.stop();
  };
  reactor.post([&] { scope.spawn(whole()); });
  reactor.run();
  return exit_code;
}

int run(int argc, char** argv) {
  Arguments arguments;
  int exit_code = 0;
  CLI::App app("The clients of the fault test. The password comes in BRAID_FAULT_PASSWORD.");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--server", arguments.server, "ADDRESS:PORT; its other addresses are asked for")
      ->required();
  app.add_option("--share", arguments.share)->capture_default_str();
  app.add_option("--user", arguments.user)->required();
  app.add_option("--channel", arguments.places, "ADDRESS:PORT of a channel, in place of asking");
  app.add_option("--card", arguments.cards, "The same, over a card made of TCP");
  app.add_option("--seed", arguments.seed)->capture_default_str();
  CLI::App* const work_command = app.add_subcommand("work", "Work until SIGTERM, then check");
  work_command->add_option("--expectations", arguments.expectations, "A file to write")->required();
  work_command->add_flag("--leases", arguments.leases, "Hold leases on the record files");
  work_command->callback([&] {
    exit_code = run_on_reactor([&](Reactor& reactor) { return work(reactor, arguments); });
  });
  CLI::App* const disturb_command = app.add_subcommand("disturb", "Break leases until SIGTERM");
  disturb_command->add_option("--open-ms-max", arguments.open_ms_max, "What an open may take")
      ->capture_default_str();
  disturb_command->callback([&] {
    exit_code = run_on_reactor([&](Reactor& reactor) { return disturb(reactor, arguments); });
  });
  std::signal(SIGTERM, [](int) { stop_requested = 1; });
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace braid::fault

int main(int argc, char** argv) { return braid::fault::run(argc, argv); }
