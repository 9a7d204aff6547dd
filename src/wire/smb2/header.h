// The 64 bytes in front of every SMB2 message.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

enum class Command : uint16_t {
  kNegotiate = 0x00,
  kSessionSetup = 0x01,
  kLogoff = 0x02,
  kTreeConnect = 0x03,
  kTreeDisconnect = 0x04,
  kCreate = 0x05,
  kClose = 0x06,
  kFlush = 0x07,
  kRead = 0x08,
  kWrite = 0x09,
  kLock = 0x0A,
  kIoctl = 0x0B,
  kCancel = 0x0C,
  kEcho = 0x0D,
  kQueryDirectory = 0x0E,
  kChangeNotify = 0x0F,
  kQueryInfo = 0x10,
  kSetInfo = 0x11,
  kOplockBreak = 0x12,
  kServerToClientNotification = 0x13,
};
inline constexpr uint16_t kCommandCount = 0x13;  // commands a client may send: all below this
// "CREATE"; "unknown" for a number that is no command.
std::string_view name_of(Command command);

struct HeaderFlags {
  static constexpr uint32_t kServerToRedir = 0x00000001;
  static constexpr uint32_t kAsyncCommand = 0x00000002;
  static constexpr uint32_t kRelatedOperations = 0x00000004;
  static constexpr uint32_t kSigned = 0x00000008;
  static constexpr uint32_t kPriorityMask = 0x00000070;
  static constexpr uint32_t kDfsOperations = 0x10000000;
  static constexpr uint32_t kReplayOperation = 0x20000000;
};

using Signature = std::array<uint8_t, 16>;

// The first four bytes of whatever follows the transport's length, as a little-endian number.
struct ProtocolId {
  static constexpr uint32_t kSmb1 = 0x424D53FF;
  static constexpr uint32_t kSmb2 = 0x424D53FE;
  static constexpr uint32_t kTransform = 0x424D53FD;
  static constexpr uint32_t kCompressionTransform = 0x424D53FC;
};
// 0 if there are fewer than four bytes.
uint32_t protocol_id_of(ByteView message);

// [MS-SMB2] 2.2.1 "SMB2 Packet Header", both forms: flags decides whether async_id or
// process_id and tree_id are on the wire, and whether status or channel_sequence is.
struct Header {
  static constexpr size_t kSize = 64;
  static constexpr size_t kStatusOffset = 8;
  static constexpr size_t kCreditsOffset = 14;
  static constexpr size_t kFlagsOffset = 16;
  static constexpr size_t kNextCommandOffset = 20;
  static constexpr size_t kMessageIdOffset = 24;
  static constexpr size_t kTreeIdOffset = 36;
  static constexpr size_t kSessionIdOffset = 40;
  static constexpr size_t kSignatureOffset = 48;

  uint16_t credit_charge = 0;
  NtStatus status = NtStatus::kSuccess;  // responses
  uint16_t channel_sequence = 0;         // requests; meaningful from 3.0 on
  Command command = Command::kNegotiate;
  uint16_t credits = 0;  // CreditRequest or CreditResponse
  uint32_t flags = 0;
  uint32_t next_command = 0;  // bytes to the next header of the compound; 0 in the last
  MessageId message_id;
  AsyncId async_id;         // with kAsyncCommand
  uint32_t process_id = 0;  // without it: reserved, clients put their process id here
  TreeId tree_id;           // without it
  SessionId session_id;
  Signature signature{};

  bool is_response() const { return (flags & HeaderFlags::kServerToRedir) != 0; }
  bool is_async() const { return (flags & HeaderFlags::kAsyncCommand) != 0; }
  bool is_related() const { return (flags & HeaderFlags::kRelatedOperations) != 0; }
  bool is_signed() const { return (flags & HeaderFlags::kSigned) != 0; }
  bool is_replay() const { return (flags & HeaderFlags::kReplayOperation) != 0; }
  bool is_dfs() const { return (flags & HeaderFlags::kDfsOperations) != 0; }

  // Malformed for another ProtocolId or StructureSize. In a compound each header is decoded by a
  // Reader of its own whose first byte is that header, so that the offsets in the body fit.
  static Result<Header> decode(Reader& r);
  void encode(Writer& w) const;

  // Change fields of an encoded message in place. REQUIRES: message.size() >= kSize.
  static void patch_status(MutableByteView message, NtStatus status);
  static void patch_credits(MutableByteView message, uint16_t credits);
  static void patch_flags(MutableByteView message, uint32_t flags);
  static void patch_next_command(MutableByteView message, uint32_t next_command);
  static void patch_session_id(MutableByteView message, SessionId session_id);
  static void patch_signature(MutableByteView message, const Signature& signature);
  static uint32_t flags_of(ByteView message);
  static uint32_t next_command_of(ByteView message);
  static Signature signature_of(ByteView message);

  bool operator==(const Header&) const = default;
};

}  // namespace braid::wire
