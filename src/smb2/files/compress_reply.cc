#include "smb2/files/compress_reply.h"

#include "smb2/compression/limits.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"

namespace braid::smb2 {

std::shared_ptr<CompressionTrials> compress_reply(const Request& request, CompressionAsked asked,
                                                  size_t size) {
  const NegotiatedCompression& negotiated = request.connection->negotiated.compression;
  if (!negotiated.is_on() || size < kCompressedMin) return nullptr;
  const bool is_asked = asked == CompressionAsked::kYes || request.compound.was_compressed();
  switch (request.tree_connect->share->compress) {
    case config::Compress::kOff:
      return nullptr;
    case config::Compress::kAsked:
      if (!is_asked) return nullptr;
      break;
    case config::Compress::kAlways:
      // The kernel's client compresses, and cannot read what is: it has no chains, and asks for
      // nothing. What has none and can read it asks, as the share says that it compresses.
      if (!is_asked && !negotiated.supports_chained_compression) return nullptr;
      break;
  }
  auto trials = request.open->compression_trials.lock();
  if (!*trials) *trials = std::make_shared<CompressionTrials>();
  return (*trials)->is_due() ? *trials : nullptr;
}

}  // namespace braid::smb2
