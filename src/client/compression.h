// Compressed messages, as this client makes and reads them. It shares the codecs with the server
// and nothing else.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "client/options.h"

namespace braid::client {

// What NEGOTIATE settled.
struct Compression {
  std::vector<wire::CompressionAlgorithm> algorithms;  // in the order of the server's answer
  bool is_chained = false;
};

// [MS-SMB2] 3.1.4.4 "Compressing the Message": `head` stays as it is, `data` follows it compressed
// with the first algorithm that is one. Nothing if that is no smaller.
std::optional<Bytes> compress(ByteView head, ByteView data, const Compression& compression);

// [MS-SMB2] 3.2.5.1.1.2 "Decompressing the Message". Nothing if it is wrong in any way.
std::optional<Buffer> decompress(ByteView message, const Compression& compression, size_t size_max);

}  // namespace braid::client
