#include "smb2/security/descriptor_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <latch>
#include <string>
#include <thread>
#include <utility>

#include "smb2/security/evaluate.h"
#include "smb2/security/inherit.h"
#include "smb2/security/new_mode.h"
#include "smb2/security/unix_mapping.h"
#include "vfs/fault/fault_volume.h"
#include "vfs/memory/memory_volume.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::allow;
using Tag = PosixAcl::Tag;

const auth::IdMapper kIds(wire::Sid(5, {21, 1, 2, 3}), "SERVER");

vfs::Attributes of_mode(uint32_t mode, vfs::Kind kind = vfs::Kind::kFile) {
  vfs::Attributes attributes;
  attributes.kind = kind;
  attributes.mode = mode;
  attributes.uid = 1000;
  attributes.gid = 100;
  return attributes;
}

uint32_t rights(uint32_t mode, uid_t uid, std::vector<gid_t> gids,
                vfs::Kind kind = vfs::Kind::kFile) {
  const auto attributes = of_mode(mode, kind);
  const auto descriptor = descriptor_of_unix(attributes, PosixAcl::of_mode(mode), {}, kIds);
  std::vector<wire::Sid> groups{wire::sids::kEveryone};
  for (const gid_t gid : gids) groups.push_back(kIds.sid_of_gid(gid));
  return granted_by(descriptor, {.user = kIds.sid_of_uid(uid), .groups = groups});
}

TEST(UnixMapping, TheOwnerOfAReadWriteFileHasFullControl) {
  EXPECT_EQ(rights(0644, 1000, {100}), Access::kFileAllAccess);
}

TEST(UnixMapping, ClassesGrantWhatTheirBitsSay) {
  EXPECT_TRUE(rights(0640, 1001, {100}) & Access::kFileReadData);
  EXPECT_FALSE(rights(0640, 1001, {100}) & Access::kFileWriteData);
  EXPECT_FALSE(rights(0640, 1001, {101}) & Access::kFileReadData);
  EXPECT_TRUE(rights(0640, 1001, {101}) & Access::kFileReadAttributes);
}

TEST(UnixMapping, ALaterClassGivesAnEarlierOneNothing) {
  EXPECT_FALSE(rights(0066, 1000, {100}) & (Access::kFileReadData | Access::kFileWriteData));
  EXPECT_TRUE(rights(0066, 1000, {100}) & Access::kWriteDac);
  EXPECT_FALSE(rights(0606, 1001, {100}) & Access::kFileReadData);
  EXPECT_TRUE(rights(0606, 1001, {101}) & Access::kFileReadData);
}

TEST(UnixMapping, AWritableDirectoryLetsItsFilesBeDeletedUnlessSticky) {
  EXPECT_TRUE(rights(0777, 1001, {}, vfs::Kind::kDirectory) & Access::kFileDeleteChild);
  EXPECT_FALSE(rights(01777, 1001, {}, vfs::Kind::kDirectory) & Access::kFileDeleteChild);
}

// What a list passes on, as a new file or folder would have it.
wire::SecurityDescriptor inherited(const wire::SecurityDescriptor& directory) {
  return *new_descriptor(&directory, nullptr, false, kIds.sid_of_uid(1001), kIds.sid_of_gid(100));
}

uint32_t rights_in(const wire::SecurityDescriptor& descriptor, uid_t uid, std::vector<gid_t> gids) {
  std::vector<wire::Sid> groups{wire::sids::kEveryone};
  for (const gid_t gid : gids) groups.push_back(kIds.sid_of_gid(gid));
  return granted_by(descriptor, {.user = kIds.sid_of_uid(uid), .groups = groups});
}

