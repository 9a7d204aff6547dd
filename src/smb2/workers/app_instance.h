// Ending the opens of an application that has moved to another client. [MS-SMB2] 3.3.5.9.13
// "Handling the SMB2_CREATE_APP_INSTANCE_ID and SMB2_CREATE_APP_INSTANCE_VERSION Create Contexts".
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/task.h"
#include "wire/reader.h"
#include "wire/smb2/create_context.h"
#include "wire/writer.h"

namespace braid::smb2 {

class FileServices;

// Who comes, and for which file. A value: other workers are asked with it.
struct AppInstanceArrival {
  AppInstanceId id;
  std::optional<wire::AppInstanceVersion> version;
  bool compares_versions = false;  // 3.1.1
  bool may_end = false;            // its user may read the file
  ClientGuid client;               // whose own opens stay
  std::string share;
  FileKey file;
  std::string stream;

  void encode(wire::Writer& w) const;
  static Result<AppInstanceArrival> decode(wire::Reader& r);
};

// Ends the opens of this worker that are of the same instance and another client. True: one of
// them is newer, and stays. Continues on a thread of the worker pool.
Task<bool> end_instances_here(FileServices& files, AppInstanceArrival arrival);

}  // namespace braid::smb2
