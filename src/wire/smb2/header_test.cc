#include "wire/smb2/header.h"

#include <gtest/gtest.h>

#include <set>

#include "base/hex_testing.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/codec_testing.h"

namespace braid::wire {
namespace {

TEST(Header, SynchronousRequestHasChannelSequenceAndTreeId) {
  Header header;
  header.credit_charge = 2;
  header.channel_sequence = 0x1234;
  header.command = Command::kRead;
  header.credits = 31;
  header.message_id = {7};
  header.process_id = 0xFEFF;
  header.tree_id = {5};
  header.session_id = {0x40000000011};
  const Bytes bytes = encode_payload(header);
  ASSERT_EQ(bytes.size(), Header::kSize);
  EXPECT_EQ(bytes, unhex("FE534D42 4000 0200 3412 0000 0800 1F00 00000000 00000000"
                         "0700000000000000 FFFE0000 05000000 1100000000040000"
                         "00000000000000000000000000000000"));
  EXPECT_EQ(decode_payload<Header>(bytes), header);
}

// Values of [MS-SMB2] 4.11 "Sending and Processing a Session Closed Notification".
TEST(Header, NotificationOfTheSpecificationEncodes) {
  Header header;
  header.command = Command::kServerToClientNotification;
  header.flags = HeaderFlags::kServerToRedir;
  header.message_id = {~uint64_t{0}};
  header.session_id = {0x40000000000};
  EXPECT_EQ(encode_payload(header), unhex("FE534D42 4000 0000 00000000 1300 0000 01000000 00000000"
                                          "FFFFFFFFFFFFFFFF 00000000 00000000 0000000000040000"
                                          "00000000000000000000000000000000"));
}

TEST(Header, AsynchronousResponseHasStatusAndAsyncId) {
  const Bytes message = unhex(captures::kChangeNotifyPending);
  const auto header = decode_payload<Header>(message);
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->is_response());
  EXPECT_TRUE(header->is_async());
  EXPECT_EQ(header->status, NtStatus::kPending);
  EXPECT_EQ(header->async_id.value, header->message_id.value);  // Samba numbers them alike
  EXPECT_EQ(header->tree_id.value, 0u);
  EXPECT_EQ(encode_payload(*header), Bytes(message.begin(), message.begin() + Header::kSize));
}

TEST(Header, SignedRequestKeepsItsSignature) {
  const Bytes message = unhex(captures::kTreeConnectRequest);
  const auto header = decode_payload<Header>(message);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->command, Command::kTreeConnect);
  EXPECT_EQ(Header::signature_of(message), header->signature);
  EXPECT_EQ(header->signature[0], 0x16);
  EXPECT_EQ(header->signature[15], 0x27);
}

TEST(Header, PatchesLandWhereDecodeReads) {
  Bytes message = unhex(captures::kReadResponse);
  Header::patch_status(message, NtStatus::kEndOfFile);
  Header::patch_credits(message, 9);
  Header::patch_flags(message, Header::flags_of(message) | HeaderFlags::kSigned);
  Header::patch_next_command(message, 0x60);
  Header::patch_session_id(message, {77});
  Header::patch_signature(message, Signature{1, 2, 3});
  const auto header = decode_payload<Header>(message);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->status, NtStatus::kEndOfFile);
  EXPECT_EQ(header->credits, 9);
  EXPECT_TRUE(header->is_signed());
  EXPECT_EQ(header->next_command, 0x60u);
  EXPECT_EQ(Header::next_command_of(message), 0x60u);
  EXPECT_EQ(header->session_id.value, 77u);
  EXPECT_EQ(header->signature, (Signature{1, 2, 3}));
}

TEST(Header, WrongProtocolIdOrSizeIsMalformed) {
  Bytes message = unhex(captures::kReadRequest);
  message[0] = 0xFD;
  EXPECT_EQ(decode_payload<Header>(message).error(), Error::malformed());
  message[0] = 0xFE;
  message[4] = 63;
  EXPECT_EQ(decode_payload<Header>(message).error(), Error::malformed());
}

TEST(Header, ShortHeaderIsTruncated) {
  const Bytes message = unhex(captures::kReadRequest);
  EXPECT_EQ(decode_payload<Header>(ByteView(message).first(63)).error(), Error::truncated());
}

TEST(Header, CommandsHaveNames) {
  EXPECT_EQ(name_of(Command::kNegotiate), "NEGOTIATE");
  EXPECT_EQ(name_of(Command::kOplockBreak), "OPLOCK_BREAK");
  EXPECT_EQ(name_of(static_cast<Command>(0xFFFF)), "unknown");
}

TEST(ProtocolId, TellsMessagesApart) {
  EXPECT_EQ(protocol_id_of(unhex("FE534D42")), ProtocolId::kSmb2);
  EXPECT_EQ(protocol_id_of(unhex("FF534D4272")), ProtocolId::kSmb1);
  EXPECT_EQ(protocol_id_of(unhex("FD534D42")), ProtocolId::kTransform);
  EXPECT_EQ(protocol_id_of(unhex("FC534D42")), ProtocolId::kCompressionTransform);
  EXPECT_EQ(protocol_id_of(unhex("FE534D")), 0u);
}

TEST(Header, EveryCommandHasANameOfItsOwnAndNoOtherNumberHas) {
  std::set<std::string_view> names;
  for (uint16_t number = 0; number <= kCommandCount; ++number) {
    names.insert(name_of(static_cast<Command>(number)));
  }
  EXPECT_EQ(names.size(), size_t{kCommandCount} + 1);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(name_of(Command::kServerToClientNotification), "SERVER_TO_CLIENT_NOTIFICATION");
  EXPECT_EQ(name_of(static_cast<Command>(kCommandCount + 1)), "unknown");
}

}  // namespace
}  // namespace braid::wire
