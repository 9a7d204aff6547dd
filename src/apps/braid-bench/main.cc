// braid-bench: load for a running server, and what it costs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>

#include "apps/braid-bench/handle_log.h"
#include "apps/braid-bench/names.h"
#include "apps/braid-bench/opens.h"
#include "apps/braid-bench/recovery.h"
#include "apps/braid-bench/throughput.h"
#include "runtime/task_scope.h"

namespace braid::bench {
namespace {

// The exit codes: a limit was not kept; the run could not be made.
constexpr int kMissed = 1;
constexpr int kCannotDo = 2;

// Not an argument, which every user of the machine could read.
constexpr const char* kPasswordVariable = "BRAID_BENCH_PASSWORD";

int run_on_reactor(const std::function<Task<Result<bool>>(Reactor&)>& body) {
  Reactor reactor;
  TaskScope scope;
  int exit_code = kCannotDo;
  const auto whole = [&]() -> Task<void> {
    const auto result = co_await body(reactor);
    if (result) {
      exit_code = *result ? 0 : kMissed;
    } else {
      fmt::print(stderr, "braid-bench: {}\n", result.error().message());
    }
    reactor.stop();
  };
  reactor.post([&] { scope.spawn(whole()); });
  reactor.run();
  return exit_code;
}

int run(int argc, char** argv) {
  Target target;
  NamesOptions names;
  OpensOptions opens;
  ThroughputOptions throughput;
  HandleLogOptions handle_log;
  RecoveryOptions recovery;
  int exit_code = 0;
  CLI::App app("Measures an SMB server.", "braid-bench");
  app.set_version_flag("--version", "braid " BRAID_VERSION);
  app.footer(fmt::format("The password is taken from the variable {}.", kPasswordVariable));
  app.require_subcommand(1);
  app.fallthrough();
  CLI::Option* const server =
      app.add_option("--server", target.server, "The server")->type_name("ADDRESS:PORT");
  app.add_option("--share", target.share, "The share, which should be empty")
      ->capture_default_str();
  CLI::Option* const user = app.add_option("--user", target.user, "The account");
  app.add_option("--channel", target.channels, "A further channel to the server; may be repeated")
      ->type_name("ADDRESS:PORT");
  app.add_flag("--encrypt", target.encrypts, "Encrypt everything instead of signing it");
  app.add_option("--compression", target.compression,
                 "An algorithm to offer for compression; may be repeated, in order of preference")
      ->check(CLI::IsMember({"lz4", "lz77", "lz77+huffman", "lznt1", "pattern_v1"}));
  app.add_flag("!--unchained", target.chained, "Offer no chained compression");
  app.add_option("--server-pid", target.server_pids,
                 "A process of the server whose CPU time is measured; may be repeated");

  CLI::App* const names_command =
      app.add_subcommand("names", "Create and open files in one large directory and in small ones");
  names_command->add_option("--files", names.files, "Files in all")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  names_command->add_option("--small", names.small, "Files in a small directory")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  names_command->add_option("--in-flight", names.in_flight, "Requests at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 512));
  names_command->add_option("--ratio-max", names.ratio_max,
                            "Exit with 1 if the large directory costs more than this times the "
                            "small ones");
  names_command->callback([&] {
    exit_code = run_on_reactor([&](Reactor& reactor) { return run_names(reactor, target, names); });
  });

  CLI::App* const throughput_command =
      app.add_subcommand("throughput", "Write and read one file sequentially");
  throughput_command->add_option("--mib", throughput.mebibytes, "The size of the file in MiB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'048'576));
  throughput_command->add_option("--request-size", throughput.request_size, "Bytes in one request")
      ->capture_default_str()
      ->check(CLI::Range(4'096, 8'388'608));
  throughput_command->add_option("--in-flight", throughput.in_flight, "Requests at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 512));
  throughput_command->add_option("--data", throughput.data, "A file whose bytes are written")
      ->check(CLI::ExistingFile);
  throughput_command->callback([&] {
    exit_code = run_on_reactor([&](Reactor& reactor) -> Task<Result<bool>> {
      BRAID_CO_CHECK(co_await run_throughput(reactor, target, throughput));
      co_return true;
    });
  });

  CLI::App* const opens_command =
      app.add_subcommand("opens", "Open and close files, ordinary and with persistent handles");
  opens_command
      ->add_option("--persistent-share", opens.persistent_share,
                   "Another share, with continuous_availability")
      ->required();
  opens_command->add_option("--opens", opens.opens, "On each share, for each number in flight")
      ->capture_default_str()
      ->check(CLI::Range(64, 10'000'000));
  opens_command->add_option("--ratio-min", opens.ratio_min,
                            "Exit with 1 if persistent opens, 64 at a time, have less than this "
                            "part of the rate of ordinary ones");
  opens_command->callback([&] {
    exit_code = run_on_reactor([&](Reactor& reactor) { return run_opens(reactor, target, opens); });
  });

  for (CLI::App* const command : {names_command, throughput_command, opens_command}) {
    command->needs(server)->needs(user);
  }

  CLI::App* const handle_log_command = app.add_subcommand(
      "handle-log", "Put records into a handle log in a folder, without a server");
  handle_log_command->add_option("--folder", handle_log.folder, "Where the log is made")
      ->required()
      ->check(CLI::ExistingDirectory);
  handle_log_command->add_option("--appends", handle_log.appends, "With 64 waiting at a time")
      ->capture_default_str()
      ->check(CLI::Range(64, 10'000'000));
  handle_log_command->add_option("--records", handle_log.records, "To recover, at least 1,000")
      ->capture_default_str()
      ->check(CLI::Range(1'000, 150'000));
  handle_log_command->add_option("--recovery-max", handle_log.recovery_max,
                                 "Exit with 1 if recovery takes more seconds than this");
  handle_log_command->callback([&] {
    exit_code =
        run_on_reactor([&](Reactor& reactor) { return run_handle_log(reactor, handle_log); });
  });

  CLI::App* const recovery_command = app.add_subcommand(
      "recovery", "Begin on a folder with a log of persistent opens, without a server");
  recovery_command
      ->add_option("--folder", recovery.folder, "Where files and log are made, and stay")
      ->required()
      ->check(CLI::ExistingDirectory);
  recovery_command->add_option("--opens", recovery.opens, "As many files")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  recovery_command->add_option("--recovery-max", recovery.recovery_max,
                               "Exit with 1 if recovery takes more seconds than this");
  recovery_command->add_option("--bytes-max", recovery.bytes_max,
                               "Exit with 1 if an open takes more bytes of memory than this");
  recovery_command->callback([&] {
    const auto result = run_recovery(recovery);
    if (!result) fmt::print(stderr, "braid-bench: {}\n", result.error());
    exit_code = !result ? kCannotDo : *result ? 0 : kMissed;
  });

  const char* const password = std::getenv(kPasswordVariable);
  if (password != nullptr) target.password = password;
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace braid::bench

int main(int argc, char** argv) { return braid::bench::run(argc, argv); }
