#include "apps/braid-bench/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace braid::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// A round of 2 s with so many operations of 1 KiB and 100 us each.
Round round_of(uint64_t operations, milliseconds server_cpu) {
  Round round;
  round.wall = seconds(2);
  round.client_cpu = milliseconds(200);
  round.server_cpu = server_cpu;
  round.server_memory = 3 << 20;
  round.operations = operations;
  round.bytes = operations * 1024;
  for (uint64_t i = 0; i < operations; ++i) round.latencies.add(100'000);
  return round;
}

ServerRounds server_of(std::string name, std::vector<Round> rounds) {
  return {.server = std::move(name), .protection = "plain", .rounds = std::move(rounds)};
}

std::vector<ServerRounds> two_servers() {
  std::vector<ServerRounds> servers;
  std::vector<Round> first;
  first.push_back(round_of(1000, milliseconds(100)));
  first.push_back(round_of(2000, milliseconds(100)));
  std::vector<Round> second;
  second.push_back(round_of(500, milliseconds(100)));
  second.push_back(round_of(500, milliseconds(200)));
  servers.push_back(server_of("one:1", std::move(first)));
  servers.push_back(server_of("two:2", std::move(second)));
  return servers;
}

TEST(Report, JsonHasEachServersNumbersAndTheirRatios) {
  const RunOptions options{.rounds = 2};
  const auto json = load_json(two_servers(), {.kind = LoadKind::kRead, .size = 1024}, options);
  EXPECT_EQ(json["load"], "read");
  EXPECT_EQ(json["size"], 1024);
  const auto& one = json["servers"][0];
  EXPECT_EQ(one["server"], "one:1");
  EXPECT_EQ(one["operations"], 3000);
  EXPECT_DOUBLE_EQ(one["operations_per_second"]["low"], 500);
  EXPECT_DOUBLE_EQ(one["operations_per_second"]["median"], 750);
  EXPECT_DOUBLE_EQ(one["operations_per_second"]["high"], 1000);
  EXPECT_DOUBLE_EQ(one["bytes_per_second"]["high"], 1'024'000);
  EXPECT_DOUBLE_EQ(one["server_cpu_us"]["high"], 100);
  EXPECT_DOUBLE_EQ(one["client_busy"]["median"], 0.1);
  EXPECT_DOUBLE_EQ(one["server_memory_bytes"]["median"], 3 << 20);
  EXPECT_DOUBLE_EQ(one["latency_p99_us"]["median"], 100);
  // 2 and 4 of the pairs; 100 by 200 and 50 by 400.
  EXPECT_DOUBLE_EQ(json["ratios"]["operations_per_second"]["median"], 3);
  EXPECT_DOUBLE_EQ(json["ratios"]["server_cpu_us"]["high"], 0.5);
  EXPECT_DOUBLE_EQ(json["ratios"]["server_cpu_us"]["low"], 0.125);
}

TEST(Report, WhatWasNotMeasuredIsNull) {
  std::vector<ServerRounds> servers;
  std::vector<Round> rounds;
  rounds.push_back(round_of(10, milliseconds(1)));
  rounds.back().server_cpu.reset();
  rounds.back().server_memory.reset();
  rounds.back().bytes = 0;
  servers.push_back(server_of("one:1", std::move(rounds)));
  const auto json = load_json(servers, {}, {});
  EXPECT_TRUE(json["servers"][0]["server_cpu_us"].is_null());
  EXPECT_TRUE(json["servers"][0]["server_memory_bytes"].is_null());
  EXPECT_TRUE(json["servers"][0]["bytes_per_second"].is_null());
  EXPECT_FALSE(json.contains("ratios"));
  const std::string table = load_table(servers, {}, {});
  EXPECT_THAT(table, Not(HasSubstr("server CPU")));
  EXPECT_THAT(table, Not(HasSubstr(" ratio")));
}

TEST(Report, TableHasSpreadsAndRatios) {
  const RunOptions options{.rounds = 2};
  const std::string table =
      load_table(two_servers(), {.kind = LoadKind::kRead, .size = 1024}, options);
  EXPECT_THAT(table, HasSubstr("read, 1024 bytes, sequential; plain, 2 clients"));
  EXPECT_THAT(table, HasSubstr("750 (500 to 1000)"));
  EXPECT_THAT(table, HasSubstr("3.00 (2.00 to 4.00)"));
  EXPECT_THAT(table, Not(HasSubstr("no time left")));
}

TEST(Report, ABusyClientIsNamed) {
  std::vector<ServerRounds> servers;
  std::vector<Round> rounds;
  rounds.push_back(round_of(10, milliseconds(1)));
  rounds.back().client_cpu = milliseconds(1950);
  servers.push_back(server_of("one:1", std::move(rounds)));
  EXPECT_THAT(load_table(servers, {}, {}), HasSubstr("no time left"));
  EXPECT_THAT(load_table(servers, {}, {.threads = 2}), Not(HasSubstr("no time left")));
}

}  // namespace
}  // namespace braid::bench
