#include "rpc/association.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "rpc/captured_testing.h"
#include "rpc/pipe_testing.h"
#include "rpc/secured_client_testing.h"

namespace braid::rpc {
namespace {

uint32_t fault_status(const Bytes& pdu) {
  uint32_t status = 0;
  if (pdu.size() >= 28 && pdu[2] == static_cast<uint8_t>(PduType::kFault)) {
    std::memcpy(&status, &pdu[24], 4);
  }
  return status;
}

// A request PDU of call 9 on context 0.
Bytes request(uint16_t opnum, ByteView stub, uint8_t flags = 3, uint16_t context = 0) {
  Bytes out = unhex("050000031000000000000000090000000000000000000000");
  out[3] = flags;
  const auto length = static_cast<uint16_t>(24 + stub.size());
  std::memcpy(&out[8], &length, 2);
  std::memcpy(&out[20], &context, 2);
  std::memcpy(&out[22], &opnum, 2);
  out.insert(out.end(), stub.begin(), stub.end());
  return out;
}

TEST(Bind, AckNamesTheSyntaxAndThePipe) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  const Bytes ack = answer(*pipe, captured::kSrvsvcBind);
  wire::Reader r(ack);
  const auto header = PduHeader::decode(r);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->type, PduType::kBindAck);
  EXPECT_EQ(header->frag_length, ack.size());
  EXPECT_EQ(header->call_id, 1u);
  EXPECT_EQ(r.u16(), 4280);
  EXPECT_EQ(r.u16(), 4280);
  EXPECT_NE(r.u32(), 0u);
  EXPECT_EQ(r.u16(), 13);
  EXPECT_EQ(as_text(r.bytes(12)), "\\PIPE\\srvsvc");
  // Count, acceptance, NDR: as Samba ends its own.
  const Bytes end = unhex("0100000000000000045d888aeb1cc9119fe808002b10486002000000");
  EXPECT_EQ(Bytes(ack.end() - static_cast<ptrdiff_t>(end.size()), ack.end()), end);
}

// Three contexts as Windows sends them: NDR, NDR64, and bind time features.
constexpr char kWindowsBind[] =
    "05000b0310000000a000000002000000b810b810000000000300000"
    "000000100c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000"
    "01000100c84f324b7016d30112785a47bf6ee1880300000033057171babe37498319b5dbef9ccc3601000000"
    "02000100c84f324b7016d30112785a47bf6ee188030000002c1cb76c12984045030000000000000001000000";

TEST(Bind, Ndr64IsDeclinedAndFeaturesAreNegotiated) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  const Bytes ack = answer(*pipe, kWindowsBind);
  const Bytes expected_end = unhex(
      "03000000"
      "0000 0000 045d888aeb1cc9119fe808002b10486002000000"
      "0200 0200 0000000000000000000000000000000000000000"
      "0300 0300 0000000000000000000000000000000000000000");
  ASSERT_GE(ack.size(), expected_end.size());
  EXPECT_EQ(Bytes(ack.end() - static_cast<ptrdiff_t>(expected_end.size()), ack.end()),
            expected_end);
  EXPECT_EQ(fault_status(answer(*pipe, request(15, {}, 3, 1))), 0x1c010003u);
}

TEST(Bind, InterfaceOfAnotherPipeIsRejected) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  const Bytes ack = answer(*pipe, captured::kSamrBind);
  ASSERT_GE(ack.size(), 24u);
  EXPECT_EQ(ack[2], static_cast<uint8_t>(PduType::kBindAck));
  EXPECT_EQ(Bytes(ack.end() - 24, ack.end() - 20), unhex("02000100"));
  EXPECT_EQ(fault_status(answer(*pipe, request(15, {}))), 0x1c010003u);
}

TEST(Bind, AuthenticationIsAnsweredWithNak) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  Bytes bind = unhex(captured::kSrvsvcBind);
  const Bytes verifier = unhex("0a02000000000000 4e544c4d53535000");
  bind.insert(bind.end(), verifier.begin(), verifier.end());
  bind[8] = static_cast<uint8_t>(bind.size());
  bind[10] = 8;
  const Bytes nak = answer(*pipe, bind);
  ASSERT_GE(nak.size(), 18u);
  EXPECT_EQ(nak[2], static_cast<uint8_t>(PduType::kBindNak));
  EXPECT_EQ(nak[16], 8);
  // The client tries again without.
  EXPECT_EQ(answer(*pipe, captured::kSrvsvcBind)[2], static_cast<uint8_t>(PduType::kBindAck));
}

// A bind or an alter_context of many contexts, from who takes fragments of 1,432 bytes.
Bytes bind_of(uint8_t contexts, PduType type = PduType::kBind) {
  Bytes body;
  wire::Writer w(body);
  w.u16(1432);
  w.u16(1432);
  w.u32(0);
  w.u32(contexts);
  for (uint16_t id = 0; id < contexts; ++id) {
    w.u16(id);
    w.u16(1);
    srvsvc_interface().syntax.encode(w);
    kNdrSyntax.encode(w);
  }
  return SecuredClient::pdu(type, 3, body, 1);
}

