#include "config/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/journal_socket.h"
#include "config/keys.h"
#include "config/restart.h"
#include "config/salvage.h"

namespace braid::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// The lines parse() complains with.
std::vector<std::string> complaints(std::string_view text, Checks checks = Checks::kTextOnly) {
  std::vector<std::string> lines;
  const auto result = parse(text, "braid.toml", checks);
  if (!result) {
    for (const Problem& problem : result.error()) lines.push_back(problem.text());
  }
  return lines;
}

class Folder {
 public:
  Folder() { path_ = ::mkdtemp(template_); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, std::string_view text) const {
    std::ofstream(path_ + "/" + name) << text;
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  char template_[32] = "/tmp/braid-config-XXXXXX";
  std::string path_;
};

TEST(Config, EmptyTextGivesTheDefaults) {
  const auto config = parse("", "braid.toml");
  ASSERT_TRUE(config);
  const Server& server = (*config)->server;
  EXPECT_EQ(server.min_dialect, Dialect::k3_0);
  EXPECT_EQ(server.max_dialect, Dialect::k3_1_1);
  EXPECT_EQ(server.signing, Signing::kRequired);
  EXPECT_EQ(server.workers, 1u);
  EXPECT_FALSE(server.name.empty());
  EXPECT_TRUE((*config)->shares.empty());
}

TEST(Config, EveryKeyIsStored) {
  const auto config = parse(R"(
[server]
listen = ["127.0.0.1:4450", "[::1]:445"]
state_dir = "/srv/state"
name = "FILES"
min_dialect = "2.0.2"
max_dialect = "3.0.2"
signing = "enabled"
encryption = "required"
workers = 4
threads = 3
keytab = "/etc/krb5.keytab"
interfaces = ["eth0;speed=10G;rss", "*"]
break_retry = "windows"
compression = ["lz77+huffman", "pattern_v1"]
log_level = "debug"

[[share]]
name = "Data"
compress = "always"
path = "/srv/data"
comment = "all of it"
read_only = true
encrypt = true
change_notify = false
hide_unreadable = true
hidden_names = [".*", "lost+found"]
veto_files = ["*.exe"]
create_mask = "0660"
directory_mask = "750"
force_group = "staff"
streams = false
snapshots = ".snapshots/hourly"
)",
                            "braid.toml");
  ASSERT_TRUE(config) << config.error().front().text();
  const Server& server = (*config)->server;
  EXPECT_THAT(server.listen, ElementsAre(Endpoint{"127.0.0.1", 4450}, Endpoint{"::1", 445}));
  EXPECT_EQ(server.state_dir, "/srv/state");
  EXPECT_EQ(server.name, "FILES");
  EXPECT_EQ(server.min_dialect, Dialect::k2_0_2);
  EXPECT_EQ(server.max_dialect, Dialect::k3_0_2);
  EXPECT_EQ(server.signing, Signing::kEnabled);
  EXPECT_EQ(server.encryption, Encryption::kRequired);
  EXPECT_EQ(server.workers, 4u);
  EXPECT_EQ(server.threads, 3u);
  EXPECT_EQ(server.keytab, "/etc/krb5.keytab");
  ASSERT_EQ(server.interfaces.size(), 2u);
  EXPECT_EQ(server.interfaces[0].speed, 10'000'000'000u);
  EXPECT_EQ(server.interfaces[1].match, "*");
  EXPECT_EQ(server.break_retry, BreakRetry::kWindows);
  EXPECT_THAT(server.compression, ElementsAre(Compression::kLz77Huffman, Compression::kPatternV1));
  EXPECT_EQ(server.log_level, LogLevel::kDebug);
  const Share* share = (*config)->find_share("dATA");
  ASSERT_NE(share, nullptr);
  EXPECT_EQ(share->path, "/srv/data");
  EXPECT_EQ(share->comment, "all of it");
  EXPECT_TRUE(share->read_only);
  EXPECT_TRUE(share->encrypt);
  EXPECT_EQ(share->compress, Compress::kAlways);
  EXPECT_FALSE(share->change_notify);
  EXPECT_TRUE(share->hide_unreadable);
  EXPECT_THAT(share->hidden_names, ElementsAre(".*", "lost+found"));
  EXPECT_THAT(share->veto_files, ElementsAre("*.exe"));
  EXPECT_EQ(share->create_mask, 0660u);
  EXPECT_EQ(share->directory_mask, 0750u);
  EXPECT_EQ(share->force_group, "staff");
  EXPECT_FALSE(share->streams);
  EXPECT_EQ(share->snapshots, ".snapshots/hourly");
  EXPECT_EQ((*config)->find_share("other"), nullptr);
}

TEST(Config, UnknownKeyNamesTheNearestOne) {
  EXPECT_THAT(complaints("[server]\nsigninng = \"required\"\n"),
              ElementsAre("braid.toml:2: unknown key signinng in [server]; did you mean signing?"));
  EXPECT_THAT(complaints("[[share]]\nname = \"a\"\npath = \"/\"\nreadonly = true\n"),
              ElementsAre("braid.toml:4: unknown key readonly in [[share]]; did you mean "
                          "read_only?"));
  EXPECT_THAT(complaints("[sever]\n"),
              ElementsAre("braid.toml:1: unknown key sever at the top level; did you mean "
                          "server?"));
}

TEST(Config, KeyOfTheOtherSectionIsSentThere) {
  EXPECT_THAT(complaints("[server]\nread_only = true\n"),
              ElementsAre("braid.toml:2: unknown key read_only in [server]; it belongs in "
                          "[[share]]"));
  EXPECT_THAT(complaints("listen = []\n"),
              ElementsAre("braid.toml:1: unknown key listen at the top level; it belongs in "
                          "[server]"));
}

TEST(Config, KeyUnlikeAnyOtherPointsAtTheList) {
  EXPECT_THAT(complaints("[server]\nxyzzyplugh = 1\n"),
              ElementsAre("braid.toml:2: unknown key xyzzyplugh in [server]; braidd --config-help "
                          "lists the keys"));
}

TEST(Config, WrongTypesAndBadValuesSayWhatIsAccepted) {
  EXPECT_THAT(
      complaints("[server]\nsigning = \"sometimes\"\nworkers = 0\nthreads = \"many\"\n"),
      ElementsAre("braid.toml:2: signing = \"sometimes\" is not accepted; give \"required\" "
                  "or \"enabled\"",
                  "braid.toml:3: workers = 0 is not accepted; give a whole number from 1 to "
                  "64",
                  "braid.toml:4: threads = \"many\" is not accepted; give a whole number "
                  "from 0 to 256"));
  EXPECT_THAT(complaints("[server]\nmin_dialect = 3.0\n").at(0), HasSubstr("a fraction is not"));
  EXPECT_THAT(complaints("[server]\nstate_dir = \"state\"\n").at(0), HasSubstr("an absolute path"));
  EXPECT_THAT(complaints("[[share]]\nname = \"a/b\"\npath = \"/\"\n").at(0),
              StartsWith("braid.toml:2: name = \"a/b\" is not accepted"));
  EXPECT_THAT(complaints("[[share]]\nname = \"a\"\npath = \"/\"\nencrypt = \"yes\"\n").at(0),
              HasSubstr("give true or false"));
}

TEST(Config, ListenAcceptsNumbersWithPortsOnly) {
  for (const char* bad :
       {"\"127.0.0.1:445\"", "[]", "[445]", "[\"127.0.0.1\"]", "[\"host:445\"]", "[\"::1:445\"]",
        "[\"[::1]\"]", "[\"127.0.0.1:65536\"]", "[\"127.0.0.1:\"]", "[\"127.0.0.1:4x\"]"}) {
    const auto lines = complaints(std::string("[server]\nlisten = ") + bad + "\n");
    ASSERT_EQ(lines.size(), 1u) << bad;
    EXPECT_THAT(lines[0], HasSubstr("a list of addresses and ports"));
  }
  EXPECT_THAT(complaints("[server]\nlisten = [\"127.0.0.1:445\", \"127.0.0.1:445\"]\n").at(0),
              StartsWith("braid.toml:2: listen names 127.0.0.1 port 445 twice"));
  EXPECT_THAT(complaints("[server]\nworkers = 1\nlisten = [\"[::1]:445\", "
                         "\"[0:0:0:0:0:0:0:1]:445\"]\n"),
              ElementsAre("braid.toml:3: listen names ::1 port 445 twice; leave one out"));
  EXPECT_THAT(complaints("[server]\nlisten = [\"10.0.0.1:445\", \"0.0.0.0:445\"]\n"),
              ElementsAre("braid.toml:2: listen names 10.0.0.1 port 445 twice, as 0.0.0.0 is every "
                          "address; leave one out"));
  EXPECT_THAT(complaints("[server]\nlisten = [\"[::]:445\", \"0.0.0.0:445\", \"10.0.0.1:0\", "
                         "\"10.0.0.1:0\"]\n"),
              ElementsAre());
}

TEST(Config, DialectsAndEncryptionMustFit) {
  EXPECT_THAT(complaints("[server]\nmin_dialect = \"3.1.1\"\nmax_dialect = \"3.0\"\n"),
              ElementsAre("braid.toml:2: min_dialect is above max_dialect; swap or correct them"));
  EXPECT_THAT(
      complaints("[server]\nworkers = 2\nmax_dialect = \"2.1\"\n"),
      ElementsAre("braid.toml:3: max_dialect is below min_dialect, which is \"3.0\" when it "
                  "is left out; give min_dialect too"));
  EXPECT_THAT(complaints("[[share]]\nname = \"a\"\npath = \"/\"\nencrypt = true\n"
                         "[server]\nmin_dialect = \"2.1\"\nmax_dialect = \"2.1\"\n"),
              ElementsAre("braid.toml:4: encrypt = true needs max_dialect \"3.0\" or newer in "
                          "[server]; change one of them"));
  EXPECT_THAT(complaints("[[share]]\nname = \"a\"\npath = \"/\"\nscale_out = true\n"
                         "[server]\nmin_dialect = \"2.1\"\nmax_dialect = \"2.1\"\n"),
              ElementsAre("braid.toml:4: scale_out = true needs max_dialect \"3.0\" or newer in "
                          "[server]; change one of them"));
  EXPECT_THAT(complaints("[server]\nmin_dialect = \"2.1\"\nmax_dialect = \"2.1\"\n"
                         "encryption = \"required\"\n")
                  .at(0),
              HasSubstr("needs max_dialect \"3.0\" or newer"));
}

TEST(Config, PersistentHandlesHaveOneWorkerAndTheirFolderForThemselves) {
  const std::string share =
      "[[share]]\nname = \"a\"\npath = \"/srv\"\ncontinuous_availability = true\n";
  EXPECT_THAT(complaints(share), ElementsAre());
  EXPECT_THAT(complaints(share + "[server]\nworkers = 2\n"),
              ElementsAre("braid.toml:4: continuous_availability = true needs workers = 1 in "
                          "[server]; change one of them"));
  EXPECT_THAT(complaints(share + "[server]\nmin_dialect = \"2.1\"\nmax_dialect = \"2.1\"\n"),
              ElementsAre("braid.toml:4: continuous_availability = true needs max_dialect "
                          "\"3.0\" or newer in [server]; change one of them"));
  EXPECT_THAT(
      complaints(share +
                 "[[share]]\nname = \"b\"\npath = \"/srv\"\ncontinuous_availability = true\n"),
      ElementsAre("braid.toml:8: continuous_availability = true is there for /srv in line 4 "
                  "already; leave it out of one of the shares"));
}

TEST(Config, LocalLocksAreOfOneWorkerAndOfNoPersistentHandles) {
  const std::string share = "[[share]]\nname = \"a\"\npath = \"/srv\"\nlocal_locks = true\n";
  const auto config = parse(share, "braid.toml");
  ASSERT_TRUE(config);
  EXPECT_TRUE((*config)->shares.front().local_locks);
  EXPECT_FALSE(config::Share().local_locks);
  EXPECT_THAT(
      complaints("[server]\nworkers = 2\n" + share),
      ElementsAre("braid.toml:6: local_locks = true needs workers = 1 in [server]; change one of "
                  "them"));
  EXPECT_THAT(complaints(share + "continuous_availability = true\n"),
              ElementsAre("braid.toml:4: local_locks = true is for folders that others serve too, "
                          "which continuous_availability = true is not; leave out one of them"));
}

TEST(Config, NodesOfAClusterNameTheirFileSystems) {
  const std::string on = "[server]\ncluster = \"/run/ctdb/ctdbd.socket\"\n";
  const std::string share = "[[share]]\nname = \"a\"\npath = \"/srv\"\n";
  EXPECT_THAT(complaints(on + share + "file_system = 1\n"), ElementsAre());
  EXPECT_THAT(complaints(share), ElementsAre());
  EXPECT_THAT(
      complaints(on + share),
      ElementsAre("braid.toml:4: with cluster in [server] each share needs file_system, the "
                  "same number on all nodes; give one"));
  EXPECT_THAT(complaints(on + "workers = 2\n" + share + "file_system = 1\n"),
              ElementsAre("braid.toml:3: cluster needs workers = 1; change one of them"));
  for (const char* other : {"local_access = \"strict\"", "local_locks = true",
                            "max_connections = 1", "continuous_availability = true"}) {
    const auto lines = complaints(on + share + "file_system = 1\n" + other + "\n");
    ASSERT_EQ(lines.size(), 1u) << other;
    EXPECT_THAT(lines[0], HasSubstr("is not for a cluster"));
    EXPECT_TRUE(lines[0].starts_with("braid.toml:7: ")) << lines[0];
  }
}

TEST(Config, SnapshotsAreBelowTheShare) {
  for (const char* bad : {"/abs", "..", "a/../b", "a//b", "a/", ".", "a\\\\b"}) {
    const auto lines = complaints("[[share]]\nname = \"a\"\npath = \"/\"\nsnapshots = \"" +
                                  std::string(bad) + "\"\n");
    ASSERT_EQ(lines.size(), 1u) << bad;
    EXPECT_THAT(lines.front(), HasSubstr("a folder below path")) << bad;
  }
}

TEST(Config, AuditHasATargetAndKinds) {
  for (const char* target : {"", "journal", "/var/log/audit.json"}) {
    const auto config = parse(fmt::format("[server]\naudit = \"{}\"\n", target), "braid.toml");
    ASSERT_TRUE(config) << target;
    EXPECT_EQ((*config)->server.audit, target);
  }
  for (const char* target : {"audit.json", "/", "/var/log/", "syslog"}) {
    EXPECT_THAT(complaints(fmt::format("[server]\naudit = \"{}\"\n", target)),
                ElementsAre(HasSubstr("give \"journal\", or the absolute path of a file")))
        << target;
  }
  const auto share = [](std::string_view kinds) {
    return fmt::format("[[share]]\nname = \"s\"\npath = \"/srv\"\naudit = {}\n", kinds);
  };
  const auto some = parse(share(R"(["delete", "denied"])"), "braid.toml");
  ASSERT_TRUE(some);
  const AuditKinds kinds = (*some)->shares[0].audit;
  EXPECT_TRUE(kinds.has(AuditKind::kDelete) && kinds.has(AuditKind::kDenied));
  EXPECT_FALSE(kinds.has(AuditKind::kOpen) || kinds.has(AuditKind::kConnect));
  EXPECT_EQ((*parse(share("[]"), "braid.toml"))->shares[0].audit.bits, 0u);
  EXPECT_TRUE(Share{}.audit.has(AuditKind::kSecurity));
  EXPECT_THAT(complaints(share(R"(["deletes"])")), ElementsAre(HasSubstr("\"denied\"")));
}

TEST(Config, ShareNeedsNameAndPath) {
  EXPECT_THAT(complaints("[[share]]\ncomment = \"x\"\n"),
              ElementsAre("braid.toml:1: [[share]] has no name; add name = ...",
                          "braid.toml:1: [[share]] has no path; add path = ..."));
}

TEST(Config, ShareNamesAreUniqueWhateverTheirCase) {
  EXPECT_THAT(complaints("[[share]]\nname = \"Data\"\npath = \"/\"\n"
                         "[[share]]\nname = \"dATA\"\npath = \"/\"\n"),
              ElementsAre("braid.toml:5: share dATA is already there in line 2; rename one"));
  // As clients compare them, and not in ASCII only.
  EXPECT_THAT(complaints("[[share]]\nname = \"Ärger\"\npath = \"/\"\n"
                         "[[share]]\nname = \"ärger\"\npath = \"/\"\n"),
              ElementsAre("braid.toml:5: share ärger is already there in line 2; rename one"));
}

TEST(Config, ShareNameOfTheServerItselfIsRefused) {
  EXPECT_THAT(complaints("[[share]]\nname = \"ipc$\"\npath = \"/\"\n"),
              ElementsAre("braid.toml:2: share name ipc$ is the server's own; choose another"));
}

TEST(Config, SectionsOfTheWrongShapeAreExplained) {
  EXPECT_THAT(complaints("server = 1\n").at(0), HasSubstr("start it with [server]"));
  EXPECT_THAT(complaints("[share]\nname = \"a\"\n").at(0), HasSubstr("[[share]]"));
  EXPECT_THAT(complaints("share = [1]\n").at(0), HasSubstr("[[share]]"));
}

TEST(Config, ComplaintsMoveNoCursor) {
  const auto lines = complaints("[server]\nname = \"a\\u001b[2J\\u009bb\"\n\"x\\ny\" = 1\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], HasSubstr("\"a\\u{1b}[2J\\u{9b}b\""));
  EXPECT_THAT(lines[1], StartsWith("braid.toml:3: unknown key x\\u{a}y in [server]"));
}

