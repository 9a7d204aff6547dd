// LogonNews: what workers tell each other of logons that failed.
#pragma once

#include "auth/logon_penalties.h"
#include "base/result.h"
#include "smb2/workers/other_workers.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

struct LogonMessage {
  auth::LogonClaim claim;  // without its connection
  auth::LogonPenalties::News news{};

  void encode(wire::Writer& w) const;
  static Result<LogonMessage> decode(wire::Reader& r);
};

// A guesser must not have a fresh start with each worker. Topic::kLogons. Owned by LogonServices.
// Thread: any.
class LogonNews {
 public:
  LogonNews(auth::LogonPenalties& penalties, OtherWorkers& workers);

  // LogonPenalties::hear() of the others.
  void tell(const auth::LogonClaim& claim, auth::LogonPenalties::News news);

 private:
  OtherWorkers& workers_;
};

}  // namespace braid::smb2
