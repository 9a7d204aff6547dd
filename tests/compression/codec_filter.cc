// codec_filter: the codecs of src/codec for a program in another language. For each request on
// standard input: one letter, "c" compress or "d" decompress; one digit, the place of the algorithm
// in codec::kAlgorithms; the input's size and the room for the output, 32 bits each in this
// machine's order; the input. The answer: one byte, whether it went well; the size of the output,
// and the output.
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "codec/codec.h"

namespace {

using namespace braid;

bool read_all(void* into, size_t size) { return std::fread(into, 1, size, stdin) == size; }

std::optional<size_t> run(char what, codec::Algorithm algorithm, ByteView in, MutableByteView out) {
  if (what == 'c') return codec::compress(algorithm, in, out);
  return codec::decompress(algorithm, in, out) ? std::optional(out.size()) : std::nullopt;
}

}  // namespace

int main() {
  struct {
    char what;
    char algorithm;
  } head;
  while (read_all(&head, sizeof(head))) {
    uint32_t sizes[2];
    const auto place = static_cast<size_t>(head.algorithm - '0');
    if (!read_all(sizes, sizeof(sizes)) || place >= std::size(codec::kAlgorithms)) return 1;
    std::vector<uint8_t> in(sizes[0]), out(sizes[1]);
    if (!read_all(in.data(), in.size())) return 1;
    const std::optional<size_t> done = run(head.what, codec::kAlgorithms[place], in, out);
    const auto size = static_cast<uint32_t>(done.value_or(0));
    std::putchar(done ? 1 : 0);
    std::fwrite(&size, sizeof(size), 1, stdout);
    std::fwrite(out.data(), 1, size, stdout);
    std::fflush(stdout);
  }
}
