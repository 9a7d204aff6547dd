// CreateKey: by what a CREATE is known when it comes again.
#pragma once

#include <functional>

#include "base/ids.h"
#include "filestate/types.h"

namespace braid::smb2 {

// Names a CREATE of a user of a client that may be sent again. A ClientGuid is no secret, and
// others may come with it.
struct CreateKey {
  ClientGuid client;
  CreateGuid guid;
  filestate::UserId user{};
  bool operator==(const CreateKey&) const = default;
};

}  // namespace braid::smb2

template <>
struct std::hash<braid::smb2::CreateKey> {
  size_t operator()(const braid::smb2::CreateKey& key) const {
    return (std::hash<braid::ClientGuid>{}(key.client) * 31 ^
            std::hash<braid::CreateGuid>{}(key.guid)) *
               31 ^
           std::hash<braid::filestate::UserId>{}(key.user);
  }
};
