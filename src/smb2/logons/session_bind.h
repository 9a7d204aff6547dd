// Binding a connection to a session that is there: the SESSION_SETUP that makes a Channel.
#pragma once

#include <memory>

#include "auth/authenticator.h"
#include "smb2/connections/request.h"
#include "smb2/sessions/session.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

// By what a bind is judged besides its session, which another worker may have.
struct BindAttempt {
  wire::Dialect dialect{};
  crypto::Cipher cipher = crypto::Cipher::kNone;
  crypto::SigningAlgorithm signing_algorithm = crypto::SigningAlgorithm::kHmacSha256;
  ClientGuid client_guid;
  bool supports_notifications = false;
  bool is_signed = false;
  bool is_bound = false;  // the connection has a channel of the session
  MessageId message_id;
  ByteView message;  // the whole request, for its signature

  static BindAttempt of(const Request& request);
  void encode(wire::Writer& w) const;
  // The reader says whether it is one, and has the message.
  static BindAttempt decode(wire::Reader& r);
};

// What the worker that has the session says.
struct BindVerdict {
  NtStatus status = NtStatus::kUserSessionDeleted;
  // What the answer is signed with, as the request was; empty if it was not.
  crypto::Secret signing_key;
  crypto::SigningAlgorithm signing_algorithm = crypto::SigningAlgorithm::kHmacSha256;

  void encode(wire::Writer& w) const;
  static Result<BindVerdict> decode(wire::Reader& r);
};

// Whether it may become a channel of `session`: every check that needs no authentication.
BindVerdict judge_bind_here(const BindAttempt& attempt,
                            const std::shared_ptr<const Session>& session, FileTime now);
// The same of a session of another worker. It is never a success: a client has one worker, and all
// channels of a session are of one client.
Task<Error> refuse_bind_elsewhere(Request& request);

// The session a request with SMB2_SESSION_FLAG_BINDING names, after every check that needs no
// authentication. [MS-SMB2] 3.3.5.5, the steps for the flag; docs/protocol.md says where Windows
// answers otherwise. Nothing of the session changes. Once the signature fits,
// request.reply_signing_key is the session's, for whatever is answered; an unproven request gets no
// answer signed with it. STATUS_USER_SESSION_DELETED: this worker has no such session.
Result<std::shared_ptr<Session>> find_session_to_bind(Request& request);

// The authentication succeeded: makes the channel, if the user is the session's. The request's
// answer is then signed with the channel's own key, made of this authentication and `preauth_hash`.
// [MS-SMB2] 3.3.5.5.3, Channel.SigningKey. REQUIRES: on the connection's reactor.
Result<void> add_bound_channel(Request& request, const std::shared_ptr<Session>& session,
                               const auth::AuthStep& step, ByteView preauth_hash);

}  // namespace braid::smb2
