// What the kernel has in memory is opened and closed where the connection is served.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "runtime/identity.h"
#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/close.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateDisposition;
using enum NtStatus;

// Of tmpfs, which has extended attributes in memory, where there is one; or of a disk.
struct RealFolder {
  explicit RealFolder(std::string where = "/dev/shm") {
    if (::access(where.c_str(), W_OK) != 0) where = "/tmp";
    std::string name = where + "/create_at_once_test.XXXXXX";
    root = ::mkdtemp(name.data());
  }
  ~RealFolder() { std::filesystem::remove_all(root); }
  std::string root;
};

struct AtOnce : RealFolder, FileRequests {
  explicit AtOnce(std::shared_ptr<vfs::FaultPlan> held = vfs::make_fault_plan(), size_t threads = 2,
                  const std::string& where = "/dev/shm")
      : RealFolder(where),
        FileRequests(vfs::make_fault_volume(vfs::open_posix_volume(root).value(), held), threads),
        plan(held) {}
  void SetUp() override {
    FileRequests::SetUp();
    if (!share_volume().features().at_once) GTEST_SKIP() << "the kernel cannot tell here";
    make("f", "old");
    make("g", "new");
  }
  void TearDown() override {
    plan->let_go();
    client.close();
  }
  size_t turns() { return engine.server().files.pool.load().turns_taken; }
  static wire::CreateRequest reading(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = CreateDisposition::kOpen;
    body.desired_access = Access::kFileGenericRead;
    return body;
  }
  NtStatus close(FileId id) {
    return client.status_of(client.request(
        Command::kClose,
        wire::CloseRequest{.flags = wire::CloseFlags::kPostqueryAttrib, .file_id = id}));
  }
  const std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(AtOnce, TakesNoTurnOnThePool) {
  client.close_file(client.create(reading("f")));
  const size_t before = turns();
  const FileId id = client.create(reading("f"));
  EXPECT_EQ(content(id), "old");
  const size_t with_read = turns();  // a file system may want a thread for that
  const FileId other = client.create(reading("f"));
  EXPECT_EQ(close(other), kSuccess);
  EXPECT_EQ(close(id), kSuccess);
  EXPECT_EQ(turns(), with_read);
  EXPECT_LE(with_read, before + 1);
}

// Counts the system calls of one thread, but those of memory and of waiting. Outlives the thread.
class SystemCalls {
 public:
  ~SystemCalls() {
    if (watcher_.joinable()) watcher_.join();
  }
  // Of the calling thread, from now on. False: the kernel has no such thing, or another watches.
  bool watch() {
    constexpr uint32_t kNotCounted[] = {SYS_futex,
                                        SYS_epoll_wait,
                                        SYS_epoll_pwait,
                                        SYS_epoll_pwait2,
                                        SYS_epoll_ctl,
                                        SYS_mmap,
                                        SYS_munmap,
                                        SYS_mprotect,
                                        SYS_madvise,
                                        SYS_mremap,
                                        SYS_brk,
                                        SYS_clock_gettime,
                                        SYS_sched_yield,
                                        SYS_rt_sigaction,
                                        SYS_rt_sigprocmask,
                                        SYS_rt_sigreturn,
                                        SYS_sigaltstack,
                                        SYS_gettid,
                                        SYS_getpid,
                                        SYS_timerfd_settime,
                                        SYS_timerfd_create,
                                        SYS_exit,
                                        SYS_tgkill,
                                        SYS_write};
    std::vector<sock_filter> filter;
    filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (const uint32_t each : kNotCounted) {
      filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, each, 0, 1));
      filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = filter.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    const long listener =
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) return false;
    listener_.reset(static_cast<int>(listener));
    return true;
  }
  // Lets the thread go on, which waits in its first call. Thread: another.
  void begin() {
    watcher_ = std::thread([this] { run(); });
  }
  size_t count() const { return count_; }

 private:
  void run() {
    for (;;) {
      pollfd one{.fd = listener_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, -1) < 0 && errno == EINTR) continue;
      if (!(one.revents & POLLIN)) return;  // the thread has ended
      seccomp_notif call{};
      if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
      ++count_;
      seccomp_notif_resp answer{};
      answer.id = call.id;
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      (void)::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
  }

  UniqueFd listener_;
  std::atomic<size_t> count_ = 0;
  std::thread watcher_;
};

