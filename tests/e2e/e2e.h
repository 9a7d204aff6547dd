// The frame of the end-to-end tests: a server that runs already, and coroutines as test bodies.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "auth/initiators.h"
#include "client/compound.h"
#include "client/file.h"
#include "runtime/reactor.h"

namespace braid {
// How gtest shows a status.
inline void PrintTo(NtStatus status, std::ostream* out) { *out << name_of(status); }
}  // namespace braid

namespace braid::e2e {

// The server under test, from the environment that e2e_test.py sets.
struct Server {
  transport::SocketAddress address;  // BRAID_E2E_SERVER=127.0.0.1:4450
  bool is_braid = true;              // BRAID_E2E_KIND=braidd or smbd
  // Users that exist, each with a password: BRAID_E2E_USER, BRAID_E2E_PASSWORD, and the same with
  // 2 at the end.
  std::string user, password;
  std::string user2, password2;
  // The server offers: "share" (read and write), "readonly", "encrypted", "compressed" (always) and
  // "uncompressed" (never). All dialects; signing is not required by the server.
};
const Server& server();

// What a test body works with. Lives on the reactor's thread; closes every connection it made when
// the body has ended.
class Env {
 public:
  explicit Env(Reactor& reactor) : reactor_(reactor) {}

  Reactor& reactor() { return reactor_; }
  // Negotiated; or only connected.
  Task<Result<client::ConnectionPtr>> connect(client::ConnectionOptions options = {});
  Task<Result<client::ConnectionPtr>> open(client::ConnectionOptions options = {});
  // A session of the first user.
  Task<Result<client::SessionPtr>> log_on(client::ConnectionPtr connection,
                                          client::SessionOptions options = {});
  // All of it: a connection, a session and a share.
  Task<Result<client::TreePtr>> mount(std::string share = "share",
                                      client::ConnectionOptions options = {},
                                      client::SessionOptions session_options = {});
  Task<void> close_all();

 private:
  Reactor& reactor_;
  std::vector<client::ConnectionPtr> connections_;
};

std::unique_ptr<auth::AuthInitiator> ntlm();  // of the first user
std::unique_ptr<auth::AuthInitiator> ntlm(std::string user, std::string password);

// What the owner of a file may always ask for.
inline constexpr wire::AccessMask kReadWriteDelete =
    wire::Access::kFileGenericRead | wire::Access::kFileGenericWrite | wire::Access::kDelete;

// A name nothing else uses: that of the running test, with `suffix`.
std::string name_of_test(std::string_view suffix = "");
Bytes pattern(size_t size, uint32_t seed = 1);
Bytes to_bytes(std::string_view text);

void run(Task<void> (*body)(Env&));

// BRAID_E2E(Suite, Name) { ...co_await... }, with `env` in scope. EXPECT_* as usual; where the test
// cannot go on, the macros below end it.
#define BRAID_E2E(suite, name)                                                        \
  static ::braid::Task<void> suite##_##name([[maybe_unused]] ::braid::e2e::Env& env); \
  TEST(suite, name) { ::braid::e2e::run(&suite##_##name); }                           \
  static ::braid::Task<void> suite##_##name([[maybe_unused]] ::braid::e2e::Env& env)

// Binds the value of a Result, or fails the test.
#define E2E_TRY_(tmp, decl, ...)                                    \
  auto&& tmp = (__VA_ARGS__);                                       \
  if (!tmp) {                                                       \
    ADD_FAILURE() << #__VA_ARGS__ << ": " << tmp.error().message(); \
    co_return;                                                      \
  }                                                                 \
  decl = *std::move(tmp)
#define E2E_TRY(decl, ...) E2E_TRY_(BRAID_JOIN(e2e_result_, __COUNTER__), decl, __VA_ARGS__)
// A Result that must hold a value; one that must hold the error.
#define E2E_OK(...)                                                      \
  do {                                                                   \
    if (auto&& result = (__VA_ARGS__); !result) {                        \
      ADD_FAILURE() << #__VA_ARGS__ << ": " << result.error().message(); \
      co_return;                                                         \
    }                                                                    \
  } while (0)
#define E2E_FAILS(expected, ...) \
  EXPECT_EQ(::braid::e2e::outcome(__VA_ARGS__), ::braid::Error(expected).message()) << #__VA_ARGS__

template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "success" : result.error().message();
}

}  // namespace braid::e2e
