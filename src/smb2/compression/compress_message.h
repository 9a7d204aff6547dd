// Compressing what goes out. [MS-SMB2] 3.1.4.4 "Compressing the Message".
#pragma once

#include <optional>
#include <span>

#include "base/bytes.h"
#include "smb2/compression/negotiated_compression.h"

namespace braid::smb2 {

class CompressionTrials;

// A stretch of a message on its way out.
struct OutSegment {
  ByteView bytes;
  // Where is noted whether it became smaller; null: it stays as it is.
  CompressionTrials* trials = nullptr;
};

// The message that these are, with its transform header. Nothing if that is not worth it. Takes
// long when it is long, and for a while as much memory as the message once more. Thread: any.
// REQUIRES: negotiated.is_on().
std::optional<Bytes> compress_message(std::span<const OutSegment> segments,
                                      const NegotiatedCompression& negotiated);

}  // namespace braid::smb2
