// What a 3.1.1 NEGOTIATE carries beyond its fixed fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.3.1 "SMB2 NEGOTIATE_CONTEXT Request Values".
enum class NegotiateContextType : uint16_t {
  kPreauthIntegrityCapabilities = 0x0001,
  kEncryptionCapabilities = 0x0002,
  kCompressionCapabilities = 0x0003,
  kNetnameNegotiateContextId = 0x0005,
  kTransportCapabilities = 0x0006,
  kRdmaTransformCapabilities = 0x0007,
  kSigningCapabilities = 0x0008,
  kPosixExtensionsAvailable = 0x0100,  // SMB3 POSIX Extensions, not in MS-SMB2
};

enum class HashAlgorithm : uint16_t { kSha512 = 0x0001 };
enum class Cipher : uint16_t {
  kNone = 0x0000,
  kAes128Ccm = 0x0001,
  kAes128Gcm = 0x0002,
  kAes256Ccm = 0x0003,
  kAes256Gcm = 0x0004,
};
enum class CompressionAlgorithm : uint16_t {
  kNone = 0x0000,
  kLznt1 = 0x0001,
  kLz77 = 0x0002,
  kLz77Huffman = 0x0003,
  kPatternV1 = 0x0004,
  kLz4 = 0x0005,
};
enum class RdmaTransformId : uint16_t { kNone = 0x0000, kEncryption = 0x0001, kSigning = 0x0002 };
enum class SigningAlgorithm : uint16_t {
  kHmacSha256 = 0x0000,
  kAesCmac = 0x0001,
  kAesGmac = 0x0002,
};

// 2.2.3.1.1 "SMB2_PREAUTH_INTEGRITY_CAPABILITIES"
struct PreauthIntegrityCapabilities {
  std::vector<HashAlgorithm> hash_algorithms;
  ByteView salt;  // into the message when decoded
};
// 2.2.3.1.3 "SMB2_COMPRESSION_CAPABILITIES"
struct CompressionCapabilities {
  static constexpr uint32_t kFlagNone = 0x00000000;
  static constexpr uint32_t kFlagChained = 0x00000001;
  uint32_t flags = 0;
  std::vector<CompressionAlgorithm> compression_algorithms;
  // False when it was decoded from less bytes than it speaks of, or names no algorithm: an error
  // for a receiver that compresses, and nothing for one that does not.
  bool is_valid = true;
};
// 2.2.3.1.6 "SMB2_RDMA_TRANSFORM_CAPABILITIES"
struct RdmaTransformCapabilities {
  std::vector<RdmaTransformId> rdma_transform_ids;
  // As of compression.
  bool is_valid = true;
};
// 2.2.3.1.5 "SMB2_TRANSPORT_CAPABILITIES"
struct TransportCapabilities {
  static constexpr uint32_t kAcceptTransportLevelSecurity = 0x00000001;
  uint32_t flags = 0;
};

// The whole list, each context at most once; types not named here are skipped. Lists keep the
// sender's order of preference and values nobody here knows.
struct NegotiateContexts {
  // A message of 64 KiB could claim 8000 contexts; clients send at most eight.
  static constexpr uint16_t kCountMax = 64;

  std::optional<PreauthIntegrityCapabilities> preauth_integrity_capabilities;
  std::optional<std::vector<Cipher>> encryption_capabilities;
  std::optional<CompressionCapabilities> compression_capabilities;
  std::optional<std::string> netname;  // UTF-8
  std::optional<TransportCapabilities> transport_capabilities;
  std::optional<RdmaTransformCapabilities> rdma_transform_capabilities;
  std::optional<std::vector<SigningAlgorithm>> signing_capabilities;
  // The id of the SMB3 POSIX Extensions is among those sent.
  bool posix_extensions_available = false;

  // `count` contexts from the Reader's position, which is a multiple of 8 from the message's start.
  // Malformed: one type twice, a list without elements (but of those that have is_valid), more than
  // kCountMax.
  static Result<NegotiateContexts> decode(Reader& r, uint16_t count);
  void encode(Writer& w) const;  // pads to 8 first
  uint16_t count() const;
};

}  // namespace braid::wire
