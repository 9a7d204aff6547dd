// What can be asked of a named pipe.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.4.37 "FilePipeInformation".
struct FilePipeInformation {
  uint32_t read_mode = 0;        // 0 byte stream, 1 messages
  uint32_t completion_mode = 0;  // 0 queue, 1 complete at once

  static Result<FilePipeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.38 "FilePipeLocalInformation".
struct FilePipeLocalInformation {
  static constexpr uint32_t kTypeMessage = 1;
  static constexpr uint32_t kConfigurationFullDuplex = 2;
  static constexpr uint32_t kStateConnected = 3;
  static constexpr uint32_t kClientEnd = 0;

  uint32_t named_pipe_type = kTypeMessage;
  uint32_t named_pipe_configuration = kConfigurationFullDuplex;
  uint32_t maximum_instances = 0xffffffff;  // no limit
  uint32_t current_instances = 1;
  uint32_t inbound_quota = 0;
  uint32_t read_data_available = 0;
  uint32_t outbound_quota = 0;
  uint32_t write_quota_available = 0;
  uint32_t named_pipe_state = kStateConnected;
  uint32_t named_pipe_end = kClientEnd;

  static Result<FilePipeLocalInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.39 "FilePipeRemoteInformation".
struct FilePipeRemoteInformation {
  uint64_t collect_data_time = 0;
  uint32_t maximum_collection_count = 0;

  static Result<FilePipeRemoteInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
