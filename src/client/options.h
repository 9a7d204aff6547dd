// What a client asks for when it connects and logs on.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/negotiate_context.h"

namespace braid::client {

// What NEGOTIATE offers. The defaults are those of a modern client that takes what is best.
struct ConnectionOptions {
  std::vector<wire::Dialect> dialects = {wire::Dialect::kSmb202, wire::Dialect::kSmb210,
                                         wire::Dialect::kSmb300, wire::Dialect::kSmb302,
                                         wire::Dialect::kSmb311};
  uint16_t security_mode = wire::SecurityMode::kSigningEnabled;
  uint32_t capabilities = wire::Capabilities::kLeasing | wire::Capabilities::kLargeMtu |
                          wire::Capabilities::kMultiChannel |
                          wire::Capabilities::kPersistentHandles |
                          wire::Capabilities::kDirectoryLeasing | wire::Capabilities::kEncryption;
  ClientGuid client_guid;  // a random one if zero
  // 3.1.1 only. An empty list leaves the context out.
  std::vector<wire::Cipher> ciphers = {wire::Cipher::kAes128Gcm, wire::Cipher::kAes128Ccm,
                                       wire::Cipher::kAes256Gcm, wire::Cipher::kAes256Ccm};
  std::vector<wire::SigningAlgorithm> signing_algorithms = {wire::SigningAlgorithm::kAesGmac,
                                                            wire::SigningAlgorithm::kAesCmac,
                                                            wire::SigningAlgorithm::kHmacSha256};
  // 3.1.1 only, in order of preference. With any, data of 4 KiB and more is written compressed when
  // that is smaller, and reads ask for it.
  std::vector<wire::CompressionAlgorithm> compression_algorithms;
  bool chained_compression = true;
  std::optional<std::string> netname;
  bool posix_extensions = false;

  // Over a network card with RDMA: data of so many bytes and more goes past the messages, unless it
  // has to be encrypted, or the server wants all signed, and neither was agreed on for such data.
  // 0: none does.
  uint32_t placed_from = 4096;
  // 3.1.1 over such a card only. An empty list leaves the context out.
  std::vector<wire::RdmaTransformId> rdma_transforms = {wire::RdmaTransformId::kEncryption,
                                                        wire::RdmaTransformId::kSigning};

  // Credits the client tries to hold: each request asks for its own charge and what is missing.
  uint16_t credits_wanted = 512;
  // How long a response may take before the call fails with ETIMEDOUT.
  std::chrono::nanoseconds response_timeout = std::chrono::seconds(60);
};

struct SessionOptions {
  uint8_t security_mode = wire::SecurityMode::kSigningEnabled;
  uint32_t capabilities = 0;
  SessionId previous_session_id;
  // What is done with every request unless the session, the share or the request wants more.
  enum class Security : uint8_t { kAsServerWants, kSign, kEncrypt };
  Security security = Security::kSign;
};

}  // namespace braid::client
