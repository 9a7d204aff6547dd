#include "config/from_samba.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "config/config.h"

namespace braid::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Samba : public testing::Test {
 protected:
  // What `text` becomes, which is always something that can be read.
  const Config& made_of(std::string_view text) {
    made_ = from_samba(parse_smb_conf(text, "smb.conf", [this](const std::string& file) {
      const auto found = files_.find(file);
      using Text = std::expected<std::string, std::string>;
      return found == files_.end() ? Text(std::unexpected("No such file")) : Text(found->second);
    }));
    auto parsed = parse(made_.text, "braid.toml");
    EXPECT_TRUE(parsed) << made_.text << parsed.error().front().text();
    config_ = *parsed;
    return *config_;
  }
  const Share& share_of(const std::string& lines) {
    const Config& config = made_of("[data]\npath = /srv/data\n" + lines);
    EXPECT_EQ(config.shares.size(), 1u) << made_.text;
    return config.shares.front();
  }
  std::vector<std::string> allow_of(const std::string& lines) {
    std::vector<std::string> rules;
    for (const AllowRule& rule : share_of(lines).allow) rules.push_back(text_of(rule));
    return rules;
  }
  void expect_left_out(const std::string& lines, const std::string& why) {
    EXPECT_TRUE(made_of("[data]\npath = /srv/data\n" + lines).shares.empty()) << lines;
    EXPECT_THAT(made_.left_out, ElementsAre("data"));
    EXPECT_THAT(made_.remarks, Contains(HasSubstr(why))) << lines;
  }

  std::map<std::string, std::string> files_;
  FromSamba made_;
  Snapshot config_;
};

TEST_F(Samba, LinesAreReadAsSambaDoes) {
  files_["more"] = "[More]\npath=/srv/more\n";
  const SmbConf conf = parse_smb_conf(
      "; nothing\n# nor this\nWork Group = X\n[Data]\n  path = /srv/\\\n  data\n\ninclude = more\n"
      "[DATA]\nREAD ONLY=no\npath=/srv/other\n",
      "smb.conf", [this](const std::string& file) { return files_.at(file); });
  ASSERT_EQ(conf.sections.size(), 3u);
  EXPECT_EQ(conf.find("GLOBAL")->find("workgroup")->value, "X");
  const SmbSection& data = *conf.find("data");
  EXPECT_EQ(data.lines.front().value, "/srv/data");
  EXPECT_EQ(data.lines.front().place(), "smb.conf:5");
  EXPECT_EQ(data.find("path")->value, "/srv/other") << "the last one counts";
  EXPECT_EQ(data.find("readonly")->value, "no");
  EXPECT_TRUE(conf.problems.empty());
  EXPECT_THAT(smb_list("a, \"b c\"; @d\t"), ElementsAre("a", "b c", "@d"));
  EXPECT_EQ(smb_bool("YES"), true);
  EXPECT_EQ(smb_bool("maybe"), std::nullopt);
}

TEST_F(Samba, LinesBehindADamagedSectionAreNobodys) {
  const SmbConf conf = parse_smb_conf(
      "[public]\nguest ok = yes\npath = /srv/public\n[private\npath = /srv/private\n[]\n"
      "path = /srv/other\n[data]\npath = /srv/data\n",
      "smb.conf", [this](const std::string& file) { return files_.at(file); });
  EXPECT_EQ(conf.find("public")->lines.size(), 2u);
  EXPECT_EQ(conf.find("public")->find("path")->value, "/srv/public");
  EXPECT_EQ(conf.find("data")->find("path")->value, "/srv/data");
  EXPECT_EQ(conf.problems.size(), 2u);
}

TEST_F(Samba, WhatIsReadOnlyWhereNothingIsSaid) {
  EXPECT_TRUE(share_of("").read_only);
  EXPECT_FALSE(share_of("read only = no\n").read_only);
  EXPECT_FALSE(share_of("writeable = yes\n").read_only);
  EXPECT_FALSE(share_of("[global]\nwrite ok = yes\n").read_only);
  EXPECT_TRUE(share_of("read only = yes\n[global]\nwritable = yes\n").read_only);
}

TEST_F(Samba, ListsOfUsersBecomeOne) {
  EXPECT_THAT(allow_of("read only = no\nvalid users = alice @staff +team\nread list = alice\n"),
              ElementsAre("alice:ro", "@staff", "@team"));
  EXPECT_THAT(allow_of("valid users = alice, @staff\nwrite list = alice\n"),
              ElementsAre("alice", "@staff:ro"));
  EXPECT_FALSE(config_->shares.front().read_only) << "allow says it";
  EXPECT_THAT(allow_of("read only = no\nvalid users = @staff\nread list = bob\n"),
              ElementsAre("@staff", "bob:ro"));
  EXPECT_THAT(allow_of("read only = no\nvalid users = alice bob\ninvalid users = root bob\n"),
              ElementsAre("alice"));
}