struct CountedAtOnce : SystemCalls, AtOnce {
  CountedAtOnce() : AtOnce(vfs::make_fault_plan(), 1) {}
  // Of a CREATE of a file of which everything is known that may be known.
  size_t calls_of(const wire::CreateRequest& body, size_t wanted) {
    size_t calls = 0;
    // Attributes are known when they were left alone for a while.
    for (int tries = 0; tries < 500; ++tries) {
      const size_t before = count();
      const FileId id = client.create(body);
      calls = count() - before;
      EXPECT_EQ(client.close_file(id), kSuccess);
      if (calls <= wanted) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return calls;
  }
};

// The name is resolved, looked at and opened, and what it was resolved to is let go of.
TEST_F(CountedAtOnce, OpeningAFileTakesFourSystemCalls) {
  bool is_watched = false;
  run_on(engine.reactor(), [&] { is_watched = watch(); });
  if (!is_watched) GTEST_SKIP() << "this kernel does not tell";
  begin();
  EXPECT_LE(calls_of(reading("f"), 4), 4u);
  // Who wants no data uses the descriptor by which it was found.
  auto body = reading("f");
  body.desired_access = Access::kFileReadAttributes;
  EXPECT_LE(calls_of(body, 2), 2u);
}

TEST_F(AtOnce, TellsWhatIsInMemory) {
  const FileId id = client.create(reading("f"));
  const auto turns_of = [&](wire::InfoType type, uint8_t info_class) {
    const size_t before = turns();
    const wire::QueryInfoRequest body{.info_type = type,
                                      .file_info_class = info_class,
                                      .output_buffer_length = 4096,
                                      .additional_information = 4,
                                      .file_id = id};
    EXPECT_EQ(client.status_of(client.request(Command::kQueryInfo, body)), kSuccess);
    return turns() - before;
  };
  using wire::FileInfoClass;
  for (const auto each : {FileInfoClass::kBasic, FileInfoClass::kStandard, FileInfoClass::kInternal,
                          FileInfoClass::kAccess, FileInfoClass::kPosition, FileInfoClass::kMode,
                          FileInfoClass::kAlignment, FileInfoClass::kNetworkOpen,
                          FileInfoClass::kAttributeTag, FileInfoClass::kId}) {
    EXPECT_EQ(turns_of(wire::InfoType::kFile, static_cast<uint8_t>(each)), 0u);
  }
  EXPECT_EQ(turns_of(wire::InfoType::kFile, static_cast<uint8_t>(FileInfoClass::kStream)), 1u);
  // EaSize is that of all attributes together.
  EXPECT_EQ(turns_of(wire::InfoType::kFile, static_cast<uint8_t>(FileInfoClass::kAll)), 1u);
  EXPECT_EQ(turns_of(wire::InfoType::kSecurity, 0), 1u);
}

// Which of them may have to wait, or do something besides.
TEST_F(AtOnce, TheRestTakesOne) {
  const auto turns_of = [&](const wire::CreateRequest& body) {
    const size_t before = turns();
    const FileId id = client.create(body);
    const size_t taken = turns() - before;
    client.close_file(id);
    return taken;
  };
  EXPECT_EQ(turns_of(reading("f")), 0u);
  EXPECT_GT(turns_of(reading("F")), 0u) << "another case";
  EXPECT_GT(turns_of(reading("f::$DATA")), 0u);
  // Each of many folders costs a little.
  std::string deep = "d";
  for (int i = 0; i < 9; ++i) {
    if (i > 0) deep += "\\" + std::string(120, 'd');
    auto folder = RawClient::create_body(deep);
    folder.create_options = wire::CreateOptions::kDirectoryFile;
    ASSERT_EQ(client.close_file(client.create(folder)), kSuccess);
  }
  EXPECT_EQ(turns_of(reading(deep)), 0u);
  deep += "\\" + std::string(120, 'f');
  make(deep, "far");
  EXPECT_GT(turns_of(reading(deep)), 0u);
  auto body = reading("f");
  body.create_disposition = CreateDisposition::kOverwrite;
  body.desired_access = Access::kFileGenericWrite;
  EXPECT_GT(turns_of(body), 0u);
  body = reading("n");
  body.create_disposition = CreateDisposition::kOpenIf;
  EXPECT_GT(turns_of(body), 0u);
  body = reading("g");
  body.desired_access |= Access::kDelete;
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  EXPECT_GT(turns_of(body), 0u);
}

// A file without a name has its blocks to give back.
TEST_F(AtOnce, ClosingThatMayTakeLongTakesATurn) {
  const FileId reader = client.create(reading("g"));
  ASSERT_EQ(::unlink((root + "/g").c_str()), 0);
  const size_t before = turns();
  EXPECT_EQ(close(reader), kSuccess);
  EXPECT_GT(turns(), before);
}

TEST_F(AtOnce, TheLastOfADeletedFileDeletesIt) {
  const FileId reader = client.create(reading("f"));
  auto body = RawClient::create_body("f");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  client.close_file(client.create(body));
  EXPECT_EQ(status_of_open("f"), kDeletePending);
  EXPECT_EQ(close(reader), kSuccess);
  EXPECT_FALSE(std::filesystem::exists(root + "/f"));
  EXPECT_EQ(status_of_open("f"), kObjectNameNotFound);
}

// Rights are the user's, whoever used the thread before.
TEST_F(AtOnce, RightsAreThoseOfTheUser) {
  if (server_credentials()->uid != 0) GTEST_SKIP() << "needs files of others";
  ASSERT_EQ(::chmod(root.c_str(), 0755), 0);
  ASSERT_EQ(::chmod((root + "/f").c_str(), 0600), 0);
  ASSERT_EQ(::chmod((root + "/g").c_str(), 0644), 0);
  RawClient member{engine, ClientGuid{{9}}};
  ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
  for (int i = 0; i < 3; ++i) {
    const auto status = [&](RawClient& who, std::string_view name) {
      const auto answer = who.exchange(who.request(Command::kCreate, reading(name)));
      if (answer->status() == kSuccess) {
        who.close_file(answer->as<wire::CreateResponse>().file_id);
      }
      return answer->status();
    };
    EXPECT_EQ(status(member, "g"), kSuccess);
    EXPECT_EQ(status(client, "f"), kSuccess);
    EXPECT_EQ(status(member, "f"), kAccessDenied);
  }
}

// The second client is served by another reactor.
TEST_F(AtOnce, WhatWasReplacedMeanwhileIsNotOpened) {
  RawClient second{engine, ClientGuid{{8}}, 1};
  ASSERT_TRUE(second.log_on());
  auto renamer = RawClient::create_body("g");
  const FileId other = second.create(renamer);
  plan->hold_next("open");
  client.send(client.request(Command::kCreate, reading("f")));
  plan->await_held(1);
  ASSERT_EQ(smb2::rename(second, other, "f", true), kSuccess);
  plan->let_go();
  const auto answer = client.receive();
  ASSERT_EQ(answer->status(), kSuccess);
  EXPECT_EQ(content(answer->as<wire::CreateResponse>().file_id), "new");
  second.close_file(other);
  client.close_file(answer->as<wire::CreateResponse>().file_id);
  // And what was opened first has left nothing behind.
  auto alone = RawClient::create_body("f");
  alone.share_access = 0;
  EXPECT_NE(second.create(alone), FileId{});
  second.close();
}

// On a disk attributes are somewhere else than names and inodes, and not as long in memory.
struct AtOnceOnDisk : AtOnce {
  AtOnceOnDisk() : AtOnce(vfs::make_fault_plan(), 1, "/tmp") {}
  void SetUp() override {
    AtOnce::SetUp();
    struct statfs file_system{};
    if (::statfs(root.c_str(), &file_system) != 0 || file_system.f_type == TMPFS_MAGIC) {
      GTEST_SKIP() << "/tmp is no disk";
    }
  }
  size_t turns_of(const std::function<void()>& work) {
    const size_t before = turns();
    work();
    return turns() - before;
  }
  size_t turns_to_open(const wire::CreateRequest& body) {
    return turns_of([&] {
      const FileId id = client.create(body);
      ASSERT_NE(id, FileId{});
      EXPECT_EQ(close(id), kSuccess);
    });
  }
  // Once enough time has gone by since they were changed.
  bool come_to_need_none(const std::function<void()>& work) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (turns_of(work) != 0) {
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
};

TEST_F(AtOnceOnDisk, WhoOpensItFirstTakesATurnToReadAttributes) {
  EXPECT_GT(turns_to_open(reading("f")), 0u);
  EXPECT_TRUE(come_to_need_none([&] { turns_to_open(reading("f")); }));
  std::ofstream(root + "/f", std::ios::app) << "more";
  EXPECT_GT(turns_to_open(reading("f")), 0u) << "changed";
}

// What was written has something to give back.
TEST_F(AtOnceOnDisk, ClosingWhatMayHaveBeenWrittenTakesATurn) {
  const FileId writer = client.create(RawClient::create_body("f"));
  const size_t before = turns();
  EXPECT_EQ(close(writer), kSuccess);
  EXPECT_GT(turns(), before);
}

TEST_F(AtOnceOnDisk, RightsThatItsFolderGivesAreLookedForThere) {
  if (server_credentials()->uid != 0) GTEST_SKIP() << "needs files of others";
  ASSERT_EQ(::chmod(root.c_str(), 0777), 0);
  ASSERT_EQ(::chmod((root + "/f").c_str(), 0666), 0);
  RawClient member{engine, ClientGuid{{9}}};
  ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
  auto body = reading("f");
  body.desired_access |= Access::kDelete;
  const auto open = [&] {
    const auto answer = member.exchange(member.request(Command::kCreate, body));
    ASSERT_EQ(answer->status(), kSuccess);
    EXPECT_EQ(member.close_file(answer->as<wire::CreateResponse>().file_id), kSuccess);
  };
  // Whether that is its folder is asked anew each time, and that may wait.
  EXPECT_TRUE(come_to_need_none([&] { turns_to_open(reading("f")); }));
  for (int i = 0; i < 3; ++i) EXPECT_GT(turns_of(open), 0u);
  member.close();
}

TEST_F(AtOnceOnDisk, EaSizeIsToldWhereThereAreKnownToBeNone) {
  const FileId id = client.create(reading("f"));
  const wire::QueryInfoRequest query{
      .info_type = wire::InfoType::kFile,
      .file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kAll),
      .output_buffer_length = 4096,
      .file_id = id};
  const auto ask = [&] {
    EXPECT_EQ(client.status_of(client.request(Command::kQueryInfo, query)), kSuccess);
  };
  EXPECT_GT(turns_of(ask), 0u);
  EXPECT_TRUE(come_to_need_none(ask));
  ASSERT_EQ(::setxattr((root + "/f").c_str(), "user.mine", "1", 1, 0), 0);
  for (int i = 0; i < 3; ++i) EXPECT_GT(turns_of(ask), 0u);
  client.close_file(id);
}

// Much that one user wants keeps another waiting no longer than a turn: in one frame as in many.
struct AtOnceInTurns : AtOnce {
  AtOnceInTurns() : AtOnce(vfs::make_fault_plan(), 1) {}
  void SetUp() override {
    AtOnce::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(other.log_on(wire::Dialect::kSmb302, "files", "other"));
    engine.server().reactor_lanes.set_turn({});
  }
  void TearDown() override {
    AtOnce::TearDown();
    other.close();
  }
  Bytes opening() { return client.request(Command::kCreate, reading("f")); }
  // Whether the other has an answer by the time that the 24th file is opened.
  void expect_answer_in_between(const std::function<void()>& send_much) {
    constexpr uint64_t kBefore = 24;
    const uint64_t echo = other.next_message_id;
    plan->hold_operation("open");
    plan->let_pass(kBefore);
    run_on(engine.reactor(0), [&] {
      send_much();
      other.send(other.request(Command::kEcho, wire::EchoRequest{}));
    });
    plan->await_held(1);
    const auto answer = other.answer_to(echo);
    plan->let_go();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), kSuccess);
  }
  RawClient other{engine, ClientGuid{{8}}};
};

