// CompressedMessage: what is in a received message that came compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "smb2/compression/negotiated_compression.h"

namespace braid::smb2 {

// Views the received bytes. Made before anything is allocated for what it becomes. Thread: any.
class CompressedMessage {
 public:
  // Nothing when the connection must end. [MS-SMB2] 3.3.5.2.1.2 "Decompressing the Message" and
  // 3.1.5.3 "Decompressing the Chained Message": all that can be judged by sizes. `transfer_max`:
  // the largest of Connection.MaxReadSize and the others; `size_max`: of the whole message.
  static std::optional<CompressedMessage> decode(ByteView message,
                                                 const NegotiatedCompression& negotiated,
                                                 size_t transfer_max, size_t size_max);

  // What decompress() takes room of.
  size_t size() const { return size_; }
  // Whether decompress() takes no longer than a reactor has for it, whatever is in the data.
  bool is_quick() const;
  // False when the connection must end: it is no compressed data, or of another size. Nothing of
  // the room is left as it was otherwise. REQUIRES: room of size() bytes. Takes long when it is
  // long.
  bool decompress(MutableByteView room) const;

 private:
  struct Payload {
    wire::CompressionAlgorithm algorithm = wire::CompressionAlgorithm::kNone;
    ByteView data;
    uint64_t size = 0;    // decompressed
    uint8_t pattern = 0;  // of Pattern_V1
  };

  bool add(Payload payload, uint64_t size_max);
  bool decode_chain(wire::Reader& reader, const NegotiatedCompression& negotiated,
                    uint64_t original_size);

  std::vector<Payload> payloads_;
  uint64_t size_ = 0;
};

}  // namespace braid::smb2
