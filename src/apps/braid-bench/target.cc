#include "apps/braid-bench/target.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "auth/initiators.h"

namespace braid::bench {
namespace {

std::chrono::duration<double> cpu_of(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // The program's name, in parentheses, may hold anything; utime and stime are the 12th and 13th
  // words after it (proc(5)).
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream words(text.substr(end + 1));
  std::string skipped;
  for (int word = 1; word < 12; ++word) words >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  words >> user >> system;
  return std::chrono::duration<double>(static_cast<double>(user + system) /
                                       static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

std::chrono::duration<double> cpu_of(const std::vector<int>& pids) {
  std::chrono::duration<double> sum{};
  for (const int pid : pids) sum += cpu_of(pid);
  return sum;
}

std::unique_ptr<auth::AuthInitiator> initiator(const Target& target) {
  auth::NtlmCredentials credentials;
  credentials.user = target.user;
  credentials.password = target.password;
  return auth::make_ntlm_initiator(std::move(credentials));
}

wire::CompressionAlgorithm compression_algorithm(std::string_view name) {
  using enum wire::CompressionAlgorithm;
  if (name == "lznt1") return kLznt1;
  if (name == "lz77") return kLz77;
  if (name == "lz77+huffman") return kLz77Huffman;
  if (name == "pattern_v1") return kPatternV1;
  return kLz4;
}

Task<Result<Mount>> mount_over(client::ConnectionPtr connection, const Target& target,
                               std::vector<transport::SocketAddress> paths) {
  client::SessionOptions session_options;
  if (target.encrypts) session_options.security = client::SessionOptions::Security::kEncrypt;
  BRAID_CO_TRY(const auto session,
               co_await client::Session::setup(connection, initiator(target), session_options));
  BRAID_CO_TRY(auto tree, co_await session->tree_connect(target.share));
  client::ChannelSetOptions options;
  options.make_initiator = [target] { return initiator(target); };
  options.addresses = paths;
  BRAID_CO_TRY(auto set, co_await client::ChannelSet::start(session, std::move(options)));
  if (set->live_count() < paths.size()) {
    co_await set->close();
    co_return fail(NtStatus::kConnectionDisconnected);
  }
  co_return Mount{std::move(tree), std::move(set)};
}

}  // namespace

Task<Result<Mount>> mount(Reactor& reactor, const Target& target) {
  BRAID_CO_TRY(const auto address, transport::SocketAddress::parse_with_port(target.server));
  std::vector<transport::SocketAddress> paths = {address};
  for (const std::string& text : target.channels) {
    BRAID_CO_TRY(paths.emplace_back(), transport::SocketAddress::parse_with_port(text));
  }
  client::ConnectionOptions options;
  options.chained_compression = target.chained;
  for (const std::string& name : target.compression) {
    options.compression_algorithms.push_back(compression_algorithm(name));
  }
  BRAID_CO_TRY(const auto connection,
               co_await client::Connection::connect(reactor, address, options));
  auto mounted = co_await mount_over(connection, target, std::move(paths));
  if (!mounted) co_await connection->close();
  co_return std::move(mounted);
}

Meter::Meter(const std::vector<int>& pids)
    : pids_(pids), start_(std::chrono::steady_clock::now()), cpu_at_start_(cpu_of(pids)) {}

Cost Meter::so_far() const {
  return {std::chrono::steady_clock::now() - start_, cpu_of(pids_) - cpu_at_start_};
}

}  // namespace braid::bench
