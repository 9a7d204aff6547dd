// Statuses of RPC faults and the Win32 and NetApi codes that calls return.
#pragma once

#include <cstdint>

namespace braid::rpc {

// [C706] appendix E "Reject Status Codes and Parameters"; [MS-RPCE] 3.1.1.5.5 "Returning Win32
// Error Values".
enum class FaultStatus : uint32_t {
  kNone = 0,            // the call was carried out
  kWaits = 0xffffffff,  // it waits: Call::wait(); never sent
  kAccessDenied = 0x00000005,
  kInternalProtocolError = 0x000006C0,  // RPC_S_PROTOCOL_ERROR
  kBadStubData = 0x000006F7,
  kSecurityPackageError = 0x00000721,  // RPC_S_SEC_PKG_ERROR
  kCancelled = 0x1C00000D,             // by the client
  kContextMismatch = 0x1C00001A,       // a context handle nobody gave out
  kOperationRangeError = 0x1C010002,
  kUnknownInterface = 0x1C010003,
  kProtocolError = 0x1C01000B,
  kOutOfMemory = 0x1C00001B,
};

// [MS-ERREF] 2.2 "Win32 Error Codes" and [MS-SRVS] 2.2.2.10 "Common Error Codes", what calls here
// return.
namespace win32 {
inline constexpr uint32_t kSuccess = 0;
inline constexpr uint32_t kAccessDenied = 5;
inline constexpr uint32_t kInvalidParameter = 87;
inline constexpr uint32_t kInvalidName = 123;
inline constexpr uint32_t kInvalidLevel = 124;
inline constexpr uint32_t kMoreData = 234;
inline constexpr uint32_t kNetNameNotFound = 2310;
inline constexpr uint32_t kDeviceNotShared = 2311;
}  // namespace win32

}  // namespace braid::rpc
