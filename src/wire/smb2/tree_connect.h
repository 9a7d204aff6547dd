// SMB2 TREE_CONNECT.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/access_mask.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.9.2 "SMB2 TREE_CONNECT_CONTEXT Request Values".
struct TreeConnectContext {
  static constexpr uint16_t kRemotedIdentity = 0x0001;
  uint16_t context_type = 0;
  ByteView data;  // into the message when decoded
};

// [MS-SMB2] 2.2.9 "SMB2 TREE_CONNECT Request", with 2.2.9.1 "SMB2 TREE_CONNECT Request Extension".
struct TreeConnectRequest {
  static constexpr uint16_t kFlagClusterReconnect = 0x0001;
  static constexpr uint16_t kFlagRedirectToOwner = 0x0002;
  static constexpr uint16_t kFlagExtensionPresent = 0x0004;
  // Only one type exists.
  static constexpr uint16_t kContextsMax = 16;

  uint16_t flags = 0;
  std::string path;                          // "\\server\share", UTF-8
  std::vector<TreeConnectContext> contexts;  // only with kFlagExtensionPresent

  static Result<TreeConnectRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

enum class ShareType : uint8_t { kDisk = 0x01, kPipe = 0x02, kPrint = 0x03 };

// SMB2_SHAREFLAG_*
struct ShareFlags {
  static constexpr uint32_t kManualCaching = 0x00000000;
  static constexpr uint32_t kAutoCaching = 0x00000010;
  static constexpr uint32_t kVdoCaching = 0x00000020;
  static constexpr uint32_t kNoCaching = 0x00000030;
  static constexpr uint32_t kDfs = 0x00000001;
  static constexpr uint32_t kDfsRoot = 0x00000002;
  static constexpr uint32_t kRestrictExclusiveOpens = 0x00000100;
  static constexpr uint32_t kForceSharedDelete = 0x00000200;
  static constexpr uint32_t kAllowNamespaceCaching = 0x00000400;
  static constexpr uint32_t kAccessBasedDirectoryEnum = 0x00000800;
  static constexpr uint32_t kForceLevelIiOplock = 0x00001000;
  static constexpr uint32_t kEnableHashV1 = 0x00002000;
  static constexpr uint32_t kEnableHashV2 = 0x00004000;
  static constexpr uint32_t kEncryptData = 0x00008000;
  static constexpr uint32_t kIdentityRemoting = 0x00040000;
  static constexpr uint32_t kCompressData = 0x00100000;
  static constexpr uint32_t kIsolatedTransport = 0x00200000;
};

// SMB2_SHARE_CAP_*
struct ShareCapabilities {
  static constexpr uint32_t kDfs = 0x00000008;
  static constexpr uint32_t kContinuousAvailability = 0x00000010;
  static constexpr uint32_t kScaleout = 0x00000020;
  static constexpr uint32_t kCluster = 0x00000040;
  static constexpr uint32_t kAsymmetric = 0x00000080;
  static constexpr uint32_t kRedirectToOwner = 0x00000100;
};

// [MS-SMB2] 2.2.10 "SMB2 TREE_CONNECT Response".
struct TreeConnectResponse {
  ShareType share_type = ShareType::kDisk;
  uint32_t share_flags = 0;   // ShareFlags
  uint32_t capabilities = 0;  // ShareCapabilities
  AccessMask maximal_access = 0;

  static Result<TreeConnectResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