// Who adds an entry to what is shown of a folder, and stores it, shuts nobody out of the own files.
TEST(UnixMapping, AFoldersListPassesOnWhatNewFilesWouldHave) {
  const auto passed_on = [](uint32_t mode, const PosixAcl& default_list) {
    return inherited(descriptor_of_unix(of_mode(mode, vfs::Kind::kDirectory),
                                        PosixAcl::of_mode(mode), default_list, kIds));
  };
  const auto plain = passed_on(0777, {});
  EXPECT_EQ(rights_in(plain, 1001, {}), Access::kFileAllAccess);
  EXPECT_FALSE(rights_in(plain, 1002, {100}) & Access::kFileWriteData);
  EXPECT_TRUE(rights_in(plain, 1002, {}) & Access::kFileReadData);
  const auto of_group = passed_on(02770, {});
  EXPECT_EQ(rights_in(of_group, 1001, {100}), Access::kFileAllAccess);
  EXPECT_TRUE(rights_in(of_group, 1002, {100}) & Access::kFileWriteData);
  EXPECT_FALSE(rights_in(of_group, 1003, {}) & Access::kFileReadData);
  const auto listed = passed_on(0700, {{{Tag::kOwner, 7, 0},
                                        {Tag::kGroup, 0, 0},
                                        {Tag::kNamedGroup, 7, 300},
                                        {Tag::kMask, 7, 0},
                                        {Tag::kOther, 0, 0}}});
  EXPECT_TRUE(rights_in(listed, 1002, {300}) & Access::kFileWriteData);
  EXPECT_FALSE(rights_in(listed, 1002, {100}) & Access::kFileReadData);
}

TEST(NewMode, AnAccessListDecidesElseTheMask) {
  Share share;
  FileSecurity directory;
  directory.attributes = of_mode(0755, vfs::Kind::kDirectory);
  EXPECT_EQ(new_mode(share, directory, false), 0644u);
  EXPECT_EQ(new_mode(share, directory, true), 0755u);
  directory.attributes.mode = 02770;
  EXPECT_EQ(new_mode(share, directory, false), 0664u);
  EXPECT_EQ(new_mode(share, directory, true), 0775u);
  share.create_mask = 0060;
  share.directory_mask = 0007;
  EXPECT_EQ(new_mode(share, directory, false), 0660u);
  EXPECT_EQ(new_mode(share, directory, true), 0707u);
  directory.default_list = PosixAcl::of_mode(0700);
  EXPECT_EQ(new_mode(share, directory, false), 0666u);
  EXPECT_EQ(new_mode(share, directory, true), 0777u);
}

TEST(UnixMapping, NamedUsersAndGroupsBecomeEntries) {
  wire::SecurityDescriptor descriptor;
  descriptor.owner = kIds.sid_of_uid(1000);
  descriptor.group = kIds.sid_of_gid(100);
  descriptor.dacl = wire::Acl{.aces = {allow(kIds.sid_of_uid(4000001), Access::kFileGenericRead),
                                       allow(kIds.sid_of_gid(4000002), Access::kFileGenericWrite),
                                       allow(kIds.sid_of_uid(1000), Access::kFileAllAccess)}};
  const auto attributes = of_mode(0644);
  const PosixAcl made = unix_of_descriptor(descriptor, attributes, PosixAcl::of_mode(0644), kIds);
  EXPECT_EQ(made, (PosixAcl{{{Tag::kOwner, 6, 0},
                             {Tag::kUser, 4, 4000001},
                             {Tag::kGroup, 0, 0},
                             {Tag::kNamedGroup, 2, 4000002},
                             {Tag::kMask, 6, 0},
                             {Tag::kOther, 0, 0}}}));
}

TEST(UnixMapping, AllAccessForEveryoneMakesADirectoryUsableByAll) {
  wire::SecurityDescriptor descriptor;
  descriptor.owner = kIds.sid_of_uid(1000);
  descriptor.dacl = wire::Acl{.aces = {allow(wire::sids::kEveryone, Access::kFileAllAccess)}};
  const auto attributes = of_mode(0700, vfs::Kind::kDirectory);
  EXPECT_EQ(unix_of_descriptor(descriptor, attributes, PosixAcl::of_mode(0700), kIds),
            PosixAcl::of_mode(0777));
}