TEST(Bind, AnswerIsNeverLongerThanWhatTheClientTakes) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  const Bytes longest = answer(*pipe, bind_of(57));
  EXPECT_EQ(longest[2], static_cast<uint8_t>(PduType::kBindAck));
  EXPECT_LE(longest.size(), 1432u);
  EXPECT_GT(longest.size() + 24, 1432u) << "the one below is the first that is too long";
  pipe = f.open("srvsvc");
  const Bytes nak = answer(*pipe, bind_of(58));
  ASSERT_EQ(nak[2], static_cast<uint8_t>(PduType::kBindNak));
  EXPECT_EQ(nak[16], 2);  // local_limit_exceeded
  EXPECT_FALSE(pipe->write(request(21, {})));
  pipe = f.open("srvsvc");
  (void)answer(*pipe, bind_of(1));
  EXPECT_EQ(fault_status(answer(*pipe, bind_of(59, PduType::kAlterContext))), 0x1c01000bu);
  EXPECT_FALSE(pipe->write(request(21, {})));
}

TEST(Request, ManyAtOnceAreWorkedOnInSteps) {
  MemoryDirectory memory;
  const Directory directory = memory.directory();
  Association association({.interface = srvsvc_interface(),
                           .directory = directory,
                           .authenticator = nullptr,
                           .pdus_at_once = 3});
  Bytes all = bind_of(1);
  for (int i = 0; i < 5; ++i) {
    const Bytes one = request(99, {});
    all.insert(all.end(), one.begin(), one.end());
  }
  all.resize(all.size() - 1);  // the last one is not whole
  const CallerInfo caller;
  ASSERT_TRUE(association.receive(caller, all));
  EXPECT_EQ(association.answers().size(), 3u);
  EXPECT_TRUE(association.has_more());
  ASSERT_TRUE(association.go_on(caller));
  EXPECT_EQ(association.answers().size(), 5u);
  EXPECT_FALSE(association.has_more());
  ASSERT_TRUE(association.receive(caller, Bytes(1)));
  EXPECT_EQ(association.answers().size(), 6u);
  EXPECT_FALSE(association.has_more());
}

TEST(Bind, SecondBindAndRequestBeforeBindEndTheConversation) {
  PipeFixture f;
  auto bound = f.bound("srvsvc", captured::kSrvsvcBind);
  EXPECT_EQ(bound->write(unhex(captured::kSrvsvcBind)).error(), Error(NtStatus::kPipeDisconnected));
  auto fresh = f.open("srvsvc");
  EXPECT_EQ(fresh->write(unhex(captured::kShareEnum)).error(), Error(NtStatus::kPipeDisconnected));
  EXPECT_EQ(fresh->read(100).error(), Error(NtStatus::kPipeDisconnected));
}

TEST(Request, UnknownOpnumFaultsAndTheConversationGoesOn) {
  PipeFixture f;
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  for (uint16_t opnum : {18, 60, 65535}) {
    const Bytes fault = answer(*pipe, request(opnum, {}));
    EXPECT_EQ(fault_status(fault), 0x1c010002u);
    EXPECT_TRUE(fault[3] & pfc::kDidNotExecute);
  }
  EXPECT_EQ(answer(*pipe, captured::kShareEnum)[2], static_cast<uint8_t>(PduType::kResponse));
}

TEST(Request, BadStubDataFaults) {
  PipeFixture f;
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  EXPECT_EQ(fault_status(answer(*pipe, request(15, unhex("00000000 01000000")))), 0x6f7u);
  // A container that a client fills.
  EXPECT_EQ(fault_status(answer(*pipe, request(15, unhex("00000000 01000000 01000000 04000200"
                                                         "01000000 08000200 01000000 00000000"
                                                         "00000000 00000000 00000000 00000000")))),
            0x6f7u);
}

TEST(Request, BytesMayComeOneAtATime) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  for (const char* pdu : {captured::kSrvsvcBind, captured::kShareEnum}) {
    const Bytes bytes = unhex(pdu);
    for (size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_EQ(pipe->readable_size(), 0u);
      ASSERT_TRUE(pipe->write(ByteView(bytes).subspan(i, 1)));
    }
    ASSERT_TRUE(pipe->read(65536));
  }
}

TEST(Request, FragmentsAreJoined) {
  PipeFixture f;
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  const Bytes whole = unhex(captured::kShareEnum);
  const ByteView stub = ByteView(whole).subspan(24);
  ASSERT_TRUE(pipe->write(request(15, stub.first(10), pfc::kFirstFragment)));
  ASSERT_TRUE(pipe->write(request(15, stub.subspan(10, 20), 0)));
  EXPECT_EQ(pipe->readable_size(), 0u);
  const Bytes joined = answer(*pipe, request(15, stub.subspan(30), pfc::kLastFragment));
  Bytes expected = answer(*pipe, captured::kShareEnum);
  expected[12] = 9;  // call id
  EXPECT_EQ(joined, expected);
}