TEST_F(Samba, NobodyGetsInWhoDidNot) {
  expect_left_out("invalid users = mallory\n", "name in allow who may come");
  expect_left_out("valid users = %U\n", "%U cannot be said here");
  expect_left_out("valid users = alice S-1-5-21-1-2-3-4\n", "cannot be said here");
  expect_left_out("read only = no\nread list = bob\n", "read list without valid users");
  expect_left_out("hosts deny = 192.0.2.7\n", "hosts who may come");
  expect_left_out("copy = other\n", "write the keys of that share");
  expect_left_out("path = /srv/%m\n", "%U is the only variable");
  expect_left_out("path = relative\n", "does not begin with /");
  EXPECT_TRUE(share_of("write list = bob\n").read_only);
  EXPECT_TRUE(config_->shares.front().allow.empty());
}

TEST_F(Samba, Hosts) {
  const auto hosts = [&](const std::string& lines) {
    std::vector<std::string> rules;
    for (const HostRule& rule : share_of(lines).hosts) rules.push_back(text_of(rule));
    return rules;
  };
  EXPECT_THAT(
      hosts("hosts allow = 192.0.2. 10. 127.0.0.1 2001:db8::/32 198.51.100.0/255.255.255.0\n"
            "hosts deny = ALL\n"),
      ElementsAre("192.0.2.0/24", "10.0.0.0/8", "127.0.0.1", "2001:db8::/32", "198.51.100.0/24"));
  EXPECT_THAT(hosts("allow hosts = example.org\n"), ElementsAre("127.0.0.1"));
  EXPECT_THAT(hosts("allow hosts = ALL EXCEPT 192.0.2.1\n"), ElementsAre("127.0.0.1"));
  EXPECT_TRUE(hosts("allow hosts = ALL\n").empty());
}

TEST_F(Samba, LocksOfLocalPrograms) {
  EXPECT_FALSE(share_of("").local_locks);
  EXPECT_TRUE(share_of("posix locking = yes\n").local_locks);
  EXPECT_FALSE(share_of("posix locking = no\n").local_locks);
  const Share& guarded = share_of("posix locking = yes\nkernel oplocks = yes\n");
  EXPECT_FALSE(guarded.local_locks) << "it says nothing more";
  EXPECT_EQ(guarded.local_access, LocalAccess::kStrict);
}

TEST_F(Samba, TheOtherKeysOfAShare) {
  const Share& share = share_of(
      "comment = \"quoted\"\nforce user = www\nforce group = +team\ncreate mode = 0664\n"
      "directory mask = 2775\nbrowsable = no\nmax connections = 5\nhide dot files = no\n"
      "hide files = /desktop.ini/*.tmp/\nveto files = /*.exe/Thumbs.db/\nhide unreadable = yes\n"
      "smb encrypt = mandatory\nkernel oplocks = yes\nfollow symlinks = no\n"
      "vfs objects = acl_xattr recycle shadow_copy2 fruit odd\nshadow:snapdir = .zfs/snapshot\n"
      "recycle:keeptree = yes\nwide links = yes\nforce create mode = 0660\nunheard of = 1\n"
      "map archive = no\nserver multi channel support = yes\nstrict sync = yes\n"
      "smb3 share cap:SCALE OUT = yes\n");
  EXPECT_EQ(share.force_user, "www");
  EXPECT_EQ(share.force_group, "team");
  EXPECT_EQ(share.create_mask, 0664u);
  EXPECT_EQ(share.directory_mask, 0775u);
  EXPECT_FALSE(share.browseable);
  EXPECT_EQ(share.max_connections, 5u);
  EXPECT_THAT(share.hidden_names, ElementsAre("desktop.ini", "*.tmp"));
  EXPECT_THAT(share.veto_files, ElementsAre("*.exe", "Thumbs.db"));
  EXPECT_TRUE(share.hide_unreadable);
  EXPECT_TRUE(share.encrypt);
  EXPECT_EQ(share.local_access, LocalAccess::kStrict);
  EXPECT_EQ(share.follow_symlinks, FollowSymlinks::kNever);
  EXPECT_EQ(share.recycle_days, 30u);
  EXPECT_EQ(share.snapshots, ".zfs/snapshot");
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("wide links = yes: nothing outside")));
  EXPECT_THAT(made_.remarks,
              Contains(HasSubstr("smb.conf:21: force create mode = 0660: a default")));
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("unheard of = 1: has no counterpart here")));
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("the module odd has no counterpart")));
  EXPECT_THAT(made_.remarks, Not(Contains(HasSubstr("map archive"))));
  EXPECT_THAT(made_.remarks, Not(Contains(HasSubstr("multi channel"))));
  EXPECT_THAT(made_.remarks, Not(Contains(HasSubstr("strict sync"))));
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("SCALE OUT = yes: scale_out = true")));
  EXPECT_THAT(share_of("").hidden_names, ElementsAre(".*")) << "as Samba shows them";
  EXPECT_EQ(share_of("").follow_symlinks, FollowSymlinks::kInside);
}

