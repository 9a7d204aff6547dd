// braid-bench: load for a running server, and what it costs.
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/braid-bench/arguments.h"
#include "apps/braid-bench/report.h"
#include "runtime/task_scope.h"

namespace braid::bench {
namespace {

int say(const Failure& why) {
  fmt::print(stderr, "braid-bench: {}\n", why.text);
  return kCannotDo;
}

int run_on_reactor(const std::function<Task<Outcome<bool>>(Reactor&)>& body) {
  Reactor reactor;
  TaskScope scope;
  int exit_code = kCannotDo;
  const auto whole = [&]() -> Task<void> {
    const auto result = co_await body(reactor);
    exit_code = !result ? say(result.error()) : *result ? 0 : kMissed;
    reactor.stop();
  };
  reactor.post([&] { scope.spawn(whole()); });
  reactor.run();
  return exit_code;
}

int run_load_command(const Arguments& arguments) {
  const auto results = run_load(arguments.targets(), arguments.load, arguments.run);
  if (!results) return say(results.error());
  if (arguments.prints_json) {
    fmt::print("{}\n", load_json(*results, arguments.load, arguments.run).dump(2));
  } else {
    fmt::print("{}", load_table(*results, arguments.load, arguments.run));
  }
  return 0;
}

int run_idle_command(const Arguments& arguments) {
  const auto results = run_idle(arguments.targets(), arguments.idle);
  if (!results) return say(results.error());
  if (arguments.prints_json) {
    fmt::print("{}\n", idle_json(*results, arguments.idle).dump(2));
  } else {
    fmt::print("{}", idle_table(*results, arguments.idle));
  }
  return 0;
}

int run_limits_command(const Arguments& arguments) {
  const auto limits = measure_limits(arguments.limits);
  if (!limits) return say(limits.error());
  fmt::print("{}",
             arguments.prints_json ? limits_json(*limits).dump(2) + "\n" : limits_table(*limits));
  return 0;
}

int run_recovery_command(const Arguments& arguments) {
  const auto result = run_recovery(arguments.recovery);
  if (!result) return say(Failure(result.error()));
  return *result ? 0 : kMissed;
}

Task<Outcome<bool>> measure_throughput(Reactor& reactor, const Arguments& arguments) {
  BRAID_CO_CHECK(co_await run_throughput(reactor, arguments.target, arguments.throughput));
  co_return true;
}

int run(int argc, char** argv) {
  auto parsed = parse_arguments(argc, argv, BRAID_VERSION, std::cout, std::cerr);
  if (!parsed) return parsed.error();
  Arguments& arguments = *parsed;
  if (const char* const password = std::getenv(kPasswordVariable)) {
    arguments.target.password = password;
  }
  switch (arguments.command) {
    using enum Arguments::Command;
    case kLoad:
      return run_load_command(arguments);
    case kIdle:
      return run_idle_command(arguments);
    case kLimits:
      return run_limits_command(arguments);
    case kNames:
      return run_on_reactor(
          [&](Reactor& reactor) { return run_names(reactor, arguments.target, arguments.names); });
    case kThroughput:
      return run_on_reactor(
          [&](Reactor& reactor) { return measure_throughput(reactor, arguments); });
    case kOpens:
      return run_on_reactor(
          [&](Reactor& reactor) { return run_opens(reactor, arguments.target, arguments.opens); });
    case kHandleLog:
      return run_on_reactor(
          [&](Reactor& reactor) { return run_handle_log(reactor, arguments.handle_log); });
    case kRecovery:
      return run_recovery_command(arguments);
  }
  return kCannotDo;
}

}  // namespace
}  // namespace braid::bench

int main(int argc, char** argv) { return braid::bench::run(argc, argv); }
