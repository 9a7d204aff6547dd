// A record that is not one must be refused, and one that is taken must hold together.
#include <cstdlib>

#include "filestate/file_node.h"

using namespace braid;
using namespace braid::filestate;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView record(data, size);
  (void)FileNode::path_in(record);
  const FileKey file{1, 2, 0};
  auto node = FileNode::decode(file, record);
  if (!node) return 0;
  // What was read is written and read as the same.
  Bytes once, twice;
  (*node)->encode(once);
  auto again = FileNode::decode(file, once);
  if (!again) std::abort();
  (*again)->encode(twice);
  if (once != twice) std::abort();
  // And it can be worked with.
  (*node)->for_each_state([](FileState& state) {
    Outcome out;
    OpenRequest request;
    request.token = {~uint64_t{0}};
    request.granted_access = kFileReadData | kFileWriteData | kDelete;
    state.open(request, out);
    state.drop([](OpenToken token) { return token.value % 2 == 0; }, out);
    state.break_timed_out(1, out);
    state.close(request.token, out);
  });
  return 0;
}