// The server changes owner and group as itself: what the kernel would have refused is refused here.
TEST(DescriptorStore, OwnerAndGroupAreWhatTheUserMayGive) {
  const auto volume = vfs::make_memory_volume();
  const auto free = volume->lookup(server_credentials(), vfs::parse_path("f")->path).value();
  const auto creator = std::make_shared<const UnixCredentials>(UnixCredentials{1000, 100, {}});
  const auto file = volume->create(creator, std::get<vfs::Missing>(free), {}).value();
  DescriptorStore store(kIds, system_clock());
  const UnixCredentials alice{1000, 100, {100, 200}};
  const auto give = [&](const OwnerGiver& by, uid_t uid, gid_t gid) {
    wire::SecurityDescriptor descriptor;
    descriptor.owner = kIds.sid_of_uid(uid);
    descriptor.group = kIds.sid_of_gid(gid);
    const auto done = store.store(*file, descriptor, by);
    return done ? NtStatus::kSuccess : done.error().status();
  };
  EXPECT_EQ(give({alice}, 1000, 300), NtStatus::kInvalidPrimaryGroup);
  EXPECT_EQ(give({alice}, 1001, 100), NtStatus::kInvalidOwner);
  EXPECT_EQ(file->stat()->uid, 1000u);
  EXPECT_EQ(file->stat()->gid, 100u);
  EXPECT_EQ(give({alice}, 1000, 200), NtStatus::kSuccess);
  EXPECT_EQ(file->stat()->gid, 200u);
  EXPECT_EQ(give({alice, true}, 1001, 300), NtStatus::kSuccess);
  // A group that stays is nobody's gift, and an owner may be oneself.
  EXPECT_EQ(give({alice}, 1000, 300), NtStatus::kSuccess);
  EXPECT_EQ(file->stat()->uid, 1000u);
}

// Another worker's client may set it through an open that keeps the change time.
TEST(DescriptorStore, WhatWasChangedIsLookedAtAgainWhateverChangeTimeIsShown) {
  VirtualClock clock;
  const auto volume = vfs::make_memory_volume(clock);
  const auto free = volume->lookup(server_credentials(), vfs::parse_path("f")->path).value();
  const auto file = volume->create(server_credentials(), std::get<vfs::Missing>(free), {}).value();
  DescriptorStore store(kIds, clock);
  clock.advance(std::chrono::seconds(1));
  const vfs::Attributes before = file->stat().value();
  ASSERT_TRUE(store.load(*file, before));
  ASSERT_NE(store.cached(file->stat().value()), nullptr);
  ASSERT_TRUE(file->set_xattr("user.x", as_bytes("y")));
  ASSERT_TRUE(file->change({.change_time = before.change_time}));
  const vfs::Attributes now = file->stat().value();
  EXPECT_EQ(now.change_time, before.change_time);
  EXPECT_EQ(store.cached(now), nullptr);
}

