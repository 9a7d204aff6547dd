// For tests and fuzzers: decodes a message of any command and encodes it again.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "wire/reader.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/close.h"
#include "wire/smb2/create.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/header.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/read.h"
#include "wire/smb2/server_to_client_notification.h"
#include "wire/smb2/session_setup.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/tree_connect.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"
#include "wire/writer.h"

namespace braid::wire {

// The message with header and body decoded and encoded again; nothing if either does not decode.
template <class T>
std::optional<Bytes> reencode_as(ByteView message) {
  Reader r(message);
  const auto header = Header::decode(r);
  if (!header) return std::nullopt;
  const auto body = T::decode(r);
  if (!body) return std::nullopt;
  Bytes out;
  Writer w(out);
  header->encode(w);
  body->encode(w);
  return out;
}

// The same for a payload without an SMB2 header.
template <class T>
std::optional<Bytes> reencode_payload_as(ByteView payload) {
  Reader r(payload);
  const auto value = T::decode(r);
  if (!value) return std::nullopt;
  Bytes out;
  Writer w(out);
  value->encode(w);
  return out;
}

inline std::optional<Bytes> reencode_request(Command command, ByteView message) {
  switch (command) {
    case Command::kNegotiate:
      return reencode_as<NegotiateRequest>(message);
    case Command::kSessionSetup:
      return reencode_as<SessionSetupRequest>(message);
    case Command::kLogoff:
      return reencode_as<LogoffRequest>(message);
    case Command::kTreeConnect:
      return reencode_as<TreeConnectRequest>(message);
    case Command::kTreeDisconnect:
      return reencode_as<TreeDisconnectRequest>(message);
    case Command::kCreate:
      return reencode_as<CreateRequest>(message);
    case Command::kClose:
      return reencode_as<CloseRequest>(message);
    case Command::kFlush:
      return reencode_as<FlushRequest>(message);
    case Command::kRead:
      return reencode_as<ReadRequest>(message);
    case Command::kWrite:
      return reencode_as<WriteRequest>(message);
    case Command::kLock:
      return reencode_as<LockRequest>(message);
    case Command::kIoctl:
      return reencode_as<IoctlRequest>(message);
    case Command::kCancel:
      return reencode_as<CancelRequest>(message);
    case Command::kEcho:
      return reencode_as<EchoRequest>(message);
    case Command::kQueryDirectory:
      return reencode_as<QueryDirectoryRequest>(message);
    case Command::kChangeNotify:
      return reencode_as<ChangeNotifyRequest>(message);
    case Command::kQueryInfo:
      return reencode_as<QueryInfoRequest>(message);
    case Command::kSetInfo:
      return reencode_as<SetInfoRequest>(message);
    case Command::kOplockBreak:
      if (auto out = reencode_as<OplockBreakAcknowledgment>(message)) return out;
      return reencode_as<LeaseBreakAcknowledgment>(message);
    case Command::kServerToClientNotification:
      break;
  }
  return std::nullopt;
}

// A response that did not fail.
inline std::optional<Bytes> reencode_response(Command command, ByteView message) {
  switch (command) {
    case Command::kNegotiate:
      return reencode_as<NegotiateResponse>(message);
    case Command::kSessionSetup:
      return reencode_as<SessionSetupResponse>(message);
    case Command::kLogoff:
      return reencode_as<LogoffResponse>(message);
    case Command::kTreeConnect:
      return reencode_as<TreeConnectResponse>(message);
    case Command::kTreeDisconnect:
      return reencode_as<TreeDisconnectResponse>(message);
    case Command::kCreate:
      return reencode_as<CreateResponse>(message);
    case Command::kClose:
      return reencode_as<CloseResponse>(message);
    case Command::kFlush:
      return reencode_as<FlushResponse>(message);
    case Command::kRead:
      return reencode_as<ReadResponse>(message);
    case Command::kWrite:
      return reencode_as<WriteResponse>(message);
    case Command::kLock:
      return reencode_as<LockResponse>(message);
    case Command::kIoctl:
      return reencode_as<IoctlResponse>(message);
    case Command::kCancel:
      break;
    case Command::kEcho:
      return reencode_as<EchoResponse>(message);
    case Command::kQueryDirectory:
      return reencode_as<QueryDirectoryResponse>(message);
    case Command::kChangeNotify:
      return reencode_as<ChangeNotifyResponse>(message);
    case Command::kQueryInfo:
      return reencode_as<QueryInfoResponse>(message);
    case Command::kSetInfo:
      return reencode_as<SetInfoResponse>(message);
    case Command::kOplockBreak:
      if (auto out = reencode_as<OplockBreakResponse>(message)) return out;
      if (auto out = reencode_as<LeaseBreakNotification>(message)) return out;
      return reencode_as<LeaseBreakResponse>(message);
    case Command::kServerToClientNotification:
      return reencode_as<ServerToClientNotification>(message);
  }
  return std::nullopt;
}

}  // namespace braid::wire
