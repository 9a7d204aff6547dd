// Compressed messages, both ways. The server offers "share", which compresses what it is asked for,
// and "compressed", which compresses everything, besides the others.
#include "e2e.h"

namespace braid::e2e {
namespace {

using client::ConnectionOptions;
using client::SessionOptions;
using wire::CompressionAlgorithm;
using wire::CreateDisposition;

constexpr CompressionAlgorithm kCodecs[] = {
    CompressionAlgorithm::kLznt1, CompressionAlgorithm::kLz77, CompressionAlgorithm::kLz77Huffman,
    CompressionAlgorithm::kLz4};

Bytes text(size_t size) {
  Bytes bytes;
  for (size_t i = 0; bytes.size() < size; ++i) {
    const std::string line = "line " + std::to_string(i) + " of a file\n";
    bytes.insert(bytes.end(), line.begin(), line.end());
  }
  bytes.resize(size);
  return bytes;
}
// Zeros, text, what does not shrink, and zeros.
Bytes mixed(size_t size) {
  Bytes bytes(size);
  const Bytes some_text = text(size / 4);
  const Bytes noise = pattern(size / 4);
  std::ranges::copy(some_text, bytes.begin() + static_cast<ptrdiff_t>(size / 4));
  std::ranges::copy(noise, bytes.begin() + static_cast<ptrdiff_t>(size / 2));
  return bytes;
}
ConnectionOptions with(std::vector<CompressionAlgorithm> algorithms, bool is_chained = true) {
  ConnectionOptions options;
  options.compression_algorithms = std::move(algorithms);
  options.chained_compression = is_chained;
  return options;
}

Task<void> goes_and_comes(Env& env, ConnectionOptions options, SessionOptions session_options,
                          std::string share = "share") {
  if (!server().is_braid) co_return;
  E2E_TRY(const auto tree, co_await env.mount(share, options, session_options));
  client::Connection& connection = tree->session().connection();
  EXPECT_EQ(connection.compression().algorithms, options.compression_algorithms);
  EXPECT_EQ(connection.compression().is_chained, options.chained_compression);
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  for (const size_t size : {4096, 65'536, 300'001}) {
    for (const Bytes& data : {text(size), mixed(size)}) {
      const uint64_t sent = connection.compressed_sent();
      const uint64_t received = connection.compressed_received();
      E2E_TRY(const uint32_t count, co_await file->write(0, data));
      EXPECT_EQ(count, data.size());
      E2E_TRY(const auto reply, co_await file->read(0, static_cast<uint32_t>(size)));
      EXPECT_TRUE(std::ranges::equal(reply->data, data)) << size;
      EXPECT_EQ(connection.compressed_sent(), sent + 1) << size;
      EXPECT_EQ(connection.compressed_received(), received + 1) << size;
    }
  }
  EXPECT_EQ(connection.bad_messages(), 0u);
  E2E_OK(co_await file->close());
}

BRAID_E2E(Compression, EveryAlgorithmSignedAndSealed) {
  for (const CompressionAlgorithm algorithm : kCodecs) {
    for (const bool is_chained : {false, true}) {
      for (const auto security :
           {SessionOptions::Security::kSign, SessionOptions::Security::kEncrypt}) {
        SessionOptions session_options;
        session_options.security = security;
        co_await goes_and_comes(env, with({algorithm}, is_chained), session_options);
      }
    }
  }
}

BRAID_E2E(Compression, AllTogetherWithPatterns) {
  for (const char* share : {"share", "encrypted", "compressed"}) {
    co_await goes_and_comes(env,
                            with({CompressionAlgorithm::kPatternV1, CompressionAlgorithm::kLz77,
                                  CompressionAlgorithm::kLz4, CompressionAlgorithm::kLznt1,
                                  CompressionAlgorithm::kLz77Huffman}),
                            {}, share);
  }
}

BRAID_E2E(Compression, TheLargestReadAndWriteInOneRequest) {
  if (!server().is_braid) co_return;  // Samba has no compression
  E2E_TRY(const auto tree, co_await env.mount("share", with({CompressionAlgorithm::kLz4})));
  client::Connection& connection = tree->session().connection();
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  const Bytes data = mixed(connection.max_write_size());
  E2E_TRY(const uint32_t count, co_await file->write(0, data));
  EXPECT_EQ(count, data.size());
  E2E_TRY(const auto reply, co_await file->read(0, connection.max_read_size()));
  EXPECT_TRUE(std::ranges::equal(reply->data, data));
  EXPECT_EQ(connection.compressed_sent(), 1u);
  EXPECT_EQ(connection.compressed_received(), 1u);
}

BRAID_E2E(Compression, PatternsAloneMakeZerosShort) {
  if (!server().is_braid) co_return;  // Samba has no compression
  E2E_TRY(const auto tree, co_await env.mount("share", with({CompressionAlgorithm::kPatternV1})));
  client::Connection& connection = tree->session().connection();
  E2E_OK(co_await tree->write_file(name_of_test(), Bytes(1 << 20)));
  EXPECT_GT(connection.compressed_sent(), 0u);
  const uint64_t received = connection.compressed_received();
  E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
  EXPECT_TRUE(back == Bytes(1 << 20));
  EXPECT_GT(connection.compressed_received(), received);
}

BRAID_E2E(Compression, WhatDoesNotShrinkComesAsItIs) {
  if (!server().is_braid) co_return;  // Samba has no compression
  E2E_TRY(const auto tree,
          co_await env.mount("compressed", with({CompressionAlgorithm::kLz77Huffman})));
  client::Connection& connection = tree->session().connection();
  Bytes noise(1 << 20);
  crypto::random_bytes(noise);
  E2E_OK(co_await tree->write_file(name_of_test(), noise));
  E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
  EXPECT_TRUE(back == noise);
  EXPECT_EQ(connection.compressed_sent(), 0u);
  EXPECT_EQ(connection.compressed_received(), 0u);
}

BRAID_E2E(Compression, SharesSayWhatTheyDo) {
  if (!server().is_braid) co_return;  // Samba has no compression
  const auto options = with({CompressionAlgorithm::kLz4});
  E2E_TRY(const auto asked, co_await env.mount("share", options));
  E2E_TRY(const auto always, co_await env.mount("compressed", options));
  E2E_TRY(const auto never, co_await env.mount("uncompressed", options));
  E2E_TRY(const auto without, co_await env.mount("compressed"));
  E2E_TRY(const auto pipes, co_await env.mount("IPC$", options));
  const auto says = [](const client::TreePtr& tree) {
    return (tree->properties().share_flags & wire::ShareFlags::kCompressData) != 0;
  };
  EXPECT_FALSE(says(asked));
  EXPECT_TRUE(says(always));
  EXPECT_FALSE(says(never));
  EXPECT_FALSE(says(without)) << "the client has no compression";
  EXPECT_FALSE(says(pipes));

  const Bytes data = text(100'000);
  E2E_OK(co_await never->write_file(name_of_test(), data));
  E2E_TRY(const Bytes back, co_await never->read_file(name_of_test()));
  EXPECT_TRUE(back == data);
  EXPECT_GT(never->session().connection().compressed_sent(), 0u) << "what comes is understood";
  EXPECT_EQ(never->session().connection().compressed_received(), 0u);
}

BRAID_E2E(Compression, LongListingsOfAShareThatCompressesEverything) {
  if (!server().is_braid) co_return;  // Samba has no compression
  E2E_TRY(const auto tree, co_await env.mount("compressed", with({CompressionAlgorithm::kLz77})));
  E2E_OK(co_await tree->mkdir(name_of_test()));
  for (int i = 0; i < 100; ++i) {
    E2E_OK(co_await tree->write_file(name_of_test("\\file " + std::to_string(i)), Bytes(1)));
  }
  client::Connection& connection = tree->session().connection();
  const uint64_t received = connection.compressed_received();
  E2E_TRY(const auto directory, co_await tree->open_directory(name_of_test()));
  E2E_TRY(const auto entries, co_await directory->list());
  EXPECT_EQ(entries.size(), 102u);
  EXPECT_GT(connection.compressed_received(), received);
}

// The kernel's client offers no chains, compresses what it writes and reads nothing compressed.
BRAID_E2E(Compression, WhoHasNoChainsAndDoesNotAskGetsNoneUnasked) {
  if (!server().is_braid) co_return;  // Samba has no compression
  E2E_TRY(const auto tree,
          co_await env.mount("compressed", with({CompressionAlgorithm::kLz77}, false)));
  client::Connection& connection = tree->session().connection();
  const Bytes data = text(100'000);
  E2E_OK(co_await tree->write_file(name_of_test(), data));
  EXPECT_GT(connection.compressed_sent(), 0u);
  E2E_TRY(const auto file, co_await tree->open(name_of_test()));
  wire::ReadRequest body;
  body.length = 100'000;
  body.file_id = file->id();
  const uint64_t received = connection.compressed_received();
  E2E_TRY(const auto reply, co_await tree->call_for<wire::ReadResponse>(
                                client::make_request(wire::Command::kRead, body, body.length)));
  EXPECT_TRUE(std::ranges::equal(reply->data, data));
  EXPECT_EQ(connection.compressed_received(), received);
}

BRAID_E2E(Compression, NothingIsCompressedForWhoDidNotAgree) {
  E2E_TRY(const auto tree, co_await env.mount("compressed"));
  const Bytes data = text(100'000);
  E2E_OK(co_await tree->write_file(name_of_test(), data));
  E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
  EXPECT_TRUE(back == data);
  EXPECT_EQ(tree->session().connection().compressed_received(), 0u);
  EXPECT_EQ(tree->session().connection().bad_messages(), 0u);
}

}  // namespace
}  // namespace braid::e2e
