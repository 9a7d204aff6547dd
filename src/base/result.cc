#include "base/result.h"

#include <cstring>

namespace braid {

std::string Error::message() const {
  switch (fault_) {
    case Fault::kTruncated:
      return "truncated";
    case Fault::kMalformed:
      return "malformed";
    case Fault::kUnsupported:
      return "unsupported";
    case Fault::kOs:
      return std::strerror(static_cast<int>(code_));
    case Fault::kStatus:
      return std::string(name_of(status()));
  }
  return "unknown error";
}

}  // namespace braid
