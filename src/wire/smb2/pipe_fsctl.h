// Payloads of the FSCTLs of named pipes.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.3.49 "FSCTL_PIPE_WAIT Request".
struct PipeWaitRequest {
  int64_t timeout = 0;  // units of 100 ms
  bool timeout_specified = false;
  std::string name;  // UTF-8, without "\pipe\"

  static Result<PipeWaitRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.46 "FSCTL_PIPE_PEEK Reply".
struct PipePeekReply {
  static constexpr size_t kHeadSize = 16;
  static constexpr uint32_t kConnectedState = 0x00000003;  // FILE_PIPE_CONNECTED_STATE
  static constexpr uint32_t kClosingState = 0x00000004;    // FILE_PIPE_CLOSING_STATE

  uint32_t named_pipe_state = kConnectedState;
  uint32_t read_data_available = 0;
  uint32_t number_of_messages = 0;
  uint32_t message_length = 0;
  ByteView data;  // into the payload when decoded

  static Result<PipePeekReply> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