// Of files in a real folder: by name, as a CREATE has it, where the attributes there are are asked
// for at once, it is what one by one they say.
TEST(DescriptorStore, WhatAFileHasIsFoundByNameAsByTheFile) {
  std::string name = "/tmp/descriptor_store_test.XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  {
    const auto volume = vfs::open_posix_volume(name).value();
    const Credentials& who = server_credentials();
    const auto make = [&](std::string_view path, bool directory) {
      const auto free = volume->lookup(who, vfs::parse_path(path)->path).value();
      return volume->create(who, std::get<vfs::Missing>(free), {.directory = directory}).value();
    };
    const auto look = [&](std::string_view path) {
      const auto found = volume->find(who, vfs::parse_path(path)->path).value();
      DescriptorStore by_name(kIds, system_clock()), by_file(kIds, system_clock());
      const auto file = volume->open(who, found, {}).value();
      auto one = by_name.load(*volume, who, found).value();
      const auto other = by_file.load(*file, found.attributes).value();
      EXPECT_EQ(one->descriptor, other->descriptor) << path;
      EXPECT_EQ(one->is_stored, other->is_stored) << path;
      EXPECT_EQ(one->access, other->access) << path;
      EXPECT_EQ(one->default_list, other->default_list) << path;
      return one;
    };
    make("plain", false);
    EXPECT_FALSE(look("plain")->is_stored);

    // Folders whose list is for what is made in them, and nothing else.
    const auto folder = make("folder", true);
    PosixAcl list = PosixAcl::of_mode(0770);
    if (folder->set_xattr(kPosixAclDefault, list.encode(), vfs::Actor::kServer)) {
      EXPECT_EQ(look("folder")->default_list, list);
    }
    const auto stored = make("stored", false);
    wire::SecurityDescriptor descriptor;
    descriptor.dacl.emplace().aces = {allow(kIds.sid_of_uid(1001), Access::kFileAppendData)};
    ASSERT_TRUE(DescriptorStore(kIds, system_clock()).store(*stored, descriptor, {*who, true}));
    EXPECT_TRUE(look("stored")->is_stored);
    EXPECT_EQ(look("stored")->descriptor.dacl, descriptor.dacl);
  }
  std::filesystem::remove_all(name);
}

// A disk without room for the descriptor: owner and mode are what they were.
TEST(DescriptorStore, WhatCannotBeWrittenDownChangesNothing) {
  const auto plan = vfs::make_fault_plan();
  const auto volume = vfs::make_fault_volume(vfs::make_memory_volume(), plan);
  const auto free = volume->lookup(server_credentials(), vfs::parse_path("f")->path).value();
  const auto creator = std::make_shared<const UnixCredentials>(UnixCredentials{1000, 100, {}});
  const auto file = volume->create(creator, std::get<vfs::Missing>(free), {.mode = 0640}).value();
  DescriptorStore store(kIds, system_clock());
  wire::SecurityDescriptor descriptor;
  descriptor.owner = kIds.sid_of_uid(1001);
  descriptor.dacl.emplace().aces = {allow(wire::sids::kEveryone, Access::kFileAllAccess)};
  plan->fail_operation("set_xattr", ENOSPC);
  const auto done = store.store(*file, descriptor, {{1000, 100, {}}, true});
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().is_os(ENOSPC));
  plan->clear();
  EXPECT_EQ(file->stat()->uid, 1000u);
  EXPECT_EQ(file->stat()->mode & 07777, 0640u);
}

// Owner, list and descriptor change together or not at all, whichever step fails.
TEST(DescriptorStore, WhatIsRefusedHalfWayChangesNothing) {
  const OwnerGiver giver{{1000, 100, {}}, true};
  wire::SecurityDescriptor first, second;
  first.owner = kIds.sid_of_uid(1000);
  first.group = kIds.sid_of_gid(100);
  first.dacl.emplace().aces = {allow(kIds.sid_of_uid(1000), Access::kFileAllAccess)};
  second.owner = kIds.sid_of_uid(1001);
  second.group = kIds.sid_of_gid(200);
  second.dacl.emplace().aces = {allow(wire::sids::kEveryone, Access::kFileAllAccess)};
  size_t refused = 0;
  for (uint64_t nth = 1; nth <= 30; ++nth) {
    const auto plan = vfs::make_fault_plan();
    const auto volume = vfs::make_fault_volume(vfs::make_memory_volume(), plan);
    const auto free = volume->lookup(server_credentials(), vfs::parse_path("f")->path).value();
    const auto creator = std::make_shared<const UnixCredentials>(UnixCredentials{1000, 100, {}});
    const auto file = volume->create(creator, std::get<vfs::Missing>(free), {.mode = 0640}).value();
    DescriptorStore store(kIds, system_clock());
    ASSERT_TRUE(store.store(*file, first, giver));
    const Bytes list = file->get_xattr(kPosixAclAccess, vfs::Actor::kServer).value();
    plan->fail_call(nth, ENOSPC);
    const auto done = store.store(*file, second, giver);
    plan->clear();
    if (done) continue;
    refused++;
    const auto now = file->stat().value();
    EXPECT_EQ(now.uid, 1000u) << nth;
    EXPECT_EQ(now.gid, 100u) << nth;
    EXPECT_EQ(file->get_xattr(kPosixAclAccess, vfs::Actor::kServer).value(), list) << nth;
    const auto left = store.load(*file, now).value();
    EXPECT_TRUE(left->is_stored) << nth;
    EXPECT_EQ(left->descriptor.dacl, first.dacl) << nth;
  }
  EXPECT_GE(refused, 4u);
}

