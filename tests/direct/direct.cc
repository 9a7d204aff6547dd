#include "direct.h"

#include <dirent.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "transport/smbdirect/tcp_card.h"
#include "verbs/connect.h"

namespace braid::e2e {

size_t lives = 1;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool has_real_card() { return !environment("BRAID_DIRECT_CARD").empty(); }

std::vector<std::string> listeners() {
  std::ifstream file(environment("BRAID_DIRECT_LOG"));
  std::stringstream text;
  text << file.rdbuf();
  const std::string log = text.str();
  const std::regex line(R"(listening on ([\d.]+:\d+) for SMB Direct)");
  std::vector<std::string> all;
  for (std::sregex_iterator found(log.begin(), log.end(), line), end; found != end; ++found) {
    all.push_back((*found)[1]);
  }
  return all;
}

pid_t process(const std::string& name) {
  pid_t found = -1;
  DIR* const all = ::opendir("/proc");
  while (const dirent* entry = all ? ::readdir(all) : nullptr) {
    std::ifstream stat("/proc/" + std::string(entry->d_name) + "/stat");
    std::string pid, comm, state, parent;
    stat >> pid >> comm >> state >> parent;
    if (comm == "(" + name + ")" && parent == environment("BRAID_DIRECT_PID")) {
      found = std::atoi(pid.c_str());
    }
  }
  if (all) ::closedir(all);
  return found;
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* const pipe = ::popen((environment("BRAID_DIRECT_BRAIDCTL") + " " + command).c_str(), "r");
  char piece[4096];
  while (const size_t got = pipe ? std::fread(piece, 1, sizeof piece, pipe) : 0) {
    text.append(piece, got);
  }
  if (pipe) ::pclose(pipe);
  return text;
}

uint64_t metric(const std::string& name) {
  std::istringstream text(output_of("metrics"));
  uint64_t sum = 0;
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with(name)) continue;
    sum += std::strtoull(line.c_str() + line.rfind(' '), nullptr, 10);
  }
  return sum;
}

Task<Result<std::unique_ptr<QueuePair>>> connect_card(Env& env, SocketAddress address,
                                                      SocketAddress from) {
  if (!has_real_card()) {
    co_return co_await transport::smbdirect::connect_tcp_card(env.reactor(), address, 10s, from);
  }
  static verbs::Devices devices;
  const auto card = SocketAddress::parse(environment("BRAID_DIRECT_CARD"), address.port());
  BRAID_CO_TRY(auto connected, co_await verbs::connect(devices, env.reactor(), *card, 10s));
  co_return std::move(connected.pair);
}

Task<Result<std::unique_ptr<QueuePair>>> await_card(Env& env, SocketAddress from) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const auto all = listeners();
    Error why = Error::os(ENOENT);
    if (all.size() >= lives) {
      const auto address = SocketAddress::parse_with_port(all.back()).value();
      auto pair = co_await connect_card(env, address, from);
      if (pair) co_return std::move(*pair);
      why = pair.error();
    }
    if (std::chrono::steady_clock::now() > end) co_return fail(why);
    co_await env.reactor().sleep_for(20ms);
  }
}

namespace {

Task<Result<Direct>> negotiate_over(Env& env, std::unique_ptr<QueuePair> pair,
                                    client::ConnectionOptions options) {
  Direct direct{.card = pair.get(), .connection = nullptr, .tree = nullptr};
  direct.connection = client::Connection::over(
      transport::smbdirect::make_smbdirect_transport(env.reactor(), std::move(pair),
                                                     transport::smbdirect::Role::kActive),
      std::move(options));
  const Result<void> negotiated = co_await direct.connection->negotiate();
  if (!negotiated) {
    co_await direct.connection->close();
    co_return fail(negotiated.error());
  }
  co_return direct;
}

Task<Result<Direct>> tree_of(Env& env, Direct direct, std::string share,
                             client::SessionOptions options) {
  BRAID_CO_TRY(auto session, co_await env.log_on(direct.connection, options));
  BRAID_CO_TRY(direct.tree, co_await session->tree_connect(share));
  co_return direct;
}

}  // namespace

Task<Result<Direct>> connect_direct(Env& env, client::ConnectionOptions options,
                                    SocketAddress from) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    BRAID_CO_TRY(auto pair, co_await await_card(env, from));
    auto direct = co_await negotiate_over(env, std::move(pair), options);
    // With several workers the one that it goes to may be the last that hears of the cards.
    const bool is_turned_away =
        !direct && direct.error() == Error(NtStatus::kConnectionDisconnected);
    if (!is_turned_away || std::chrono::steady_clock::now() > end) co_return std::move(direct);
    co_await env.reactor().sleep_for(20ms);
  }
}

Task<Result<Direct>> mount_direct(Env& env, std::string share, client::SessionOptions options,
                                  SocketAddress from) {
  BRAID_CO_TRY(Direct direct, co_await connect_direct(env, {}, from));
  co_return co_await tree_of(env, std::move(direct), share, options);
}

Task<Result<Direct>> mount_over(Env& env, std::unique_ptr<QueuePair> pair,
                                client::SessionOptions options,
                                client::ConnectionOptions connection) {
  BRAID_CO_TRY(Direct direct, co_await negotiate_over(env, std::move(pair), std::move(connection)));
  co_return co_await tree_of(env, std::move(direct), "share", options);
}

client::Request placed_write(const client::File& file, uint32_t size, ByteView channel_info,
                             wire::Channel channel, uint64_t offset) {
  const wire::WriteRequest body{.offset = offset,
                                .file_id = file.id(),
                                .channel = channel,
                                .remaining_bytes = size,
                                .write_channel_info = channel_info};
  return client::make_request(wire::Command::kWrite, body, size);
}

client::Request placed_read(const client::File& file, uint32_t size, ByteView channel_info,
                            wire::Channel channel, uint64_t offset) {
  const wire::ReadRequest body{.length = size,
                               .offset = offset,
                               .file_id = file.id(),
                               .channel = channel,
                               .read_channel_info = channel_info};
  return client::make_request(wire::Command::kRead, body, size);
}

Task<Result<uint32_t>> write_placed(const Direct& direct, const client::File& file, Bytes& data,
                                    uint64_t offset) {
  BRAID_CO_TRY(const Descriptor lent, direct.card->register_memory(data, PeerMay::kRead));
  const Bytes info = wire::smbdirect::encode_channel_info(std::array{lent});
  BRAID_CO_TRY(const auto reply, co_await direct.tree->call_for<wire::WriteResponse>(
                                     placed_write(file, static_cast<uint32_t>(data.size()), info,
                                                  wire::Channel::kRdmaV1Invalidate, offset)));
  co_return reply->count;
}

Task<Result<uint32_t>> read_placed(const Direct& direct, const client::File& file, Bytes& into,
                                   uint64_t offset) {
  BRAID_CO_TRY(const Descriptor lent, direct.card->register_memory(into, PeerMay::kWrite));
  const Bytes info = wire::smbdirect::encode_channel_info(std::array{lent});
  BRAID_CO_TRY(const auto reply, co_await direct.tree->call_for<wire::ReadResponse>(
                                     placed_read(file, static_cast<uint32_t>(into.size()), info,
                                                 wire::Channel::kRdmaV1Invalidate, offset)));
  // Nothing, or what the data is signed with.
  EXPECT_EQ(reply->data.empty(), reply->flags == wire::ReadResponseFlags::kNone);
  EXPECT_LT(reply->data.size(), 64u);
  co_return reply->data_remaining;
}

}  // namespace braid::e2e
