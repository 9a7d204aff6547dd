#include "wire/smb2/header.h"

#include <cstring>

namespace braid::wire {
namespace {

template <class T>
T load(ByteView message, size_t offset) {
  T value;
  std::memcpy(&value, message.data() + offset, sizeof value);
  return value;
}
template <class T>
void store(MutableByteView message, size_t offset, T value) {
  std::memcpy(message.data() + offset, &value, sizeof value);
}

}  // namespace

std::string_view name_of(Command command) {
  static constexpr std::string_view kNames[] = {"NEGOTIATE",
                                                "SESSION_SETUP",
                                                "LOGOFF",
                                                "TREE_CONNECT",
                                                "TREE_DISCONNECT",
                                                "CREATE",
                                                "CLOSE",
                                                "FLUSH",
                                                "READ",
                                                "WRITE",
                                                "LOCK",
                                                "IOCTL",
                                                "CANCEL",
                                                "ECHO",
                                                "QUERY_DIRECTORY",
                                                "CHANGE_NOTIFY",
                                                "QUERY_INFO",
                                                "SET_INFO",
                                                "OPLOCK_BREAK",
                                                "SERVER_TO_CLIENT_NOTIFICATION"};
  const auto index = static_cast<size_t>(command);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

uint32_t protocol_id_of(ByteView message) {
  return message.size() < sizeof(uint32_t) ? 0 : load<uint32_t>(message, 0);
}

Result<Header> Header::decode(Reader& r) {
  Header header;
  r.expect(r.u32() == ProtocolId::kSmb2);
  r.expect_u16(kSize);
  header.credit_charge = r.u16();
  const uint32_t status_or_sequence = r.u32();
  header.command = r.as<Command>();
  header.credits = r.u16();
  header.flags = r.u32();
  header.next_command = r.u32();
  header.message_id = {r.u64()};
  if (header.is_async()) {
    header.async_id = {r.u64()};
  } else {
    header.process_id = r.u32();
    header.tree_id = {r.u32()};
  }
  header.session_id = {r.u64()};
  header.signature = r.array<16>();
  if (header.is_response()) {
    header.status = static_cast<NtStatus>(status_or_sequence);
  } else {
    header.channel_sequence = static_cast<uint16_t>(status_or_sequence);
  }
  return r.finish(header);
}

void Header::encode(Writer& w) const {
  w.u32(ProtocolId::kSmb2);
  w.u16(kSize);
  w.u16(credit_charge);
  w.u32(is_response() ? static_cast<uint32_t>(status) : channel_sequence);
  w.value(command);
  w.u16(credits);
  w.u32(flags);
  w.u32(next_command);
  w.u64(message_id.value);
  if (is_async()) {
    w.u64(async_id.value);
  } else {
    w.u32(process_id);
    w.u32(tree_id.value);
  }
  w.u64(session_id.value);
  w.bytes(signature);
}

void Header::patch_status(MutableByteView message, NtStatus status) {
  store(message, kStatusOffset, static_cast<uint32_t>(status));
}
void Header::patch_credits(MutableByteView message, uint16_t credits) {
  store(message, kCreditsOffset, credits);
}
void Header::patch_flags(MutableByteView message, uint32_t flags) {
  store(message, kFlagsOffset, flags);
}
void Header::patch_next_command(MutableByteView message, uint32_t next_command) {
  store(message, kNextCommandOffset, next_command);
}
void Header::patch_session_id(MutableByteView message, SessionId session_id) {
  store(message, kSessionIdOffset, session_id.value);
}
void Header::patch_signature(MutableByteView message, const Signature& signature) {
  store(message, kSignatureOffset, signature);
}
uint32_t Header::flags_of(ByteView message) { return load<uint32_t>(message, kFlagsOffset); }
uint32_t Header::next_command_of(ByteView message) {
  return load<uint32_t>(message, kNextCommandOffset);
}
Signature Header::signature_of(ByteView message) {
  return load<Signature>(message, kSignatureOffset);
}

}  // namespace braid::wire
