// The pipes there are.
#pragma once

#include <memory>
#include <string_view>

#include "base/memory_budget.h"
#include "base/result.h"
#include "rpc/caller_info.h"
#include "rpc/directory.h"
#include "rpc/pipe.h"

namespace braid::rpc {

// Opens pipes by name from a fixed list; a name is compared, never used as a path. Owned by the
// server, outlives its pipes. Thread: any.
class PipeRegistry {
 public:
  // `authenticator`, which outlives it, is who RPC's own logons are for; null: they are refused,
  // and clients go on as who the session says.
  explicit PipeRegistry(const Directory& directory,
                        const auth::Authenticator* authenticator = nullptr)
      : directory_(directory), authenticator_(authenticator) {}

  // Names as in CREATE on IPC$, without regard to case, with or without "PIPE\" before them:
  // srvsvc, wkssvc, lsarpc (lsass), samr. kObjectNameNotFound for any other; kAccessDenied for
  // anonymous callers where the pipe is not for them. What the pipe holds, requests that are not
  // whole and answers that are not read, counts in `memory`, if there is one.
  Result<std::unique_ptr<Pipe>> open(std::string_view name, const CallerInfo& caller,
                                     std::shared_ptr<MemoryAccount> memory = nullptr) const;
  static bool exists(std::string_view name);

 private:
  Directory directory_;
  const auth::Authenticator* authenticator_;
};

}  // namespace braid::rpc
