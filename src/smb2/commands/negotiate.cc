// [MS-SMB2] 3.3.5.3 "Receiving an SMB_COM_NEGOTIATE" and 3.3.5.4 "Receiving an SMB2 NEGOTIATE
// Request".
#include "wire/smb2/negotiate.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "smb2/commands/commands.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/connections/smb1_negotiate.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"
#include "transport/remote_memory.h"
#include "wire/smb2/smb1_negotiate.h"

namespace braid::smb2 {
namespace {

using wire::Capabilities;
using wire::Dialect;

constexpr std::array kDialectsNewestFirst = {Dialect::kSmb311, Dialect::kSmb302, Dialect::kSmb300,
                                             Dialect::kSmb210, Dialect::kSmb202};
// Fast and safe first. [MS-SMB2] leaves the choice to the server.
constexpr std::array kCiphersBestFirst = {wire::Cipher::kAes128Gcm, wire::Cipher::kAes256Gcm,
                                          wire::Cipher::kAes128Ccm, wire::Cipher::kAes256Ccm};
constexpr std::array kSigningBestFirst = {wire::SigningAlgorithm::kAesGmac,
                                          wire::SigningAlgorithm::kAesCmac,
                                          wire::SigningAlgorithm::kHmacSha256};
// The size Windows and Samba use.
constexpr size_t kSaltSize = 32;

bool is_allowed(const config::Server& settings, Dialect dialect) {
  const auto number = static_cast<uint16_t>(dialect);
  return number >= static_cast<uint16_t>(settings.min_dialect) &&
         number <= static_cast<uint16_t>(settings.max_dialect);
}

template <class List, class Offered>
auto first_common(const List& wanted, const Offered& offered) {
  for (auto candidate : wanted) {
    if (std::ranges::find(offered, candidate) != offered.end()) return std::optional(candidate);
  }
  return std::optional<typename List::value_type>{};
}

uint16_t security_mode(const config::Server& settings) {
  uint16_t mode = wire::SecurityMode::kSigningEnabled;
  if (settings.signing == config::Signing::kRequired) mode |= wire::SecurityMode::kSigningRequired;
  return mode;
}

// What every answer has in common.
wire::NegotiateResponse common_response(Server& server, Connection& connection,
                                        Negotiated& negotiated) {
  uint32_t size =
      negotiated.supports_multi_credit ? kMaxTransferSize : kMaxTransferSizeSingleCredit;
  if (const auto* card = connection.transport().remote_memory()) {
    size = std::min(size, card->max_transfer_size());
  }
  negotiated.max_transact_size = negotiated.max_read_size = negotiated.max_write_size = size;
  negotiated.server_security_mode = security_mode(*server.settings.server());
  wire::NegotiateResponse response;
  response.security_mode = negotiated.server_security_mode;
  response.dialect_revision = negotiated.dialect;
  response.server_guid = server.server_guid();
  response.capabilities = negotiated.server_capabilities;
  response.max_transact_size = response.max_read_size = response.max_write_size = size;
  response.system_time = server.logons.clock.now();
  response.security_buffer = server.logons.authenticator.initial_hint();
  return response;
}

uint32_t capabilities(const Server& server, const Negotiated& negotiated) {
  if (negotiated.dialect == Dialect::kSmb202) return 0;
  uint32_t ours = Capabilities::kLargeMtu | Capabilities::kLeasing;
  if (negotiated.is_smb3()) {
    ours |= negotiated.client_capabilities &
            (Capabilities::kDirectoryLeasing | Capabilities::kMultiChannel |
             (server.files.persistent->any() ? Capabilities::kPersistentHandles : 0));
  }
  if (negotiated.dialect == Dialect::kSmb311) {
    ours |= negotiated.client_capabilities & Capabilities::kNotifications;
  }
  // In 3.1.1 the cipher context says it.
  if ((negotiated.dialect == Dialect::kSmb300 || negotiated.dialect == Dialect::kSmb302) &&
      negotiated.cipher != crypto::Cipher::kNone) {
    ours |= Capabilities::kEncryption;
  }
  return ours;
}

// Connection.CompressionIds: what both have, in the order received. The server's decides what it
// sends. Clients without chains have one only, as from the first Windows with compression: the
// kernel's takes no longer answer. Nothing where `allowed` is: then the context means nothing.
Result<std::optional<wire::CompressionCapabilities>> choose_compression(
    const std::optional<wire::CompressionCapabilities>& offered,
    const std::vector<config::Compression>& allowed, NegotiatedCompression& negotiated) {
  if (!offered || allowed.empty()) return std::nullopt;
  if (!offered->is_valid) return fail(NtStatus::kInvalidParameter);
  const auto is_allowed = [&](wire::CompressionAlgorithm id) {
    return std::ranges::find(allowed, static_cast<config::Compression>(id)) != allowed.end();
  };
  wire::CompressionCapabilities chosen;
  chosen.flags = offered->flags & wire::CompressionCapabilities::kFlagChained;
  negotiated.supports_chained_compression = chosen.flags != 0;
  for (const wire::CompressionAlgorithm each : offered->compression_algorithms) {
    if (!is_allowed(each) || negotiated.has(each)) continue;
    if (!negotiated.supports_chained_compression && (!codec_of(each) || negotiated.is_on()))
      continue;
    negotiated.add(each);
    chosen.compression_algorithms.push_back(each);
  }
  for (const config::Compression each : allowed) {
    const auto id = static_cast<wire::CompressionAlgorithm>(each);
    if (!negotiated.sent_with && negotiated.has(id)) negotiated.sent_with = codec_of(id);
  }
  if (chosen.compression_algorithms.empty()) {
    chosen.compression_algorithms = {wire::CompressionAlgorithm::kNone};
  }
  return chosen;
}

// What both have of it, with the cipher and the algorithm of this connection. Signing by GMAC only:
// any other signature of bytes that a user has chosen is that of a message, too.
Result<std::optional<wire::RdmaTransformCapabilities>> choose_rdma_transforms(
    const std::optional<wire::RdmaTransformCapabilities>& offered, Negotiated& negotiated) {
  using Id = wire::RdmaTransformId;
  if (!offered) return std::nullopt;
  if (!offered->is_valid) return fail(NtStatus::kInvalidParameter);
  const auto is_offered = [&](Id id) {
    return std::ranges::find(offered->rdma_transform_ids, id) != offered->rdma_transform_ids.end();
  };
  wire::RdmaTransforms& agreed = negotiated.rdma_transforms;
  agreed.encryption = is_offered(Id::kEncryption) && negotiated.cipher != crypto::Cipher::kNone;
  agreed.signing = is_offered(Id::kSigning) &&
                   negotiated.signing_algorithm == crypto::SigningAlgorithm::kAesGmac;
  wire::RdmaTransformCapabilities chosen;
  if (agreed.encryption) chosen.rdma_transform_ids.push_back(Id::kEncryption);
  if (agreed.signing) chosen.rdma_transform_ids.push_back(Id::kSigning);
  if (!agreed.any()) chosen.rdma_transform_ids.push_back(Id::kNone);
  return chosen;
}

// The 3.1.1 part: what is chosen from the client's contexts, and the answer's.
Result<wire::NegotiateContexts> choose_contexts(const wire::NegotiateContexts& offered,
                                                const std::vector<config::Compression>& compression,
                                                bool has_rdma, Negotiated& negotiated,
                                                Bytes& salt) {
  if (!offered.preauth_integrity_capabilities) return fail(NtStatus::kInvalidParameter);
  const auto& hashes = offered.preauth_integrity_capabilities->hash_algorithms;
  if (std::ranges::find(hashes, wire::HashAlgorithm::kSha512) == hashes.end()) {
    return fail(NtStatus::kSmbNoPreauthIntegrityHashOverlap);
  }
  wire::NegotiateContexts chosen;
  salt.resize(kSaltSize);
  crypto::random_bytes(salt);
  chosen.preauth_integrity_capabilities = {{wire::HashAlgorithm::kSha512}, salt};

  if (offered.encryption_capabilities) {
    const auto cipher = first_common(kCiphersBestFirst, *offered.encryption_capabilities)
                            .value_or(wire::Cipher::kNone);
    negotiated.cipher = static_cast<crypto::Cipher>(cipher);
    chosen.encryption_capabilities = {cipher};
  }
  if (offered.signing_capabilities) {
    const auto algorithm = first_common(kSigningBestFirst, *offered.signing_capabilities)
                               .value_or(wire::SigningAlgorithm::kAesCmac);
    negotiated.signing_algorithm = static_cast<crypto::SigningAlgorithm>(algorithm);
    chosen.signing_capabilities = {algorithm};
  }
  BRAID_TRY(
      chosen.compression_capabilities,
      choose_compression(offered.compression_capabilities, compression, negotiated.compression));
  if (has_rdma) {
    BRAID_TRY(chosen.rdma_transform_capabilities,
              choose_rdma_transforms(offered.rdma_transform_capabilities, negotiated));
  }
  return chosen;
}

// Whether any client may have the SMB3 POSIX Extensions: which share it will use is not known yet.
bool has_posix_share(const Server& server) {
  return std::ranges::any_of(server.settings.shares()->all(), [](const auto& entry) {
    return entry->type() == ShareType::kDisk && entry->configured().posix;
  });
}

}  // namespace

Task<Result<Reply>> handle_negotiate(Request& request) {
  Connection& connection = *request.connection;
  Server& server = request.server;
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto negotiate, wire::NegotiateRequest::decode(reader));