// A file in memory with a descriptor; `slow` reaches it through a volume that can be held.
struct Stored : testing::Test {
  void SetUp() override {
    first.owner = kIds.sid_of_uid(1000);
    first.group = kIds.sid_of_gid(100);
    // What no access list can say: bob appends only.
    first.dacl.emplace().aces = {allow(kIds.sid_of_uid(1000), Access::kFileAllAccess),
                                 allow(kIds.sid_of_uid(1001), Access::kFileAppendData)};
    second.owner = kIds.sid_of_uid(1001);
    second.group = kIds.sid_of_gid(200);
    second.dacl.emplace().aces = {allow(wire::sids::kEveryone, Access::kFileAllAccess),
                                  allow(kIds.sid_of_uid(1001), Access::kFileAppendData)};
    const auto free = memory->lookup(server_credentials(), vfs::parse_path("f")->path).value();
    const auto creator = std::make_shared<const UnixCredentials>(UnixCredentials{1000, 100, {}});
    file = memory->create(creator, std::get<vfs::Missing>(free), {.mode = 0640}).value();
    ASSERT_TRUE(DescriptorStore(kIds, system_clock()).store(*file, first, giver));
    slow = faulty->open(creator, faulty->find(creator, vfs::parse_path("f")->path).value(), {})
               .value();
  }
  void TearDown() override {
    plan->let_go();
    if (writer.joinable()) writer.join();
  }
  // Stores `second`, and stops before the call after `calls` of `operation`.
  void begin(std::string_view operation, uint64_t calls) {
    plan->hold_operation(operation);
    plan->let_pass(calls);
    writer = std::thread([this] {
      DescriptorStore store(kIds, system_clock());
      done = store.store(*slow, second, giver);
    });
    plan->await_held(1);
  }
  void finish() {
    plan->let_go();
    writer.join();
    EXPECT_TRUE(done);
  }
  FileSecurityRef look() {
    DescriptorStore store(kIds, system_clock());
    return store.load(*file, file->stat().value()).value();
  }
  NtAcl stored() {
    return NtAcl::decode(file->get_xattr(attribute, vfs::Actor::kServer).value()).value();
  }

  const UnixCredentials alice{1000, 100, {}};
  const OwnerGiver giver{alice, true};
  const std::string attribute{can_switch_identity() ? kNtAclName : kNtAclUserName};
  const std::shared_ptr<vfs::Volume> memory = vfs::make_memory_volume();
  const std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  const std::unique_ptr<vfs::Volume> faulty = vfs::make_fault_volume(memory, plan);
  wire::SecurityDescriptor first, second;
  std::unique_ptr<vfs::File> file, slow;
  std::thread writer;
  Result<void> done;
};

