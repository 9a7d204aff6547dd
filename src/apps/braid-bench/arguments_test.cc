#include "apps/braid-bench/arguments.h"

#include <gmock/gmock.h>

#include <sstream>

namespace braid::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Parsed {
  std::expected<Arguments, int> arguments;
  std::string out;
  std::string errors;
};

Parsed parse(std::vector<const char*> words) {
  words.insert(words.begin(), "braid-bench");
  std::ostringstream out;
  std::ostringstream errors;
  auto arguments = parse_arguments(static_cast<int>(words.size()), words.data(), "1", out, errors);
  return {std::move(arguments), out.str(), errors.str()};
}

Parsed parse_load(std::vector<const char*> words) {
  words.insert(words.begin(), {"--server", "192.0.2.1:445", "--user", "alice"});
  return parse(std::move(words));
}

// One line that says what is wrong.
void expect_refused(const Parsed& parsed, const std::string& words) {
  ASSERT_FALSE(parsed.arguments);
  EXPECT_EQ(parsed.arguments.error(), kCannotDo);
  EXPECT_THAT(parsed.errors, AllOf(StartsWith("braid-bench: "), HasSubstr(words), EndsWith("\n")));
  EXPECT_EQ(std::ranges::count(parsed.errors, '\n'), 1) << parsed.errors;
  EXPECT_THAT(parsed.out, IsEmpty());
}

TEST(ParseBytes, TakesUnits) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("64K"), 65'536u);
  EXPECT_EQ(parse_bytes("1M"), 1'048'576u);
  EXPECT_EQ(parse_bytes("2G"), uint64_t{2} << 30);
  EXPECT_EQ(parse_bytes("1024G"), uint64_t{1} << 40);
}