TEST_F(AtOnceInTurns, OfOneFrame) {
  std::vector<Bytes> many;
  for (int i = 0; i < 32; ++i) many.push_back(opening());
  expect_answer_in_between([&] { client.send(RawClient::compound(std::move(many), false)); });
}

TEST_F(AtOnceInTurns, OfManyFrames) {
  expect_answer_in_between([&] {
    for (int i = 0; i < 32; ++i) client.send(opening());
  });
}

TEST_F(AtOnceInTurns, OfManyConnections) {
  std::vector<std::unique_ptr<RawClient>> many;
  for (uint8_t i = 0; i < 8; ++i) {
    auto next = std::make_unique<RawClient>(engine, ClientGuid{{i, 1}});
    ASSERT_TRUE(next->log_on());
    many.push_back(std::move(next));
  }
  expect_answer_in_between([&] {
    for (const auto& each : many) {
      std::vector<Bytes> four;
      for (int i = 0; i < 4; ++i) four.push_back(each->request(Command::kCreate, reading("f")));
      each->send(RawClient::compound(std::move(four), false));
    }
  });
}

// The share has another file system mounted in a folder, which may be one that hangs: what is true
// of the share's own says nothing about that one.
struct MountedBelow : RealFolder {
  MountedBelow() {
    std::filesystem::create_directory(root + "/sub");
    std::thread([this] {
      if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("", (root + "/sub").c_str(), "tmpfs", 0, nullptr) != 0) {
        return;
      }
      mounts.reset(::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC));
      std::ofstream(root + "/sub/f") << "below";
      volume = vfs::open_posix_volume(root).value();
    }).join();
    if (!volume) volume = vfs::open_posix_volume(root).value();
  }
  UniqueFd mounts;  // they are there as long as this is open
  std::unique_ptr<vfs::Volume> volume;
};

