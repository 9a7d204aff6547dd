#include "client/response.h"

namespace braid::client {

bool has_body(NtStatus status) {
  switch (status) {
    case NtStatus::kBufferOverflow:
    case NtStatus::kMoreProcessingRequired:
      return true;
    default:
      return is_success(status);
  }
}

}  // namespace braid::client
