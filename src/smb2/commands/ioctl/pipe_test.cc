// FSCTLs of pipes: [MS-SMB2] 3.3.5.15.3, 3.3.5.15.4 and 3.3.5.15.10.
#include "smb2/commands/ioctl/fsctl_testing.h"
#include "wire/smb2/pipe_fsctl.h"

namespace braid::smb2 {
namespace {

using wire::Fsctl;
using wire::PipePeekReply;
using enum NtStatus;

// A bind of DCE/RPC to the server service, with one context.
const Bytes kBind{5,    0,    11,   3,    0x10, 0,    0,    0,    72,   0,    0,    0,
                  1,    0,    0,    0,    0xB8, 0x10, 0xB8, 0x10, 0,    0,    0,    0,
                  1,    0,    0,    0,    0,    0,    1,    0,    0xC8, 0x4F, 0x32, 0x4B,
                  0x70, 0x16, 0xD3, 0x01, 0x12, 0x78, 0x5A, 0x47, 0xBF, 0x6E, 0xE1, 0x88,
                  3,    0,    0,    0,    0x04, 0x5D, 0x88, 0x8A, 0xEB, 0x1C, 0xC9, 0x11,
                  0x9F, 0xE8, 0x08, 0x00, 0x2B, 0x10, 0x48, 0x60, 2,    0,    0,    0};

struct Pipes : Fsctls {
  void SetUp() override {
    Fsctls::SetUp();
    file = open("f");
    files = client.tree_id;
    ASSERT_EQ(client.tree_connect("IPC$"), kSuccess);
    pipe = client.create("srvsvc");
  }
  NtStatus wait_for(std::string_view name) {
    return status(Fsctl::kPipeWait, FileId::all_ones(),
                  encoded(wire::PipeWaitRequest{.name = std::string(name)}));
  }
  TreeId files;
  FileId file, pipe;
};

TEST_F(Pipes, CallIsWrittenAndItsAnswerRead) {
  const Told told = ask(Fsctl::kPipeTransceive, pipe, kBind);
  ASSERT_EQ(told.status, kSuccess);
  EXPECT_EQ(told.output.at(2), 12u) << "bind_ack";
  EXPECT_EQ(number_at(told.output, 8, 2), told.output.size());
  // What does not fit stays, and nothing is asked before it was read.
  const auto size = static_cast<uint32_t>(told.output.size());
  FileId other = client.create("srvsvc");
  EXPECT_EQ(ask(Fsctl::kPipeTransceive, other, kBind, size).status, kSuccess);
  other = client.create("srvsvc");
  const Told cut = ask(Fsctl::kPipeTransceive, other, kBind, size - 1);
  EXPECT_EQ(cut.status, kBufferOverflow);
  EXPECT_EQ(cut.output.size(), size - 1);
  EXPECT_EQ(ask(Fsctl::kPipeTransceive, other, kBind).status, kPipeBusy);
  EXPECT_EQ(data(other, 0, 100).size(), 1u);
  EXPECT_NE(ask(Fsctl::kPipeTransceive, other, kBind).status, kPipeBusy);
}

// C706 12.6.4.5: bind_nak, for a client in another version.
TEST_F(Pipes, AnotherVersionIsRefusedInTheProtocol) {
  Bytes bad = kBind;
  bad[0] = 9;
  const Told told = ask(Fsctl::kPipeTransceive, pipe, bad);
  EXPECT_EQ(told.status, kSuccess);
  ASSERT_GE(told.output.size(), 3u);
  EXPECT_EQ(told.output[2], 13) << "bind_nak";
}

// 2.2.32 of [MS-FSCC]: the head, and no data.
TEST_F(Pipes, PeekTellsWhatCouldBeRead) {
  const auto peek = [&](uint32_t room = 16) { return ask(Fsctl::kPipePeek, pipe, {}, room); };
  Told told = peek();
  EXPECT_EQ(told.status, kSuccess);
  auto reply = decoded<PipePeekReply>(told.output);
  EXPECT_EQ(reply.named_pipe_state, PipePeekReply::kConnectedState);
  EXPECT_EQ(reply.read_data_available, 0u);
  EXPECT_EQ(reply.number_of_messages, 0u);
  EXPECT_EQ(reply.message_length, 0u);
  ASSERT_EQ(client.status_of(client.request(wire::Command::kWrite,
                                            wire::WriteRequest{.file_id = pipe, .data = kBind})),
            kSuccess);
  told = peek();
  EXPECT_EQ(told.status, kBufferOverflow);
  reply = decoded<PipePeekReply>(told.output);
  EXPECT_GT(reply.read_data_available, 0u);
  EXPECT_EQ(reply.message_length, reply.read_data_available);
  EXPECT_EQ(reply.number_of_messages, 1u);
  EXPECT_EQ(peek(15).status, kInfoLengthMismatch);
  EXPECT_EQ(data(pipe, 0, 4096).size(), reply.read_data_available);
  EXPECT_EQ(peek().status, kSuccess);
}

TEST_F(Pipes, AllThatThereAreAreFree) {
  EXPECT_EQ(wait_for("srvsvc"), kSuccess);
  EXPECT_EQ(wait_for("nothing"), kObjectNameNotFound);
  EXPECT_EQ(status(Fsctl::kPipeWait, FileId::all_ones(), Bytes(13)), kInvalidParameter);
  client.tree_id = files;
  EXPECT_EQ(wait_for("srvsvc"), kNotSupported);
  EXPECT_EQ(status(Fsctl::kPipeTransceive, file, kBind), kNotSupported);
  EXPECT_EQ(status(Fsctl::kPipePeek, file), kNotSupported);
}

// [MS-SMB2] 3.3.5.2.7.2: "the one before" is the pipe that was opened.
TEST_F(Pipes, RelatedRequestsAreOfThePipeThatWasOpened) {
  const Bytes create = client.request(wire::Command::kCreate, RawClient::create_body("srvsvc"));
  const Bytes close =
      client.request(wire::Command::kClose, wire::CloseRequest{.file_id = FileId::all_ones()});
  const uint64_t asked = client.next_message_id - 1;
  client.send(RawClient::compound({create, close}));
  const auto answer = client.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
}

// [MS-SMB2] 3.3.5.9: Open.ChannelSequence is that of the CREATE.
TEST_F(Pipes, SequenceOfTheChannelBeginsWithTheCreate) {
  const auto with = [](uint16_t sequence) {
    return [sequence](wire::Header& header) { header.channel_sequence = sequence; };
  };
  const auto answer = client.exchange(
      client.request(wire::Command::kCreate, RawClient::create_body("srvsvc"), with(5)));
  const FileId id = answer->as<wire::CreateResponse>().file_id;
  const auto write = [&](uint16_t sequence) {
    return client.status_of(client.request(
        wire::Command::kWrite, wire::WriteRequest{.file_id = id, .data = kBind}, with(sequence)));
  };
  EXPECT_EQ(write(4), kFileNotAvailable);
  EXPECT_EQ(write(5), kSuccess);
}

}  // namespace
}  // namespace braid::smb2