// For the calling thread: who asks the kernel about a file has EIO from now on.
bool forbid_statx() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(filter), .filter = filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(FileBelow, IsNotAskedForAnythingAtOnce) {
  const MountedBelow below;
  if (!below.mounts) GTEST_SKIP() << "mounts nothing here";
  const auto found =
      below.volume->find(server_credentials(), vfs::parse_path("sub\\f").value().path);
  ASSERT_TRUE(found);
  const auto file = below.volume->open(server_credentials(), *found, {}).value();
  std::thread([&] {
    ASSERT_TRUE(forbid_statx());
    EXPECT_EQ(file->stat().error(), Error::os(EIO));
    const ScopedAtOnce scope;
    EXPECT_EQ(file->stat().error(), Error::os(EAGAIN));
    EXPECT_FALSE(file->is_examined_at_once());
    EXPECT_FALSE(file->ends_at_once());
  }).join();
}

struct AtOnceBelow : MountedBelow, FileRequests {
  AtOnceBelow() : FileRequests(std::move(volume)) {}
  void SetUp() override {
    FileRequests::SetUp();
    if (!mounts) GTEST_SKIP() << "mounts nothing here";
    if (!share_volume().features().at_once) GTEST_SKIP() << "the kernel cannot tell here";
  }
};

TEST_F(AtOnceBelow, WhatIsMountedBelowTheShareTakesTurns) {
  const auto taken_by = [&](const std::function<void()>& work) {
    const size_t before = engine.server().files.pool.load().turns_taken;
    work();
    return engine.server().files.pool.load().turns_taken - before;
  };
  FileId id;
  for (int i = 0; i < 2; ++i) {
    if (i != 0) EXPECT_EQ(client.close_file(id), kSuccess);
    EXPECT_GT(taken_by([&] { id = client.create(AtOnce::reading("sub\\f")); }), 0u);
    ASSERT_NE(id, FileId{});
  }
  using wire::FileInfoClass;
  const wire::QueryInfoRequest query{.info_type = wire::InfoType::kFile,
                                     .file_info_class = static_cast<uint8_t>(FileInfoClass::kBasic),
                                     .output_buffer_length = 4096,
                                     .file_id = id};
  EXPECT_GT(taken_by([&] {
              EXPECT_EQ(client.status_of(client.request(Command::kQueryInfo, query)), kSuccess);
            }),
            0u);
  EXPECT_GT(taken_by([&] { EXPECT_EQ(client.close_file(id), kSuccess); }), 0u);
}

}  // namespace
}  // namespace braid::smb2
