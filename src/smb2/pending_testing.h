// For tests: requests that have to wait.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "smb2/raw_client_testing.h"

namespace braid::smb2 {

// Sends a request, the last that `client` made, and expects an interim answer; its MessageId.
inline uint64_t send_pending(RawClient& client, Bytes message) {
  const uint64_t id = client.next_message_id - 1;
  client.send(std::move(message));
  const auto interim = client.receive();
  EXPECT_TRUE(interim && interim->status() == NtStatus::kPending);
  EXPECT_TRUE(interim && interim->header.is_async());
  return id;
}

}  // namespace braid::smb2
