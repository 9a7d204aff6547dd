#include "apps/braid-bench/target.h"

#include <fmt/format.h>

#include "apps/braid-bench/arguments.h"
#include "auth/initiators.h"

namespace braid::bench {
namespace {

wire::CompressionAlgorithm compression_algorithm(std::string_view name) {
  using enum wire::CompressionAlgorithm;
  if (name == "lznt1") return kLznt1;
  if (name == "lz77") return kLz77;
  if (name == "lz77+huffman") return kLz77Huffman;
  if (name == "pattern_v1") return kPatternV1;
  return kLz4;
}

wire::Cipher cipher_of(const client::Connection& connection) {
  return static_cast<wire::Cipher>(connection.cipher());
}
wire::SigningAlgorithm signing_of(const client::Connection& connection) {
  return static_cast<wire::SigningAlgorithm>(connection.signing_algorithm());
}

// Whether what was asked for is what will be measured.
Outcome<void> check_protection(const client::Connection& connection, const Target& target) {
  switch (target.protection) {
    case Protection::kPlain:
      if ((connection.server_security_mode() & wire::SecurityMode::kSigningRequired) != 0) {
        return failure(fmt::format("{} demands signatures: nothing is plain there", target.server));
      }
      break;
    case Protection::kSigned:
      if (target.signing_algorithm && signing_of(connection) != *target.signing_algorithm) {
        return failure(fmt::format("{} does not sign with {}", target.server,
                                   name_of(*target.signing_algorithm)));
      }
      break;
    case Protection::kEncrypted:
      if (connection.cipher() == crypto::Cipher::kNone) {
        return failure(target.cipher ? fmt::format("{} does not encrypt with {}", target.server,
                                                   name_of(*target.cipher))
                                     : fmt::format("{} does not encrypt", target.server));
      }
      break;
  }
  return {};
}

Task<Outcome<Mount>> mount_over(client::ConnectionPtr connection, const Target& target,
                                std::vector<transport::SocketAddress> paths) {
  if (target.password.empty()) {
    co_return failure(fmt::format("{} is not set: the password of {} goes there", kPasswordVariable,
                                  target.user));
  }
  Mount mounted{.connection = connection, .session = {}, .tree = {}, .set = {}};
  auto session =
      co_await client::Session::setup(connection, make_initiator(target), session_options(target));
  if (!session) {
    co_return failure(fmt::format("{} does not let {} log on", target.server, target.user),
                      session.error());
  }
  mounted.session = *std::move(session);
  auto tree = co_await mounted.session->tree_connect(target.share);
  if (!tree) {
    co_return failure(fmt::format("{} does not give the share {}", target.server, target.share),
                      tree.error());
  }
  mounted.tree = *std::move(tree);
  const bool is_encrypted =
      (mounted.session->flags() & wire::SessionSetupResponse::kFlagEncryptData) != 0 ||
      (mounted.tree->properties().share_flags & wire::ShareFlags::kEncryptData) != 0;
  if (is_encrypted && target.protection != Protection::kEncrypted) {
    co_return failure(fmt::format(
        "{} demands encryption: only --protection encrypted is measured there", target.server));
  }
  if (paths.size() == 1) co_return std::move(mounted);
  client::ChannelSetOptions options;
  options.make_initiator = [target] { return make_initiator(target); };
  options.addresses = paths;
  auto set = co_await client::ChannelSet::start(mounted.session, std::move(options));
  if (!set) co_return failure("no further channels", set.error());
  mounted.set = *std::move(set);
  if (mounted.set->live_count() < paths.size()) {
    const size_t live = mounted.set->live_count();
    co_await mounted.set->close();
    co_return failure(fmt::format("{} of {} channels can be had", live, paths.size()));
  }
  co_return std::move(mounted);
}

Result<transport::SocketAddress> parse_address(const std::string& text) {
  return transport::SocketAddress::parse_with_port(text);
}

}  // namespace

std::string_view name_of(wire::SigningAlgorithm algorithm) {
  switch (algorithm) {
    case wire::SigningAlgorithm::kHmacSha256:
      return "hmac-sha256";
    case wire::SigningAlgorithm::kAesCmac:
      return "aes-cmac";
    case wire::SigningAlgorithm::kAesGmac:
      return "aes-gmac";
  }
  return "unknown";
}

std::string_view name_of(wire::Cipher cipher) {
  switch (cipher) {
    case wire::Cipher::kNone:
      return "none";
    case wire::Cipher::kAes128Ccm:
      return "aes-128-ccm";
    case wire::Cipher::kAes128Gcm:
      return "aes-128-gcm";
    case wire::Cipher::kAes256Ccm:
      return "aes-256-ccm";
    case wire::Cipher::kAes256Gcm:
      return "aes-256-gcm";
  }
  return "unknown";
}

std::string describe(Protection protection, const client::Connection& connection) {
  switch (protection) {
    case Protection::kPlain:
      return "plain";
    case Protection::kSigned:
      return fmt::format("signed ({})", name_of(signing_of(connection)));
    case Protection::kEncrypted:
      return fmt::format("encrypted ({})", name_of(cipher_of(connection)));
  }
  return {};
}

client::ConnectionOptions connection_options(const Target& target) {
  client::ConnectionOptions options;
  if (target.signing_algorithm) options.signing_algorithms = {*target.signing_algorithm};
  if (target.cipher) options.ciphers = {*target.cipher};
  options.chained_compression = target.chained;
  for (const std::string& name : target.compression) {
    options.compression_algorithms.push_back(compression_algorithm(name));
  }
  return options;
}

client::SessionOptions session_options(const Target& target) {
  using enum client::SessionOptions::Security;
  client::SessionOptions options;
  switch (target.protection) {
    case Protection::kPlain:
      options.security = kAsServerWants;
      break;
    case Protection::kSigned:
      options.security = kSign;
      break;
    case Protection::kEncrypted:
      options.security = kEncrypt;
      break;
  }
  return options;
}

client::Session::InitiatorPtr make_initiator(const Target& target) {
  auth::NtlmCredentials credentials;
  credentials.user = target.user;
  credentials.password = target.password;
  return auth::make_ntlm_initiator(std::move(credentials));
}

Task<Outcome<client::ConnectionPtr>> connect(Reactor& reactor, Target target) {
  const auto address = parse_address(target.server);
  if (!address) {
    co_return failure(fmt::format("{} is no ADDRESS:PORT", target.server));
  }
  auto connection =
      co_await client::Connection::connect(reactor, *address, connection_options(target));
  if (!connection) {
    co_return failure(fmt::format("cannot connect to {}", target.server), connection.error());
  }
  if (auto checked = check_protection(**connection, target); !checked) {
    co_await (*connection)->close();
    co_return std::unexpected(checked.error());
  }
  co_return *std::move(connection);
}

Task<Outcome<Mount>> mount(Reactor& reactor, Target target) {
  std::vector<transport::SocketAddress> paths(1);
  for (const std::string& text : target.channels) {
    const auto path = parse_address(text);
    if (!path) co_return failure(fmt::format("{} is no ADDRESS:PORT", text));
    paths.push_back(*path);
  }
  BRAID_CO_TRY(const auto connection, co_await connect(reactor, target));
  paths.front() = connection->transport().peer();
  auto mounted = co_await mount_over(connection, target, std::move(paths));
  if (!mounted) co_await connection->close();
  co_return std::move(mounted);
}

Task<void> Mount::close() const {
  if (set) {
    co_await set->close();
  } else {
    co_await connection->close();
  }
}

Meter::Meter(const std::vector<pid_t>& pids)
    : server_(pids), start_(std::chrono::steady_clock::now()), cpu_at_start_(server_cpu()) {}

std::chrono::duration<double> Meter::server_cpu() const {
  return server_.cpu().value_or(std::chrono::nanoseconds(0));
}

Cost Meter::so_far() const {
  return {std::chrono::steady_clock::now() - start_, server_cpu() - cpu_at_start_};
}

}  // namespace braid::bench
