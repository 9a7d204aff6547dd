#include "smb2/common/user_id.h"

#include <cstring>

#include "crypto/sha256.h"
#include "smb2/workers/worker_messages.h"
#include "wire/fold.h"

namespace braid::smb2 {

filestate::UserId user_id_of(const auth::Identity& identity) {
  auth::Identity user = identity;
  user.account_name = wire::fold(identity.account_name);
  Bytes bytes;
  wire::Writer w(bytes);
  encode_user(user, w);
  const crypto::Digest32 digest = crypto::sha256(bytes);
  filestate::UserId id;
  std::memcpy(&id.value, digest.data(), sizeof id.value);
  return id;
}

}  // namespace braid::smb2