  Negotiated negotiated;
  negotiated.client_capabilities = negotiate.capabilities;
  negotiated.client_security_mode = negotiate.security_mode;
  negotiated.client_guid = negotiate.client_guid;
  negotiated.client_dialects = digest_of(negotiate.dialects);
  negotiated.should_sign = (negotiate.security_mode & wire::SecurityMode::kSigningRequired) != 0;
  for (const Dialect dialect : kDialectsNewestFirst) {
    if (negotiate.offers(dialect) && is_allowed(*server.settings.server(), dialect)) {
      negotiated.dialect = dialect;
      break;
    }
  }
  if (negotiated.dialect == Dialect::kNone) {
    log::info("{}: no dialect in common; the client offers up to {}, min_dialect is {}",
              connection.peer_host(), name_of(*std::ranges::max_element(negotiate.dialects)),
              name_of(static_cast<Dialect>(server.settings.server()->min_dialect)));
    co_return fail(NtStatus::kNotSupported);
  }
  negotiated.supports_multi_credit = negotiated.dialect != Dialect::kSmb202;

  Bytes salt;
  std::optional<wire::NegotiateContexts> contexts;
  if (negotiated.dialect == Dialect::kSmb311) {
    negotiated.signing_algorithm = crypto::SigningAlgorithm::kAesCmac;
    // A network card that writes to memory has no use for it: 3.1.4.4, of Windows.
    const bool is_rdma = connection.transport().remote_memory() != nullptr;
    const auto settings = server.settings.server();
    // Also over TCP: a client that comes over a card later offers there what it was told here.
    const bool has_rdma = is_rdma || server.rdma.any();
    BRAID_CO_TRY(contexts, choose_contexts(
                               *negotiate.contexts,
                               is_rdma ? std::vector<config::Compression>() : settings->compression,
                               has_rdma, negotiated, salt));
    contexts->posix_extensions_available =
        negotiate.contexts->posix_extensions_available && has_posix_share(server);
    negotiated.posix_extensions = contexts->posix_extensions_available;
  } else if (negotiated.is_smb3()) {
    negotiated.signing_algorithm = crypto::SigningAlgorithm::kAesCmac;
    if (negotiate.capabilities & Capabilities::kEncryption) {
      negotiated.cipher = crypto::Cipher::kAes128Ccm;
    }
  }
  negotiated.server_capabilities = capabilities(request.server, negotiated);

