// Change events: the kernel's own, whose lengths are looked at all the same.
#include "smb2/notify/fanotify_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  for (const auto& record : smb2::decode_fanotify(ByteView(data, size))) {
    (void)smb2::changes_of(
        record, [](const smb2::DirectoryHandle& directory) { return directory.bytes; },
        [](const std::string& path) { return path.size() % 2 == 0; });
  }
  return 0;
}