TEST(Request, FragmentOfAnotherCallEndsTheConversation) {
  PipeFixture f;
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  // [MS-RPCE] 3.3.3.5.7: it is told why.
  EXPECT_EQ(fault_status(answer(*pipe, request(15, {}, pfc::kLastFragment))), 0x1c01000bu);
  EXPECT_EQ(pipe->write(request(15, {})).error(), Error(NtStatus::kPipeDisconnected));
}

TEST(Request, StubBeyondTheLimitEndsTheConversation) {
  PipeFixture f;
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  const Bytes stub(60000);
  ASSERT_TRUE(pipe->write(request(15, stub, pfc::kFirstFragment)));
  size_t sent = stub.size();
  while (pipe->readable_size() == 0) {
    ASSERT_LE(sent, Association::kStubSizeMax);
    ASSERT_TRUE(pipe->write(request(15, stub, 0)));
    sent += stub.size();
  }
  EXPECT_EQ(fault_status(pipe->read(100)->data), 5u);
  EXPECT_EQ(pipe->write(request(15, {}, 3)).error(), Error(NtStatus::kPipeDisconnected));
}

TEST(Response, LongAnswersComeInFragments) {
  PipeFixture f;
  for (int i = 0; i < 300; ++i) {
    ShareEntry share;
    share.name = "share number " + std::to_string(i);
    f.directory.share_list.push_back(share);
  }
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  ASSERT_TRUE(pipe->write(unhex(captured::kShareEnum)));
  Bytes stub;
  size_t fragments = 0;
  while (pipe->readable_size() > 0) {
    const Result<PipeRead> read = pipe->read(65536);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->more);
    EXPECT_LE(read->data.size(), Association::kFragmentSize);
    EXPECT_EQ((read->data[3] & pfc::kFirstFragment) != 0, fragments == 0);
    EXPECT_EQ((read->data[3] & pfc::kLastFragment) != 0, pipe->readable_size() == 0);
    stub.insert(stub.end(), read->data.begin() + 24, read->data.end());
    ++fragments;
  }
  EXPECT_GT(fragments, 3u);
  // Total entries, resume handle and return value close the stub.
  uint32_t total = 0;
  std::memcpy(&total, &stub[stub.size() - 16], 4);
  EXPECT_EQ(total, 303u);
}

// The same in the other byte order: `layout` has the size of each field, over and over its last.
Bytes in_big_endian(Bytes pdu, std::initializer_list<size_t> layout) {
  size_t at = 8;
  auto field = layout.begin();
  while (at < pdu.size()) {
    std::reverse(pdu.begin() + static_cast<ptrdiff_t>(at),
                 pdu.begin() + static_cast<ptrdiff_t>(at + *field));
    at += *field;
    if (field + 1 != layout.end()) ++field;
  }
  pdu[4] = 0;
  return pdu;
}

// [C706] 14.1: whoever receives makes it right. Lengths and call id; sizes and group; contexts; id
// and count; an interface's id and version, and NDR's.
TEST(Pdu, BigEndianClientsAreUnderstood) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  const Bytes bind = in_big_endian(unhex(captured::kSrvsvcBind),
                                   {2, 2, 4, 2, 2, 4, 1, 1, 1, 1, 2, 1, 1, 4, 2, 2, 1, 1, 1,
                                    1, 1, 1, 1, 1, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 4});
  EXPECT_EQ(answer(*pipe, bind)[2], static_cast<uint8_t>(PduType::kBindAck));
  // Server name: pointer, three counts and ten characters; the rest is numbers of four bytes.
  const Bytes request = in_big_endian(
      unhex(captured::kShareEnum), {2, 2, 4, 4, 2, 2, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4});
  EXPECT_EQ(without_referents(answer(*pipe, request)),
            without_referents(unhex(captured::kShareEnumAnswer)));
}

TEST(Pdu, OtherVersionsAndDataFormatsEndTheConversation) {
  const Error disconnected(NtStatus::kPipeDisconnected);
  PipeFixture f;
  Bytes bind = unhex(captured::kSrvsvcBind);
  bind[0] = 4;
  EXPECT_EQ(f.open("srvsvc")->write(bind).error(), disconnected);
  bind = unhex(captured::kSrvsvcBind);
  bind[4] = 0x11;  // EBCDIC
  EXPECT_EQ(f.open("srvsvc")->write(bind).error(), disconnected);
  bind = unhex(captured::kSrvsvcBind);
  bind[8] = 15;  // shorter than its header
  EXPECT_EQ(f.open("srvsvc")->write(bind).error(), disconnected);
  bind = unhex(captured::kSrvsvcBind);
  bind[11] = 0xff;  // verifier longer than the PDU
  EXPECT_EQ(f.open("srvsvc")->write(bind).error(), disconnected);
}

}  // namespace
}  // namespace braid::rpc