  wire::NegotiateResponse response = common_response(server, connection, negotiated);
  response.contexts = std::move(contexts);
  Reply reply = reply_with(response);

  connection.negotiated = std::move(negotiated);
  server.logons.client_table.add(connection);
  if (connection.negotiated.dialect == Dialect::kSmb311) {
    connection.preauth_integrity_hash.extend(request.message);
    request.on_reply_bytes = [&connection](ByteView bytes) {
      connection.preauth_integrity_hash.extend(bytes);
    };
  }
  co_return reply;
}

void resume_after_smb1_negotiate(Connection& connection) {
  connection.negotiated.dialect = Dialect::kWildcard;
  connection.command_sequence_window.restart(MessageId{1}, 1);
}

bool process_smb1_negotiate(Connection& connection, ByteView message) {
  // Once only, and not after an SMB2 NEGOTIATE.
  if (connection.negotiated.dialect != Dialect::kNone) return false;
  wire::Reader reader(message);
  const auto negotiate = wire::Smb1NegotiateRequest::decode(reader);
  if (!negotiate) return false;
  Server& server = connection.server();

  Negotiated negotiated;
  if (negotiate->offers(wire::Smb1NegotiateRequest::kSmb2Wildcard) &&
      server.settings.server()->max_dialect > config::Dialect::k2_0_2) {
    negotiated.dialect = Dialect::kWildcard;
  } else if (negotiate->offers(wire::Smb1NegotiateRequest::kSmb2002) &&
             is_allowed(*server.settings.server(), Dialect::kSmb202)) {
    negotiated.dialect = Dialect::kSmb202;
  } else {
    log::info("{}: the client speaks no SMB2 dialect that is allowed, dropped",
              connection.peer_host());
    return false;
  }
  // The SMB1 message stands for MessageId 0.
  if (!connection.command_sequence_window.take(MessageId{0}, 1)) return false;
  Reply reply = reply_with(common_response(server, connection, negotiated));
  wire::Header header;
  header.command = wire::Command::kNegotiate;
  header.flags = wire::HeaderFlags::kServerToRedir;
  header.credits = connection.command_sequence_window.grant(1, 1, false);
  Bytes encoded;
  wire::Writer writer(encoded);
  header.encode(writer);
  std::memcpy(reply.message.data(), encoded.data(), encoded.size());
  connection.negotiated = std::move(negotiated);
  connection.send_unsolicited(std::move(reply.message));
  return true;
}

}  // namespace braid::smb2