TEST(ParseBytes, TakesNothingElse) {
  for (const char* const text : {"", "K", "0", "0K", "-1", "1k", "1KB", "1.5M", " 1", "1 ", "1025G",
                                 "18446744073709551616", "18446744073709551615M"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(ParseVersus, IsPortAndProcess) {
  EXPECT_EQ(parse_versus("4451:1234"), (Versus{.port = 4451, .pid = 1234}));
  for (const char* const text : {"", ":", "4451", "4451:", ":1234", "0:1", "1:0", "1:-1", "65536:1",
                                 "1:2:3", "a:1", "1:a"}) {
    EXPECT_EQ(parse_versus(text), std::nullopt) << text;
  }
}

TEST(Arguments, ALoadHasDefaults) {
  const auto parsed = parse_load({"echo"});
  ASSERT_TRUE(parsed.arguments) << parsed.errors;
  const Arguments& arguments = *parsed.arguments;
  EXPECT_EQ(arguments.command, Arguments::Command::kLoad);
  EXPECT_EQ(arguments.load.kind, LoadKind::kEcho);
  EXPECT_EQ(arguments.target.server, "192.0.2.1:445");
  EXPECT_EQ(arguments.target.protection, Protection::kSigned);
  EXPECT_EQ(arguments.run.clients, 2u);
  EXPECT_EQ(arguments.run.rounds, 1u);
  EXPECT_EQ(arguments.load.in_flight, 4u);
  EXPECT_EQ(arguments.targets().size(), 1u);
}

TEST(Arguments, ALoadTakesWhatItIsGiven) {
  const auto parsed =
      parse_load({"--protection", "encrypted", "--cipher",  "aes-256-ccm", "--server-pid",
                  "17",           "read",      "--size",    "1M",          "--random",
                  "--file-size",  "2G",        "--clients", "8",           "--in-flight",
                  "16",           "--threads", "2",         "--seconds",   "0.5",
                  "--warm-up",    "0.25",      "--rounds",  "3",           "--json"});
  ASSERT_TRUE(parsed.arguments) << parsed.errors;
  const Arguments& arguments = *parsed.arguments;
  EXPECT_EQ(arguments.load.kind, LoadKind::kRead);
  EXPECT_EQ(arguments.load.size, 1u << 20);
  EXPECT_TRUE(arguments.load.is_random);
  EXPECT_EQ(arguments.load.file_bytes, uint64_t{2} << 30);
  EXPECT_EQ(arguments.load.in_flight, 16u);
  EXPECT_EQ(arguments.run.clients, 8u);
  EXPECT_EQ(arguments.run.threads, 2u);
  EXPECT_EQ(arguments.run.rounds, 3u);
  EXPECT_DOUBLE_EQ(arguments.run.measured.count(), 0.5);
  EXPECT_DOUBLE_EQ(arguments.run.warm_up.count(), 0.25);
  EXPECT_TRUE(arguments.prints_json);
  EXPECT_EQ(arguments.target.protection, Protection::kEncrypted);
  EXPECT_EQ(arguments.target.cipher, wire::Cipher::kAes256Ccm);
  EXPECT_THAT(arguments.target.server_pids, ElementsAre(17));
}

TEST(Arguments, EveryLoadIsACommand) {
  for (const LoadKind kind :
       {LoadKind::kEcho, LoadKind::kRead, LoadKind::kWrite, LoadKind::kOpen, LoadKind::kSmallFiles,
        LoadKind::kStat, LoadKind::kList, LoadKind::kLock, LoadKind::kLeaseBreak, LoadKind::kLogon,
        LoadKind::kOffice}) {
    const auto parsed = parse_load({std::string(name_of(kind)).c_str()});
    ASSERT_TRUE(parsed.arguments) << parsed.errors;
    EXPECT_EQ(parsed.arguments->load.kind, kind);
    EXPECT_NE(make_load(parsed.arguments->load), nullptr);
  }
}

TEST(Arguments, EveryAlgorithmHasAName) {
  for (const char* const name : {"aes-gmac", "aes-cmac", "hmac-sha256"}) {
    const auto parsed = parse_load({"--signing", name, "echo"});
    ASSERT_TRUE(parsed.arguments) << parsed.errors;
    EXPECT_EQ(name_of(*parsed.arguments->target.signing_algorithm), name);
  }
  for (const char* const name : {"aes-128-gcm", "aes-128-ccm", "aes-256-gcm", "aes-256-ccm"}) {
    const auto parsed = parse_load({"--encrypt", "--cipher", name, "echo"});
    ASSERT_TRUE(parsed.arguments) << parsed.errors;
    EXPECT_EQ(name_of(*parsed.arguments->target.cipher), name);
  }
}

TEST(Arguments, PathsAreOneOwnOrMany) {
  EXPECT_EQ(parse_load({"open", "--paths", "one"}).arguments->load.paths, Paths::kOne);
  EXPECT_EQ(parse_load({"open", "--paths", "own"}).arguments->load.paths, Paths::kOwn);
  const auto many = parse_load({"stat", "--paths", "many", "--files", "100000"});
  EXPECT_EQ(many.arguments->load.paths, Paths::kMany);
  EXPECT_EQ(many.arguments->load.files, 100'000u);
}

TEST(Arguments, ASecondServerIsAtTheSameAddresses) {
  const auto parsed = parse_load(
      {"--channel", "192.0.2.2:445", "--server-pid", "17", "echo", "--versus", "4451:18"});
  ASSERT_TRUE(parsed.arguments) << parsed.errors;
  EXPECT_EQ(parsed.arguments->run.rounds, 5u);
  const auto targets = parsed.arguments->targets();
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_THAT(targets[0].server_pids, ElementsAre(17));
  EXPECT_EQ(targets[1].server, "192.0.2.1:4451");
  EXPECT_THAT(targets[1].channels, ElementsAre("192.0.2.2:4451"));
  EXPECT_THAT(targets[1].server_pids, ElementsAre(18));
}

TEST(Arguments, IdleHasConnectionsSomeOfThemBusy) {
  const auto parsed = parse_load({"idle", "--connections", "10000", "--busy", "1000"});
  ASSERT_TRUE(parsed.arguments) << parsed.errors;
  EXPECT_EQ(parsed.arguments->command, Arguments::Command::kIdle);
  EXPECT_EQ(parsed.arguments->idle.connections, 10'000u);
  EXPECT_EQ(parsed.arguments->idle.busy, 1'000u);
}

TEST(Arguments, LimitsNeedNoServer) {
  const auto parsed = parse({"limits", "--folder", "/", "--connections", "3", "--seconds", "0.5"});
  ASSERT_TRUE(parsed.arguments) << parsed.errors;
  EXPECT_EQ(parsed.arguments->command, Arguments::Command::kLimits);
  EXPECT_EQ(parsed.arguments->limits.connections, 3u);
  EXPECT_DOUBLE_EQ(parsed.arguments->limits.measured.count(), 0.5);
}

TEST(Arguments, AMistakeIsALine) {
  expect_refused(parse({}), "subcommand is required");
  expect_refused(parse({"--user", "alice", "echo"}), "--server");
  expect_refused(parse({"--server", "192.0.2.1:445", "echo"}), "--user");
  expect_refused(parse_load({"echo", "--sieze", "1"}), "--sieze");
  expect_refused(parse_load({"read", "--size", "9M"}), "9M is no number of bytes up to 8388608");
  expect_refused(parse_load({"read", "--size", "many"}), "many is no number of bytes");
  expect_refused(parse_load({"echo", "--in-flight", "0"}), "--in-flight");
  expect_refused(parse_load({"echo", "--versus", "4451"}), "4451 is no PORT:PID");
  expect_refused(parse_load({"--protection", "none", "echo"}), "--protection");
  expect_refused(parse_load({"--protection", "plain", "--encrypt", "echo"}), "--encrypt");
  expect_refused(parse_load({"--protection", "plain", "--signing", "aes-cmac", "echo"}),
                 "--signing is for --protection signed");
  expect_refused(parse_load({"--cipher", "aes-128-gcm", "echo"}),
                 "--cipher is for --protection encrypted");
  expect_refused(parse_load({"idle", "--connections", "5", "--busy", "6"}),
                 "--busy is more than --connections");
  expect_refused(parse_load({"office", "--in-flight", "11"}), "office takes --in-flight up to 10");
  expect_refused(parse_load({"echo", "--versus", "1:1", "--perf-control", "fifo"}),
                 "--perf-control is for one server");
  expect_refused(parse({"limits"}), "--folder");
  expect_refused(parse_load({"echo", "read"}), "");
}

TEST(Arguments, HelpIsNoMistake) {
  const auto parsed = parse({"--help"});
  ASSERT_FALSE(parsed.arguments);
  EXPECT_EQ(parsed.arguments.error(), 0);
  EXPECT_THAT(parsed.out, AllOf(HasSubstr("lease-break"), HasSubstr("BRAID_BENCH_PASSWORD")));
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_THAT(parse({"read", "--help"}).out, HasSubstr("--file-size"));
}

}  // namespace
}  // namespace braid::bench
