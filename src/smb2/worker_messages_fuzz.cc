// What workers ask and tell each other: what decodes stays the same when it is sent on. The first
// byte says which message it is.
#include <cstdlib>

#include "smb2/files/app_instance.h"
#include "smb2/files/deletion_news.h"
#include "smb2/files/open_claims.h"
#include "smb2/logons/bind_questions.h"
#include "smb2/logons/logon_news.h"
#include "smb2/logons/previous_session.h"
#include "smb2/opens/preserved_open_codec.h"
#include "smb2/workers/worker_messages.h"
#include "vfs/memory/memory_volume.h"

using namespace braid;
using namespace braid::smb2;

namespace {

template <class Message>
void expect_same_again(ByteView bytes) {
  wire::Reader r(bytes);
  const auto message = Message::decode(r);
  if (!message) return;
  const Bytes once = bytes_of(*message);
  wire::Reader again(once);
  const auto second = Message::decode(again);
  if (!second || bytes_of(*second) != once) std::abort();
}

// With a share that is there, and never the descriptor of a file of it.
void expect_refused(ByteView bytes) {
  static const ShareTable shares([] {
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->real_path = "/srv";
    share->volume = vfs::make_memory_volume();
    return std::vector<std::shared_ptr<const Share>>{share};
  }());
  if (decode_preserved_open(bytes, UniqueFd(), shares)) std::abort();
}

constexpr void (*kMessages[])(ByteView) = {
    expect_same_again<AppInstanceArrival>,
    expect_same_again<AppInstanceVerdict>,
    expect_same_again<ClaimQuestion>,
    expect_same_again<ClaimAnswer>,
    expect_same_again<ClaimEnd>,
    expect_same_again<DeletionQuestion>,
    expect_same_again<LogonMessage>,
    expect_same_again<PreviousSession>,
    expect_same_again<BindQuestion>,
    expect_same_again<BindVerdict>,
    expect_refused,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || data[0] >= std::size(kMessages)) return 0;
  kMessages[data[0]](ByteView(data, size).subspan(1));
  return 0;
}
