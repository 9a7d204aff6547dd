// A Connection's NEGOTIATE.
#include <algorithm>

#include "client/connection.h"

namespace braid::client {

namespace {

// What Windows sends, and enough to make the hash unpredictable.
constexpr size_t kSaltSize = 32;

// `has_card`: of a connection over a network card with RDMA.
wire::NegotiateRequest request_of(const ConnectionOptions& options, bool has_card, ByteView salt) {
  wire::NegotiateRequest request;
  request.security_mode = options.security_mode;
  request.client_guid = options.client_guid;
  request.dialects = options.dialects;
  // [MS-SMB2] 2.2.3: a client without 3.x has neither capabilities nor, with 2.0.2 only, a GUID.
  const auto newest = std::ranges::max(options.dialects);
  if (newest >= wire::Dialect::kSmb300) request.capabilities = options.capabilities;
  if (newest == wire::Dialect::kSmb202) request.client_guid = {};
  if (!request.offers(wire::Dialect::kSmb311)) return request;

  wire::NegotiateContexts contexts;
  contexts.preauth_integrity_capabilities = {.hash_algorithms = {wire::HashAlgorithm::kSha512},
                                             .salt = salt};
  if (!options.ciphers.empty()) contexts.encryption_capabilities = options.ciphers;
  if (!options.signing_algorithms.empty()) {
    contexts.signing_capabilities = options.signing_algorithms;
  }
  if (!options.compression_algorithms.empty()) {
    auto& offered = contexts.compression_capabilities.emplace();
    offered.compression_algorithms = options.compression_algorithms;
    if (options.chained_compression) offered.flags = wire::CompressionCapabilities::kFlagChained;
  }
  if (has_card && !options.rdma_transforms.empty()) {
    contexts.rdma_transform_capabilities.emplace().rdma_transform_ids = options.rdma_transforms;
  }
  contexts.netname = options.netname;
  contexts.posix_extensions_available = options.posix_extensions;
  request.contexts = std::move(contexts);
  return request;
}

}  // namespace

Task<Result<void>> Connection::negotiate() {
  std::array<uint8_t, kSaltSize> salt;
  crypto::random_bytes(salt);
  BRAID_CO_TRY(const ExchangePtr exchange,
               co_await start(make_request(
                   wire::Command::kNegotiate,
                   request_of(options_, transport_->remote_memory() != nullptr, salt))));
  BRAID_CO_TRY(const auto reply, co_await exchange->reply<wire::NegotiateResponse>());
  adopt(reply.body);
  if (dialect_ == wire::Dialect::kSmb311) {
    preauth_hash_.extend(exchange->sent());
    preauth_hash_.extend(reply.response.message);
  }
  co_return Result<void>{};
}

// [MS-SMB2] 3.2.5.2 "Receiving an SMB2 NEGOTIATE Response".
void Connection::adopt(const wire::NegotiateResponse& response) {
  using wire::Dialect;
  dialect_ = response.dialect_revision;
  capabilities_ = response.capabilities;
  server_security_mode_ = response.security_mode;
  max_transact_size_ = response.max_transact_size;
  max_read_size_ = response.max_read_size;
  max_write_size_ = response.max_write_size;
  server_guid_ = response.server_guid;
  security_token_.assign(response.security_buffer.begin(), response.security_buffer.end());
  signing_algorithm_ = dialect_ >= Dialect::kSmb300 ? crypto::SigningAlgorithm::kAesCmac
                                                    : crypto::SigningAlgorithm::kHmacSha256;
  if (dialect_ == Dialect::kSmb300 || dialect_ == Dialect::kSmb302) {
    const bool encrypts = (capabilities_ & wire::Capabilities::kEncryption) != 0;
    cipher_ = encrypts ? crypto::Cipher::kAes128Ccm : crypto::Cipher::kNone;
  }
  if (dialect_ != Dialect::kSmb311 || !response.contexts) return;
  if (const auto& ciphers = response.contexts->encryption_capabilities) {
    cipher_ = static_cast<crypto::Cipher>(ciphers->front());
  }
  if (const auto& algorithms = response.contexts->signing_capabilities) {
    signing_algorithm_ = static_cast<crypto::SigningAlgorithm>(algorithms->front());
  }
  if (const auto& agreed = response.contexts->compression_capabilities) {
    compression_.algorithms = agreed->compression_algorithms;
    std::erase(compression_.algorithms, wire::CompressionAlgorithm::kNone);
    compression_.is_chained = (agreed->flags & wire::CompressionCapabilities::kFlagChained) != 0;
  }
  if (const auto& agreed = response.contexts->rdma_transform_capabilities) {
    const auto has = [&](wire::RdmaTransformId id) {
      return std::ranges::find(options_.rdma_transforms, id) != options_.rdma_transforms.end() &&
             std::ranges::find(agreed->rdma_transform_ids, id) != agreed->rdma_transform_ids.end();
    };
    rdma_transforms_ = {.encryption = has(wire::RdmaTransformId::kEncryption),
                        .signing = has(wire::RdmaTransformId::kSigning)};
  }
  posix_extensions_ = response.contexts->posix_extensions_available;
}

}  // namespace braid::client
