// What came before a CLOSE is done before it, wherever it waits for its own turn.
#include <gtest/gtest.h>

#include "runtime/task_scope.h"
#include "smb2/commands/file_requests_testing.h"
#include "smb2/files/close_open.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/offload.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/srv_copychunk.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Fsctl;

// One thread, which a disk can hold: what comes meanwhile waits for it.
struct CloseOrder : FileRequests {
  CloseOrder() : CloseOrder(vfs::make_fault_plan()) {}
  explicit CloseOrder(std::shared_ptr<vfs::FaultPlan> of_volume)
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), of_volume)),
        plan(std::move(of_volume)) {}
  void SetUp() override {
    FileRequests::SetUp();
    session = engine.server().logons.session_table.find(client.session_id);
    file = open("file");
    ASSERT_EQ(write(file, std::string(4096, 'x')), NtStatus::kSuccess);
  }
  void TearDown() override {
    plan->let_go();
    client.close();
  }

  Bytes raw_ioctl(FileId id, Fsctl code, ByteView input) {
    return client.request(Command::kIoctl, wire::IoctlRequest{.ctl_code = code,
                                                              .file_id = id,
                                                              .input = input,
                                                              .max_output_response = 1024,
                                                              .flags = 1});
  }
  template <class Input>
  Bytes ioctl(FileId id, Fsctl code, const Input& input) {
    Bytes bytes;
    wire::Writer writer(bytes);
    input.encode(writer);
    return raw_ioctl(id, code, bytes);
  }
  template <class Output>
  Output output_of(Bytes message) {
    const auto answer = client.exchange(std::move(message));
    const auto response = answer->as<wire::IoctlResponse>();
    wire::Reader reader(response.output);
    return Output::decode(reader).value();
  }
  Bytes query(FileId id) {
    return client.request(Command::kQueryInfo,
                          wire::QueryInfoRequest{.info_type = wire::InfoType::kFile,
                                                 .file_info_class = static_cast<uint8_t>(
                                                     wire::FileInfoClass::kStandard),
                                                 .output_buffer_length = 64,
                                                 .file_id = id});
  }
  // What is answered when `closed` is closed as soon as the request waits for its turn, as by a
  // CLOSE behind it whose turn comes first.
  NtStatus when_overtaken(Bytes message, FileId closed) {
    const uint64_t asked = client.next_message_id - 1;
    plan->hold_operation("create");
    client.send(
        client.request(Command::kCreate, RawClient::create_body("held" + std::to_string(asked))));
    plan->await_held(1);
    client.send(std::move(message));
    for (int i = 0; i < 100'000 && engine.server().files.pool.load().waiting != 1; ++i)
      engine.settle();
    EXPECT_EQ(engine.server().files.pool.load().waiting, 1u);
    close(closed);
    plan->let_go();
    const auto answer = client.answer_to(asked);
    closing.wait();
    return answer ? answer->status() : NtStatus::kConnectionDisconnected;
  }
  void close(FileId id) {
    struct Close {
      static Task<void> open(Server& server, std::shared_ptr<Open> its) {
        co_await close_open(server.files, std::move(its));
      }
    };
    closing.spawn(Close::open(engine.server(), session->find_open(id)));
    EXPECT_EQ(session->find_open(id), nullptr);
  }

  std::shared_ptr<vfs::FaultPlan> plan;
  std::shared_ptr<Session> session;
  FileId file;
  TaskScope closing;
};

TEST_F(CloseOrder, FlushIsDoneBefore) {
  EXPECT_EQ(
      when_overtaken(client.request(Command::kFlush, wire::FlushRequest{.file_id = file}), file),
      NtStatus::kSuccess);
}

TEST_F(CloseOrder, QueryInfoIsDoneBefore) {
  EXPECT_EQ(when_overtaken(query(file), file), NtStatus::kSuccess);
}

TEST_F(CloseOrder, SetInfoIsDoneBefore) {
  EXPECT_EQ(when_overtaken(request(file, wire::FileInfoClass::kDisposition, Bytes{0}), file),
            NtStatus::kSuccess);
}

TEST_F(CloseOrder, IoctlIsDoneBefore) {
  EXPECT_EQ(when_overtaken(raw_ioctl(file, Fsctl::kSetSparse, Bytes{1}), file), NtStatus::kSuccess);
}

TEST_F(CloseOrder, CopyIsDoneBeforeEitherOfItsFilesIsClosed) {
  for (const bool closes_source : {true, false}) {
    const FileId from = open("file");
    const FileId to = open("copy");
    const auto key = output_of<wire::SrvRequestResumeKeyResponse>(
        raw_ioctl(from, Fsctl::kSrvRequestResumeKey, {}));
    EXPECT_EQ(when_overtaken(ioctl(to, Fsctl::kSrvCopychunk,
                                   wire::SrvCopychunkCopy{key.resume_key, {{0, 0, 10}}}),
                             closes_source ? from : to),
              NtStatus::kSuccess);
    EXPECT_EQ(content("copy"), std::string(10, 'x'));
  }
}

TEST_F(CloseOrder, OffloadedCopyIsDoneBeforeItsSourceIsClosed) {
  const FileId to = open("copy");
  ASSERT_EQ(write(to, std::string(4096, 'y')), NtStatus::kSuccess);
  const auto read = output_of<wire::OffloadReadOutput>(
      ioctl(file, Fsctl::kOffloadRead, wire::OffloadReadInput{.copy_length = 4096}));
  EXPECT_EQ(when_overtaken(ioctl(to, Fsctl::kOffloadWrite,
                                 wire::OffloadWriteInput{.copy_length = 4096, .token = read.token}),
                           file),
            NtStatus::kSuccess);
  EXPECT_EQ(content("copy"), std::string(100, 'x'));
}

// The second has not even been looked at when the CLOSE comes.
TEST_F(CloseOrder, ChainIsDoneBefore) {
  Bytes first = query(file);
  const uint64_t asked = client.next_message_id;
  Bytes second = query(FileId::all_ones());
  plan->hold_operation("stat");
  client.send(RawClient::compound({std::move(first), std::move(second)}));
  plan->await_held(1);
  close(file);
  plan->let_go();
  const auto answer = client.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  closing.wait();
}

// What it waits for may be the very CLOSE.
TEST_F(CloseOrder, ChainThatClosesItselfDoesNotWaitForItself) {
  Bytes first = query(file);
  Bytes second = client.request(Command::kClose, wire::CloseRequest{.file_id = FileId::all_ones()});
  const uint64_t asked = client.next_message_id;
  Bytes third = query(FileId::all_ones());
  client.send(RawClient::compound({std::move(first), std::move(second), std::move(third)}));
  EXPECT_EQ(client.answer_to(asked - 1)->status(), NtStatus::kSuccess);
  EXPECT_EQ(client.answer_to(asked)->status(), NtStatus::kFileClosed);
}

}  // namespace
}  // namespace braid::smb2
