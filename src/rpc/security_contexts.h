// SecurityContexts: the logons within one RPC conversation, and what they protect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "auth/authenticator.h"
#include "auth/message_security.h"
#include "rpc/caller_info.h"
#include "rpc/pdu.h"

namespace braid::rpc {

// One of them: being built, built, or failed for good.
struct SecurityContext {
  SecTrailer how;                                   // type, level and number
  std::unique_ptr<auth::AuthExchange> exchange;     // while it is being built
  std::optional<CallerInfo> caller;                 // once it is built
  std::unique_ptr<auth::MessageSecurity> messages;  // of one that protects

  // From kPacket on: what each of a client's packets proves is proved by a signature, and Windows
  // and Samba sign at that level as they do at kIntegrity.
  bool protects() const { return how.level >= AuthLevel::kPacket; }
  bool is_of(const SecTrailer& trailer) const {
    return how.type == trailer.type && how.level == trailer.level &&
           how.context_id == trailer.context_id;
  }
  auth::Protection protection() const {
    return how.level == AuthLevel::kPrivacy ? auth::Protection::kSeal : auth::Protection::kSign;
  }
};

// [MS-RPCE] 3.3.1.5.2 "Building and Using a Security Context", the server's side, and 3.3.1.5.4
// "Security Context Multiplexing". Owner and thread: the Association.
class SecurityContexts {
 public:
  // Of one conversation. Clients have one, or another for each interface that they alter to.
  static constexpr size_t kContextsMax = 4;
  // What one costs: an exchange with its messages, or keys.
  static constexpr size_t kContextSize = 4096;

  // Null: there is nobody to ask, and every logon is refused.
  explicit SecurityContexts(const auth::Authenticator* authenticator)
      : authenticator_(authenticator) {}

  // Whether a bind of this type and level can be answered with anything but "not recognized".
  bool recognizes(const SecTrailer& trailer) const;
  // The context that a leg of a logon belongs to, new if need be. Malformed: it contradicts what
  // there is; kInsufficientResources: there are too many; kLogonFailure: the token is of another
  // security provider than its type says.
  Result<SecurityContext*> begin_leg(SecTrailer trailer, ByteView token, PduType type);
  // What the leg gave; on an error the context stays, failed. REQUIRES: a context whose leg it is.
  Result<void> end_leg(SecurityContext& context, const Result<auth::AuthStep>& step,
                       const std::string& client_address);
  void erase(uint32_t context_id) { contexts_.erase(context_id); }

  // What a request with this trailer, or without one, is protected by and whose it is. Null: it
  // needs none. kAccessDenied: by none that there is, or by one that failed or is not built yet.
  Result<SecurityContext*> of_request(const std::optional<SecTrailer>& trailer);
  // REQUIRES: it was given before, and the conversation goes on.
  SecurityContext* find(uint32_t context_id);

  // Checks and unseals a request with its verifier in place; what is left is its stub data.
  Result<ByteView> unprotect(SecurityContext& context, const PduHeader& header,
                             MutableByteView fragment, size_t body_offset);
  // A response, whole but for its trailer, signed or sealed.
  Result<void> protect(SecurityContext& context, Bytes& pdu, size_t body_offset);
  // What protect() adds, with the most padding.
  Result<size_t> overhead(SecurityContext& context);

  // [MS-RPCE] 2.2.2.3 "PFC_SUPPORT_HEADER_SIGN Flag": both sides know it, whatever the provider.
  void client_signs_headers() { header_signing_ = true; }
  bool header_signing() const { return header_signing_; }
  size_t held_size() const { return contexts_.size() * kContextSize; }

 private:
  const auth::Authenticator* const authenticator_;
  std::map<uint32_t, SecurityContext> contexts_;  // by auth_context_id
  bool header_signing_ = false;
};

}  // namespace braid::rpc