// Also what is left of it when the process is killed there.
TEST_F(Stored, EachMomentOfAChangeHasTheOldDescriptorOrTheNew) {
  // The attribute, owner and group, the access list, the attribute.
  const std::pair<std::string_view, uint64_t> moments[] = {
      {"set_xattr", 0}, {"change", 0}, {"set_xattr", 1}, {"set_xattr", 2}};
  for (const auto& [operation, calls] : moments) {
    ASSERT_TRUE(DescriptorStore(kIds, system_clock()).store(*file, first, giver));
    begin(operation, calls);
    const auto seen = look();
    EXPECT_TRUE(seen->is_stored) << operation << calls;
    EXPECT_TRUE(seen->descriptor.dacl == first.dacl || seen->descriptor.dacl == second.dacl)
        << operation << calls;
    finish();
    EXPECT_EQ(look()->descriptor.dacl, second.dacl);
    // As Samba writes and believes it: one hash, and nothing of the states on the way.
    EXPECT_EQ(stored().description, "posix_acl");
  }
}

TEST_F(Stored, AChmodKeepsWhatItDoesNotChange) {
  DescriptorStore store(kIds, system_clock());
  const uint32_t mode = file->stat()->mode & 07777;
  ASSERT_TRUE(store.change_unix(*file, {.mode = mode ^ 0100}));
  const auto now = store.load(*file, *file->stat());
  ASSERT_TRUE(now);
  EXPECT_EQ((*now)->attributes.mode & 07777, mode ^ 0100);
  EXPECT_TRUE((*now)->is_stored);
  const uint32_t bob = granted_by((*now)->effective, {.user = kIds.sid_of_uid(1001), .groups = {}});
  EXPECT_TRUE(bob & Access::kFileAppendData);
  EXPECT_FALSE(bob & Access::kFileWriteData);
}

TEST_F(Stored, WhatALocalChmodHasEndedDoesNotHoldAgainAfterAnother) {
  DescriptorStore store(kIds, system_clock());
  const uint32_t mode = file->stat()->mode & 07777;
  ASSERT_TRUE(file->change({.mode = mode ^ 0007}));
  ASSERT_TRUE(store.change_unix(*file, {.mode = mode}));
  EXPECT_EQ(file->stat()->mode & 07777, mode);
  EXPECT_FALSE(store.load(*file, *file->stat()).value()->is_stored);
}

TEST_F(Stored, WhatALocalProgramDoesMeanwhileCounts) {
  begin("set_xattr", 2);
  ASSERT_TRUE(file->change({.uid = 1005}));
  finish();
  EXPECT_FALSE(look()->is_stored);
  // After owner and list were changed, before the server looks at them again.
  ASSERT_TRUE(DescriptorStore(kIds, system_clock()).store(*file, first, giver));
  begin("stat", 2);
  ASSERT_TRUE(file->change({.uid = 1005}));
  finish();
  EXPECT_FALSE(look()->is_stored);
}

TEST_F(Stored, ChangesOfPartsAtTheSameTimeAreNotLost) {
  constexpr int kTimes = 300;
  std::latch both(2);
  int lost = 0;
  const auto change_group = [&](vfs::File& opened, DescriptorStore& store) {
    both.arrive_and_wait();
    for (int i = 0; i < kTimes; ++i) {
      const wire::Sid group = kIds.sid_of_gid(100 + i % 2);
      const auto set = [&](wire::SecurityDescriptor& whole) -> Result<void> {
        whole.group = group;
        return {};
      };
      EXPECT_TRUE(store.change(opened, set, giver));
      lost += store.load(opened, opened.stat().value()).value()->descriptor.group != group;
    }
  };
  DescriptorStore mine(kIds, system_clock()), others(kIds, system_clock());
  std::thread other([&] { change_group(*slow, others); });
  int lists_lost = 0;
  both.arrive_and_wait();
  for (int i = 0; i < kTimes; ++i) {
    const auto& list = i % 2 ? first.dacl : second.dacl;
    const auto set = [&](wire::SecurityDescriptor& whole) -> Result<void> {
      whole.dacl = list;
      return {};
    };
    EXPECT_TRUE(mine.change(*file, set, giver));
    const auto now = mine.load(*file, file->stat().value()).value();
    lists_lost += !now->is_stored || now->descriptor.dacl != list;
  }
  other.join();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(lists_lost, 0);
}

}  // namespace
}  // namespace braid::smb2