TEST(Config, TextThatIsNotTomlNamesTheLine) {
  const auto lines = complaints("[server]\nlisten = [\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], StartsWith("braid.toml:"));
  EXPECT_THAT(lines[0], HasSubstr("not TOML"));
  EXPECT_EQ(lines[0].find('\n'), std::string::npos);
}

TEST(Config, MissingPathsAreFoundOnlyWhenAsked) {
  const Folder folder;
  const std::string file = folder.file("plain", "x");
  const std::string text = "[server]\nkeytab = \"" + folder.path() +
                           "/none\"\n[[share]]\nname = \"a\"\npath = \"" + folder.path() +
                           "/gone\"\n[[share]]\nname = \"b\"\npath = \"" + file + "\"\n";
  EXPECT_THAT(complaints(text), ElementsAre());
  EXPECT_THAT(
      complaints(text, Checks::kTextAndPaths),
      ElementsAre("braid.toml:2: keytab " + folder.path() +
                      "/none: No such file or directory; make it or correct the path",
                  "braid.toml:8: path " + file + " is not a directory; give the path of one"));
}

TEST(Config, LoadReadsAFileAndExplainsOneItCannotRead) {
  const Folder folder;
  const auto good = load(folder.file("good.toml", "[[share]]\nname = \"a\"\npath = \"/\"\n"));
  ASSERT_TRUE(good);
  EXPECT_EQ((*good)->shares.size(), 1u);
  const auto missing = load(folder.path() + "/none.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().front().text(), folder.path() +
                                                "/none.toml: cannot be read: No such file or "
                                                "directory; check the path after --config");
  EXPECT_THAT(load(folder.path()).error().front().text(), HasSubstr("is a directory"));
}

// Of witness_port = 0 the server has another number than the file, and that is no change.
TEST(Restart, ThePortThatTheSystemChoseStays) {
  const auto config = parse("[server]\nwitness = true\nwitness_port = 0", "braid.toml");
  ASSERT_TRUE(config);
  Server started = (*config)->server;
  started.witness_port_used = 40'000;
  EXPECT_TRUE(waiting_keys(started, (*config)->server).empty());
  EXPECT_EQ(until_restart(started, **config)->server.witness_port_used, 40'000u);
}

TEST(Restart, KeepsWhatWaitsAndTakesTheRest) {
  const auto started = parse("[server]\nworkers = 2\nmin_uid = 5", "braid.toml");
  const auto wanted = parse(R"(
[server]
listen = ["127.0.0.1:4450"]
state_dir = "/elsewhere"
name = "OTHER"
workers = 4
threads = 3
keytab = "/etc/other.keytab"
min_uid = 7
interfaces = ["lo"]
break_retry = "windows"
memory_limit = 1024
log_level = "debug"
encryption = "required"
[[share]]
name = "new"
path = "/srv/new"
)",
                            "braid.toml");
  ASSERT_TRUE(started && wanted);
  EXPECT_EQ(waiting_keys((*started)->server, (*wanted)->server),
            (std::vector<std::string_view>{"listen", "state_dir", "name", "workers", "threads",
                                           "keytab", "min_uid", "interfaces", "break_retry"}));
  const Snapshot taken = until_restart((*started)->server, **wanted);
  EXPECT_TRUE(waiting_keys((*started)->server, taken->server).empty());
  EXPECT_EQ(taken->server.workers, 2u);
  EXPECT_EQ(taken->server.min_uid, 5u);
  EXPECT_EQ(taken->server.state_dir, "/var/lib/braid");
  EXPECT_EQ(taken->server.memory_limit_mib, 1024u);
  EXPECT_EQ(taken->server.log_level, LogLevel::kDebug);
  EXPECT_EQ(taken->server.encryption, Encryption::kRequired);
  ASSERT_TRUE(taken->find_share("new"));
}

TEST(Restart, KeysThatWaitAreMarkedInTheDocuments) {
  const std::string text = describe_keys();
  const size_t start = text.find("  state_dir: ");
  ASSERT_NE(start, text.npos);
  EXPECT_TRUE(
      text.substr(start, text.find("  name: ") - start).contains("A change waits for a restart."));
  EXPECT_FALSE(text.substr(text.find("  log_level: ")).contains("A change waits"));
  EXPECT_TRUE(keys_as_json().contains("\"restart\": true"));
}

TEST(Config, CompressionNamesEachAlgorithmOnce) {
  const auto off = parse("[server]\ncompression = []", "braid.toml");
  ASSERT_TRUE(off);
  EXPECT_TRUE((*off)->server.compression.empty());
  EXPECT_FALSE(parse("[server]\ncompression = [\"lz4\", \"lz4\"]", "braid.toml"));
  EXPECT_FALSE(parse("[server]\ncompression = [\"zstd\"]", "braid.toml"));
  EXPECT_FALSE(parse("[server]\ncompression = \"lz4\"", "braid.toml"));
}

TEST(Config, MemoryLimitHasAPartForEachWorker) {
  EXPECT_EQ(
      complaints("[server]\nworkers = 4\nmemory_limit = 255"),
      std::vector<std::string>{"braid.toml:3: memory_limit = 255 is too little for 4 workers; "
                               "give 64 MiB for each, or lower workers"});
  EXPECT_TRUE(parse("[server]\nworkers = 4\nmemory_limit = 256", "braid.toml"));
  EXPECT_TRUE(parse("[server]\nworkers = 4\nmemory_limit = 0", "braid.toml"));
}

// As they are shown, and were before anything made them up of the members.
TEST(ConfigKeys, DefaultsThatAreShownAreWhatIsParsed) {
  std::string text = "[server]\n";
  for (const auto& key : server_keys()) {
    text += std::string(key.name) + " = " + key.default_text() + "\n";
  }
  text += "[[share]]\nname = \"a\"\npath = \"/\"\n";
  for (const auto& key : share_keys()) {
    if (key.shown) text += std::string(key.name) + " = " + key.default_text() + "\n";
  }
  const auto given = parse(text, "braid.toml");
  ASSERT_TRUE(given) << given.error().front().text();
  const Server& server = (*given)->server;
  for (const auto& key : server_keys()) {
    if (key.name != "name") EXPECT_EQ(key.shown(server), key.default_text()) << key.name;
  }
  for (const auto& key : share_keys()) {
    if (key.shown) EXPECT_EQ(key.shown((*given)->shares[0]), key.default_text()) << key.name;
  }
  EXPECT_THAT(describe_keys(), testing::HasSubstr(R"(Default: ["0.0.0.0:445", "[::]:445"])"));
}

TEST(ConfigKeys, ValuesAreShownAsTheyAreGiven) {
  const auto given = parse(
      "[server]\nlisten = [\"[::1]:1\"]\nmin_uid = 7\n"
      "interfaces = [\"eth0;speed=10;no-rss\", \"10.0.2.2;movable\"]\n"
      "[[share]]\nname = \"a\"\npath = \"/\"\ncreate_mask = \"0660\"\n",
      "braid.toml");
  ASSERT_TRUE(given) << given.error().front().text();
  const auto shown_by = [](auto keys, const auto& section, std::string_view name) {
    return std::ranges::find(keys, name, [](const auto& key) { return key.name; })->shown(section);
  };
  const Server& server = (*given)->server;
  EXPECT_EQ(shown_by(server_keys(), server, "listen"), R"(["[::1]:1"])");
  EXPECT_EQ(shown_by(server_keys(), server, "min_uid"), "7");
  EXPECT_EQ(shown_by(server_keys(), server, "interfaces"),
            R"(["eth0;speed=10;no-rss", "10.0.2.2;movable"])");
  EXPECT_EQ(shown_by(share_keys(), (*given)->shares[0], "create_mask"), R"("0660")");
}

TEST(Config, PermissionsAreOctalTexts) {
  const auto share = [](std::string_view mask) {
    return fmt::format("[[share]]\nname = \"a\"\npath = \"/\"\ncreate_mask = {}\n", mask);
  };
  for (const char* mask : {"\"0777\"", "\"000\"", "\"664\""}) {
    EXPECT_THAT(complaints(share(mask)), IsEmpty()) << mask;
  }
  for (const char* mask : {"\"2775\"", "\"66\"", "\"0888\"", "\"u=rw\"", "664", "\"00664\""}) {
    EXPECT_THAT(complaints(share(mask)), ElementsAre(HasSubstr("create_mask = "))) << mask;
  }
}

TEST(Config, ForceGroupThatIsNotThereMakesTheShareAbsent) {
  const auto config =
      parse("[[share]]\nname = \"a\"\npath = \"/\"\nforce_group = \"no such\"\n", "braid.toml");
  ASSERT_TRUE(config);
  EXPECT_THAT(
      absent_shares(**config),
      ElementsAre("share 'a' is absent: force_group: there is no group 'no such'; correct it, or "
                  "make one with groupadd"));
}

TEST(Config, CompressionThatIsAskedForAndOffIsSaid) {
  const auto lines = [](std::string_view server, std::string_view compress) {
    const auto config = parse(
        fmt::format("[server]\n{}\n[[share]]\nname = \"a\"\npath = \"/\"\ncompress = \"{}\"\n",
                    server, compress),
        "braid.toml");
    EXPECT_TRUE(config);
    return without_effect(**config);
  };
  EXPECT_THAT(
      lines("compression = []", "always"),
      ElementsAre("share 'a': compress = \"always\" has no effect while compression = [] in "
                  "[server]; change one of them"));
  EXPECT_THAT(lines("compression = []", "asked"), IsEmpty());
  EXPECT_THAT(lines("", "always"), IsEmpty());
  EXPECT_THAT(lines("max_dialect = \"3.0.2\"", "always"),
              ElementsAre(HasSubstr("no effect while max_dialect in [server] is below \"3.1.1\"")));
  EXPECT_THAT(lines("max_dialect = \"3.0.2\"", "asked"), IsEmpty());
  EXPECT_THAT(lines("witness = true\nepm_port = 0", "asked"),
              ElementsAre(HasSubstr("witness = true has no effect while epm_port = 0: ")));
  EXPECT_THAT(lines("epm_port = 0", "asked"), IsEmpty());
  EXPECT_THAT(lines("witness = true", "asked"), IsEmpty());
}

TEST(Config, TimeMachine) {
  const auto shared = [](std::string_view value) {
    return parse(
        fmt::format("[[share]]\nname = \"a\"\npath = \"/srv/a\"\ntime_machine = {}\n", value),
        "braid.toml");
  };
  EXPECT_EQ(shared("false").value()->shares[0].time_machine_gib, std::nullopt);
  EXPECT_EQ(shared("true").value()->shares[0].time_machine_gib, 0u);
  EXPECT_EQ(shared("1").value()->shares[0].time_machine_gib, 1u);
  EXPECT_EQ(shared("1048576").value()->shares[0].time_machine_gib, 1'048'576u);
  for (const char* bad : {"0", "-1", "1048577", "\"500G\"", "1.5", "[1]"}) {
    EXPECT_FALSE(shared(bad)) << bad;
  }
  const auto lines = [](std::string_view server, std::string_view share) {
    return without_effect(**parse(fmt::format("[server]\n{}\n[[share]]\nname = \"a\"\npath = "
                                              "\"/srv/a\"\ntime_machine = 500\n{}\n",
                                              server, share),
                                  "braid.toml"));
  };
  EXPECT_THAT(lines("", ""), IsEmpty());
  EXPECT_THAT(lines("discovery = false", ""),
              ElementsAre("share 'a': time_machine has no effect while discovery = false in "
                          "[server]; change one of them"));
  for (const char* other : {"browseable = false", "streams = false", "read_only = true"}) {
    EXPECT_THAT(lines("", other), ElementsAre(HasSubstr(other)));
  }
  EXPECT_THAT(lines("", "recycle = 7"),
              ElementsAre(HasSubstr("free 7 days later; leave recycle out")));
}

TEST(Config, SharesOfOneFolderThatDifferInLocalAccessAreSaid) {
  const auto lines = [](std::string_view path, std::string_view access) {
    const auto config =
        parse(fmt::format("[[share]]\nname = \"a\"\npath = \"/srv/a\"\n\n[[share]]\nname = "
                          "\"b\"\npath = \"{}\"\nlocal_access = \"{}\"\n",
                          path, access),
              "braid.toml");
    EXPECT_TRUE(config);
    return without_effect(**config);
  };
  EXPECT_THAT(lines("/srv/./a/", "none"),
              ElementsAre(HasSubstr("shares 'a' and 'b' serve the same folder /srv/./a/ and differ "
                                    "in local_access, ")));
  EXPECT_THAT(lines("/srv/a", "notify"), IsEmpty());
  EXPECT_THAT(lines("/srv/ab", "none"), IsEmpty());
}

TEST(Salvage, TakesTheKeysThatAreGood) {
  const auto state_of = [](std::string_view text) {
    return salvage(text, "braid.toml")->server.state_dir;
  };
  EXPECT_EQ(state_of("[server]\nworkers = 1000\nstate_dir = \"/s\"\nfrob = 1\n"), "/s");
  EXPECT_EQ(state_of("[server]\nworkers = \n  state_dir = \"/s\" # here\n[[share\n"), "/s");
  EXPECT_EQ(state_of("[server]\n# state_dir = \"/s\"\nworkers ="), Server{}.state_dir);
  EXPECT_EQ(state_of("[server]\nstate_dir = \"s\"\n"), Server{}.state_dir);
  EXPECT_EQ(state_of("[server]\nstate_dir = \"/s\n"), Server{}.state_dir);
  EXPECT_EQ(state_of(""), Server{}.state_dir);
  EXPECT_FALSE(salvage("=", "braid.toml")->server.name.empty());
}

TEST(Config, AnotherTextHasAnotherId) {
  const auto id = [](std::string_view text) { return (*parse(text, "braid.toml"))->text_id; };
  EXPECT_EQ(id("[server]\nworkers = 2\n"), id("[server]\nworkers = 2\n"));
  EXPECT_NE(id("[server]\nworkers = 2\n"), id("[server]\nworkers = 3\n"));
}

TEST(Config, StateInTheFolderOfAShareIsNoPlaceForPasswords) {
  const auto problem_of = [](std::string_view state, std::string_view path) {
    const auto config = parse(fmt::format("[server]\nstate_dir = \"{}\"\n[[share]]\nname = \"a\"\n"
                                          "path = \"{}\"\n",
                                          state, path),
                              "braid.toml");
    EXPECT_TRUE(config);
    const auto problem = state_in_share(**config);
    return problem ? problem->text() : "";
  };
  EXPECT_EQ(
      problem_of("/home/al/.braid", "/home/al"),
      "braid.toml: state_dir /home/al/.braid is in the folder of share 'a', whose clients would "
      "read the accounts' passwords; give state_dir a place outside");
  EXPECT_NE(problem_of("/home/al", "/home/al"), "");
  EXPECT_NE(problem_of("/home/al/x/../.braid", "/home//al/"), "");
  EXPECT_NE(problem_of("/var/lib/braid", "/"), "");
  EXPECT_EQ(problem_of("/home/alice", "/home/al"), "");
  EXPECT_EQ(problem_of("/home", "/home/al"), "");
}

TEST(Config, AuditInTheFolderOfAShareIsRefused) {
  const auto problems_of = [](std::string_view audit, std::string_view path) {
    const auto config = parse(fmt::format("[server]\naudit = \"{}\"\n[[share]]\nname = \"a\"\n"
                                          "path = \"{}\"\n",
                                          audit, path),
                              "braid.toml", Checks::kTextAndPaths);
    return config ? "" : config.error().front().text();
  };
  EXPECT_EQ(problems_of("/srv/data/audit.json", "/srv/data"),
            "braid.toml: audit /srv/data/audit.json is in the folder of share 'a', whose clients "
            "could change it; give audit a place outside");
  EXPECT_NE(problems_of("/srv/data/../data/log/audit.json", "/srv/data"), "");
  EXPECT_NE(problems_of("/home/alice/audit.json", "/home/%U"), "");
  EXPECT_NE(problems_of("/srv/audit.json", "/srv//"), "");
  EXPECT_EQ(problems_of("/srv/database/audit.json", "/srv/data"), "");
  EXPECT_EQ(problems_of("/srv/audit.json", "/srv/data"), "");
  EXPECT_EQ(problems_of("journal", "/srv"), "");
}

// By the folders that are there, however they are spelled.
TEST(Config, FolderWithPersistentHandlesIsServedByOneShare) {
  const Folder folder;
  const std::string& path = folder.path();
  std::filesystem::create_directories(path + "/outer/inner");
  std::filesystem::create_directories(path + "/outer2");
  std::filesystem::create_directory_symlink("outer/inner", path + "/link");
  const auto problem_of = [&](const std::string& first, const std::string& second) {
    const auto lines = complaints(fmt::format("[[share]]\nname = \"a\"\npath = "
                                              "\"{0}/{1}\"\ncontinuous_availability = true\n"
                                              "[[share]]\nname = \"b\"\npath = \"{0}/{2}\"\n",
                                              path, first, second),
                                  Checks::kTextAndPaths);
    return lines.empty() ? std::string() : lines.at(0);
  };
  EXPECT_EQ(problem_of("outer", "outer/"),
            fmt::format("braid.toml: share 'a' has continuous_availability, and its folder "
                        "{0}/outer is the same folder as {0}/outer/ of share 'b', through which "
                        "files would change that it has promised to keep; serve them apart, or "
                        "leave it out",
                        path));
  EXPECT_THAT(problem_of("outer", "link"), HasSubstr("has in it"));
  EXPECT_THAT(problem_of("link", "outer"), HasSubstr("lies in"));
  EXPECT_THAT(problem_of("link", "outer/inner"), HasSubstr("is the same folder as"));
  EXPECT_EQ(problem_of("outer", "outer2"), "");
  EXPECT_EQ(problem_of("outer", "gone"), "");
}

TEST(Config, AnAuditThatCannotBeWrittenIsSaid) {
  const Folder folder;
  const std::string path = folder.path();
  const auto said = [&](const std::string& target) {
    const auto config = parse(fmt::format("[server]\naudit = \"{}\"\n", target), "braid.toml");
    const auto lines = absent_shares(**config);
    EXPECT_LE(lines.size(), 1u);
    return lines.empty() ? "" : lines[0].substr(fmt::format("audit {}: ", target).size());
  };
  EXPECT_EQ(said(path + "/new.json"), "");
  const std::string file = folder.file("good.json", "");
  ::chmod(file.c_str(), 0600);
  EXPECT_EQ(said(file), "");
  ::chmod(file.c_str(), 0640);  // for who reads logs
  EXPECT_EQ(said(file), "");
  for (const mode_t mode : {0660, 0604, 0602}) {
    ::chmod(file.c_str(), mode);
    EXPECT_THAT(said(file), HasSubstr("chmod 600 it")) << mode;
  }
  EXPECT_EQ(said(path + "/none/a.json"),
            fmt::format("its folder {}/none: No such file or directory; make it, or correct the "
                        "path",
                        path));
  EXPECT_THAT(said(file + "/a.json"), HasSubstr("is not a directory; correct"));
  ::symlink(file.c_str(), (path + "/link").c_str());
  EXPECT_THAT(said(path + "/link"), StartsWith("is a symbolic link"));
  ::symlink("gone", (path + "/dangling").c_str());
  EXPECT_THAT(said(path + "/dangling"), StartsWith("is a symbolic link"));
  ::mkfifo((path + "/pipe").c_str(), 0600);
  EXPECT_THAT(said(path + "/pipe"), StartsWith("is no plain file"));
  ::mkdir((path + "/folder").c_str(), 0700);
  EXPECT_EQ(said(path + "/folder"), "is a directory; give a file in it");
  const bool has_journal = ::access(kJournalSocket, F_OK) == 0;
  EXPECT_EQ(said("journal").empty(), has_journal);
}

TEST(Config, PersistentHandlesNeedTheTimeOfBirth) {
  const auto config = parse(
      "[[share]]\nname = \"a\"\npath = "
      "\"/proc\"\ncontinuous_availability = true\n",
      "braid.toml");
  ASSERT_TRUE(config);
  EXPECT_THAT(absent_shares(**config),
              ElementsAre(StartsWith("share 'a' is absent: /proc: its file system does not keep")));
}

TEST(ConfigKeys, FewerThanSixtyAndEachDocumented) {
  EXPECT_LT(server_keys().size() + share_keys().size(), 60u);
  for (const auto& key : server_keys()) EXPECT_TRUE(key.doc.ends_with('.')) << key.name;
  for (const auto& key : share_keys()) EXPECT_TRUE(key.doc.ends_with('.')) << key.name;
  EXPECT_THAT(describe_keys(), HasSubstr("  signing: \"required\" or \"enabled\"\n"));
  EXPECT_THAT(keys_as_json(), HasSubstr("\"section\": \"share\", \"key\": \"read_only\""));
}

TEST(Config, PortsOfWitnessDifferFromEachOtherAndFromThoseOfListen) {
  const std::string on = "[server]\nwitness = true\n";
  EXPECT_TRUE(complaints(on).empty());
  EXPECT_THAT(complaints(on + "witness_port = 135\n"),
              ElementsAre("braid.toml:3: witness_port and epm_port are both 135; change one of "
                          "them"));
  EXPECT_THAT(complaints(on + "epm_port = 445\n"),
              ElementsAre("braid.toml:3: epm_port = 445 is a port of listen; change one of them"));
  EXPECT_TRUE(complaints(on + "epm_port = 0\nwitness_port = 0\n").empty());
  EXPECT_TRUE(complaints("[server]\nwitness_port = 135\n").empty());
}

TEST(Config, RdmaTakesWholeBlocksOfMemory) {
  const std::string on = "[server]\nrdma = true\n";
  EXPECT_TRUE(complaints(on).empty());
  EXPECT_TRUE(complaints(on + "workers = 2\n").empty());
  EXPECT_THAT(complaints(on + "rdma_memory = 36\n"),
              ElementsAre("braid.toml:3: rdma_memory = 36 is no multiple of 8; give 32 or 40"));
  EXPECT_TRUE(complaints(on + "rdma_memory = 40\nrdma_port = 0\n").empty());
}

}  // namespace
}  // namespace braid::config
