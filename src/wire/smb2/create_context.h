// The contexts of CREATE, parsed once into a fixed struct.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/access_mask.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_LEASE_*
struct LeaseState {
  static constexpr uint32_t kNone = 0x00000000;
  static constexpr uint32_t kReadCaching = 0x00000001;
  static constexpr uint32_t kHandleCaching = 0x00000002;
  static constexpr uint32_t kWriteCaching = 0x00000004;
  static constexpr uint32_t kAll = kReadCaching | kHandleCaching | kWriteCaching;
};
// SMB2_LEASE_FLAG_*
struct LeaseFlags {
  static constexpr uint32_t kBreakInProgress = 0x00000002;
  static constexpr uint32_t kParentLeaseKeySet = 0x00000004;
};
// SMB2_DHANDLE_FLAG_*
struct DurableHandleFlags {
  static constexpr uint32_t kPersistent = 0x00000002;
};

// One shape for four structures, [MS-SMB2] 2.2.13.2.8 "SMB2_CREATE_REQUEST_LEASE", 2.2.13.2.10
// "SMB2_CREATE_REQUEST_LEASE_V2", 2.2.14.2.10 "SMB2_CREATE_RESPONSE_LEASE" and 2.2.14.2.11
// "SMB2_CREATE_RESPONSE_LEASE_V2": the context's length (32 or 52) tells the version.
struct LeaseContext {
  uint8_t version = 1;
  LeaseKey lease_key;
  uint32_t lease_state = 0;   // LeaseState
  uint32_t lease_flags = 0;   // LeaseFlags
  LeaseKey parent_lease_key;  // version 2
  uint16_t epoch = 0;         // version 2

  bool operator==(const LeaseContext&) const = default;
};

// 2.2.13.2.11 "SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2"
struct DurableHandleRequestV2 {
  uint32_t timeout_ms = 0;  // 0: the server chooses
  uint32_t flags = 0;       // DurableHandleFlags
  CreateGuid create_guid;
};
// 2.2.13.2.12 "SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2"
struct DurableHandleReconnectV2 {
  FileId file_id;
  CreateGuid create_guid;
  uint32_t flags = 0;  // DurableHandleFlags
};
// 2.2.13.2.5 "SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST"
struct QueryMaximalAccessRequest {
  std::optional<FileTime> timestamp;
};
// 2.2.13.2.15 "SMB2_CREATE_APP_INSTANCE_VERSION"
struct AppInstanceVersion {
  uint64_t app_instance_version_high = 0;
  uint64_t app_instance_version_low = 0;
  auto operator<=>(const AppInstanceVersion&) const = default;
};
// SMB3 POSIX Extensions: permissions for a new file.
struct PosixCreateRequest {
  uint32_t mode = 0;
};

// [MS-SMB2] 2.2.13.2 "SMB2_CREATE_CONTEXT Request Values". Views point into the message when
// decoded. Unknown names are skipped; of one name that comes twice the first counts.
struct CreateRequestContexts {
  // Sixteen names are known, and a chain costs at least 24 bytes a link.
  static constexpr size_t kCountMax = 256;

  std::optional<ByteView> ea_buffer;               // "ExtA": FILE_FULL_EA_INFORMATION list
  std::optional<ByteView> sd_buffer;               // "SecD": self-relative descriptor
  bool durable_handle_request = false;             // "DHnQ"
  std::optional<FileId> durable_handle_reconnect;  // "DHnC"
  std::optional<DurableHandleRequestV2> durable_handle_request_v2;      // "DH2Q"
  std::optional<DurableHandleReconnectV2> durable_handle_reconnect_v2;  // "DH2C"
  std::optional<uint64_t> allocation_size;                              // "AlSi"
  std::optional<QueryMaximalAccessRequest> query_maximal_access;        // "MxAc"
  std::optional<FileTime> timewarp_token;                               // "TWrp"
  bool query_on_disk_id = false;                                        // "QFid"
  std::optional<LeaseContext> request_lease;                            // "RqLs"
  std::optional<AppInstanceId> app_instance_id;
  std::optional<AppInstanceVersion> app_instance_version;
  std::optional<PosixCreateRequest> posix;
  std::optional<ByteView> aapl;  // "AAPL", undecoded

  bool empty() const;

  // The Reader holds the context list and nothing else. Malformed: a broken chain, or a known name
  // with data of a wrong length.
  static Result<CreateRequestContexts> decode(Reader& r);
  // Appends the list; REQUIRES that the Writer stands at a multiple of 8.
  void encode(Writer& w) const;
};

// 2.2.14.2.5 "SMB2_CREATE_QUERY_MAXIMAL_ACCESS_RESPONSE"
struct QueryMaximalAccessResponse {
  NtStatus query_status = NtStatus::kSuccess;
  AccessMask maximal_access = 0;
};
// 2.2.14.2.9 "SMB2_CREATE_QUERY_ON_DISK_ID"
struct QueryOnDiskIdResponse {
  uint64_t disk_file_id = 0;
  uint64_t volume_id = 0;
};
// 2.2.14.2.12 "SMB2_CREATE_DURABLE_HANDLE_RESPONSE_V2"
struct DurableHandleResponseV2 {
  uint32_t timeout_ms = 0;
  uint32_t flags = 0;  // DurableHandleFlags
};
// SMB3 POSIX Extensions.
struct PosixCreateResponse {
  uint32_t number_of_links = 0;
  uint32_t reparse_tag = 0;
  uint32_t mode = 0;
  ByteView owner_sid;  // encoded SIDs, [MS-DTYP] 2.4.2.2; into the message when decoded
  ByteView group_sid;
};

// [MS-SMB2] 2.2.14.2 "SMB2_CREATE_CONTEXT Response Values".
struct CreateResponseContexts {
  bool durable_handle_response = false;                               // "DHnQ"
  std::optional<QueryMaximalAccessResponse> query_maximal_access;     // "MxAc"
  std::optional<QueryOnDiskIdResponse> query_on_disk_id;              // "QFid"
  std::optional<LeaseContext> response_lease;                         // "RqLs"
  std::optional<DurableHandleResponseV2> durable_handle_response_v2;  // "DH2Q"
  std::optional<PosixCreateResponse> posix;
  std::optional<ByteView> aapl;  // "AAPL", undecoded

  bool empty() const;

  static Result<CreateResponseContexts> decode(Reader& r);
  void encode(Writer& w) const;  // as for requests
};

}  // namespace braid::wire
