#include "codec/codec.h"

#include "codec/lz4.h"
#include "codec/lz77.h"
#include "codec/lz77_huffman.h"
#include "codec/lznt1.h"

namespace braid::codec {

std::optional<size_t> compress(Algorithm algorithm, ByteView in, MutableByteView out) {
  if (in.empty() || in.size() > kSizeMax) return std::nullopt;
  switch (algorithm) {
    case Algorithm::kLznt1:
      return compress_lznt1(in, out);
    case Algorithm::kLz77:
      return compress_lz77(in, out);
    case Algorithm::kLz77Huffman:
      return compress_lz77_huffman(in, out);
    case Algorithm::kLz4:
      return compress_lz4(in, out);
  }
  return std::nullopt;
}

bool decompress(Algorithm algorithm, ByteView in, MutableByteView out) {
  if (in.size() > kSizeMax || out.size() > kSizeMax) return false;
  switch (algorithm) {
    case Algorithm::kLznt1:
      return decompress_lznt1(in, out);
    case Algorithm::kLz77:
      return decompress_lz77(in, out);
    case Algorithm::kLz77Huffman:
      return decompress_lz77_huffman(in, out);
    case Algorithm::kLz4:
      return decompress_lz4(in, out);
  }
  return false;
}

}  // namespace braid::codec
