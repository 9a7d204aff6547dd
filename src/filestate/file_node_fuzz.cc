// A record that is not one must be refused, and one that is taken must hold together.
#include <cstdlib>

#include "filestate/file_node.h"
#include "filestate/file_node_testing.h"
#include "wire/reader.h"

using namespace braid;
using namespace braid::filestate;

namespace {

// A value and any number of parts, each with its length before it.
NodeImage read_image(wire::Reader& r) {
  const auto bytes = [&] {
    const ByteView view = r.bytes(std::min<size_t>(r.u16(), r.remaining()));
    return Bytes(view.begin(), view.end());
  };
  NodeImage image;
  image.head = bytes();
  while (r.remaining() > 0) {
    const uint32_t number = r.u8();
    Bytes value = bytes();
    if (!value.empty()) image.parts[number] = std::move(value);
  }
  return image;
}

// What was read is written and read as the same.
void expect_same_again(FileNode& node) {
  const NodeImage once = whole(node);
  FileNode again(node.main.key(), 0, FileNode::Sharing::kSeveral);
  if (!again.take(once.head, once.values())) std::abort();
  if (whole(again) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  wire::Reader r(ByteView(data, size));
  const NodeImage first = read_image(r);
  (void)FileNode::may_have_path(first.head, [](std::string_view path) { return path.empty(); });
  FileNode node({1, 2, 0}, 0, FileNode::Sharing::kSeveral);
  if (!node.take(first.head, first.values())) return 0;
  expect_same_again(node);

  // It can be worked with.
  node.for_each_state([](FileState& state) {
    Outcome out;
    OpenRequest request;
    request.token = {~uint64_t{0}};
    request.granted_access = kFileReadData | kFileWriteData | kDelete;
    if (!state.find(request.token)) state.open(request, out);
    state.drop([](OpenToken token) { return token.value % 2 == 0; }, out);
    state.break_timed_out(1, out);
    state.close(request.token, out);
  });
  expect_same_again(node);

  // And become something else: what the first had at the even numbers goes.
  std::vector<FileNode::PartValue> gone;
  node.parts->for_each(0, store::kPartsMax, [&](uint32_t number) {
    if (number % 2 == 0) gone.emplace_back(number, ByteView{});
  });
  const NodeImage now = whole(node);
  if (node.take(now.head, gone)) expect_same_again(node);
  return 0;
}
