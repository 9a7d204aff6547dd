// Ending the opens of an application that has moved to another client. [MS-SMB2] 3.3.5.9.13
// "Handling the SMB2_CREATE_APP_INSTANCE_ID and SMB2_CREATE_APP_INSTANCE_VERSION Create Contexts".
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/task.h"
#include "smb2/workers/questions.h"
#include "wire/reader.h"
#include "wire/smb2/create_context.h"
#include "wire/writer.h"

namespace braid::smb2 {

class FileServices;

// Who comes, and for which file. Other workers are asked with it.
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

// Their answer.
struct AppInstanceVerdict {
  bool has_newer = false;

  void encode(wire::Writer& w) const { w.u8(has_newer); }
  static Result<AppInstanceVerdict> decode(wire::Reader& r) {
    const AppInstanceVerdict verdict{r.u8() != 0};
    return r.finish(verdict);
  }
};

// Topic::kOpens. Owned by FileServices. Thread: any.
class AppInstances {
 public:
  AppInstances(FileServices& files, OtherWorkers& workers);

  // Whether there may be an open of this instance, here or elsewhere.
  bool may_have(const AppInstanceId& id) const;
  // Ends the opens, of all workers, that are of the same instance and another client. True: one of
  // them is newer, and stays. STATUS_INSUFFICIENT_RESOURCES: not all could be asked. Continues with
  // `executor`, or on a thread of the worker pool.
  Task<Result<bool>> end(AppInstanceArrival arrival, Executor& executor);

 private:
  Task<bool> end_here(AppInstanceArrival arrival);
  Task<void> answer(Question question);

  FileServices& files_;
  OtherWorkers& workers_;
  Questions questions_;
};

}  // namespace braid::smb2