TEST_F(Samba, TimeMachine) {
  const auto gib = [&](const std::string& lines) { return share_of(lines).time_machine_gib; };
  EXPECT_EQ(gib("vfs objects = fruit\n"), std::nullopt);
  EXPECT_EQ(gib("fruit:time machine = yes\n"), std::nullopt) << "without the module";
  EXPECT_EQ(gib("vfs objects = catia fruit streams_xattr\nfruit:time machine = yes\n"), 0u);
  for (const auto& [size, expected] :
       {std::pair("500G", 500u), std::pair("2 T", 2'048u), std::pair("0", 0u),
        std::pair("512M", 0u), std::pair("many", 0u), std::pair("9999999T", 0u)}) {
    EXPECT_EQ(gib("vfs objects = fruit\nfruit:time machine = yes\nfruit:time machine max size = " +
                  std::string(size) + "\nfruit:model = MacPro\n"),
              expected)
        << size;
  }
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("no number of GiB up to 1048576")));
  EXPECT_THAT(made_.remarks, Not(Contains(HasSubstr("fruit:model"))));
}

TEST_F(Samba, Homes) {
  const Config& config = made_of("[homes]\nread only = no\nvalid users = %S\nbrowseable = no\n");
  ASSERT_EQ(config.shares.size(), 1u);
  EXPECT_EQ(config.shares.front().path, "/home/%U");
  EXPECT_TRUE(config.shares.front().allow.empty());
  EXPECT_EQ(made_of("[homes]\npath = /srv/%S/files\n").shares.front().path, "/srv/%U/files");
  EXPECT_EQ(made_of("[mine]\npath = /srv/%u\n").shares.front().path, "/srv/%U");
}

TEST_F(Samba, Guests) {
  const Config& config = made_of("[pub]\npath = /srv/pub\npublic = yes\nread only = no\n");
  EXPECT_TRUE(config.shares.front().guest);
  EXPECT_EQ(config.server.signing, Signing::kEnabled);
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("signing = \"enabled\" in [server]")));
  EXPECT_THAT(allow_of("guest ok = yes\nvalid users = alice\n"),
              ElementsAre("alice:ro", "guest:ro"));
  EXPECT_FALSE(share_of("guest ok = yes\nsmb encrypt = required\n").guest);
}

TEST_F(Samba, TheServer) {
  const Config& config = made_of(
      "[global]\nnetbios name = FILES\nserver min protocol = SMB2\nmax protocol = SMB3\n"
      "smb encrypt = desired\ndedicated keytab file = FILE:/etc/krb5.keytab\n"
      "workgroup = X\nadd user script = /bin/x\nrealm = EXAMPLE.ORG\n[print$]\npath = /p\n"
      "[lp]\nprintable = yes\npath=/s\n[off]\navailable = no\npath = /o\n");
  EXPECT_EQ(config.server.name, "FILES");
  EXPECT_EQ(config.server.min_dialect, Dialect::k2_0_2);
  EXPECT_EQ(config.server.max_dialect, Dialect::k3_1_1);
  EXPECT_EQ(config.server.encryption, Encryption::kDesired);
  EXPECT_EQ(config.server.keytab, "/etc/krb5.keytab");
  EXPECT_THAT(made_.left_out, ElementsAre("print$", "lp", "off"));
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("the server runs no programs")));
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("realm = EXAMPLE.ORG: keytab in [server]")));
  made_of("[global]\nmin protocol = NT1\n");
  EXPECT_THAT(made_.remarks, Contains(HasSubstr("there is no SMB 1")));
}

TEST_F(Samba, NoNameOfAShareNorAValueBreaksTheText) {
  EXPECT_TRUE(made_of("[a\"b]\npath = /srv\n").shares.empty());
  EXPECT_TRUE(made_of("[ok]\npath = /srv\ncomment = \x01\n").shares.empty());
  EXPECT_EQ(made_of("[ok]\npath = /s\"r\\v\ncomment = a\"b\\c\n").shares.front().comment,
            "a\"b\\c");
}

}  // namespace
}  // namespace braid::config
