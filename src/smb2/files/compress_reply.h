// Whether what is read from an open goes out compressed.
#pragma once

#include <cstddef>
#include <memory>

#include "smb2/compression/compression_trials.h"

namespace braid::smb2 {

class Request;

// Whether the client asked for it: SMB2_READFLAG_REQUEST_COMPRESSED.
enum class CompressionAsked : uint8_t { kNo, kYes };

// Request.CompressReply of [MS-SMB2] 3.3.1.13 "Per Request", for Reply::compress: null where it is
// not set, for what is short, and while the data of the open has shown not to shrink. REQUIRES: the
// request has an open of a disk share.
std::shared_ptr<CompressionTrials> compress_reply(const Request& request, CompressionAsked asked,
                                                  size_t size);

}  // namespace braid::smb2
