// A server's Authenticator with one user, and the walk through an exchange. For tests and fuzzers.
#pragma once

#include <memory>
#include <string>

#include "auth/initiators.h"
#include "auth/server_authenticator.h"
#include "auth/state_dir_testing.h"
#include "auth/unix_user_testing.h"

namespace braid::auth {

class AuthFixture {
 public:
  static constexpr char kUser[] = "Alice";
  static constexpr char kPassword[] = "Pass-1 \xc3\xbc";

  explicit AuthFixture(AuthOptions options = {}) {
    options.server_name = "braid1";
    options.guest_unix_user = test_unix_user().name;
    User user;
    user.name = kUser;
    user.unix_user = test_unix_user().name;
    user.nt_hash = *nt_hash_of(kPassword);
    added_ = users_.add(user).has_value();
    auto made = make_server_authenticator(options, users_, ids_);
    if (made) authenticator_ = *std::move(made);
  }

  UserStore& users() { return users_; }
  Authenticator& authenticator() { return *authenticator_; }
  bool is_ready() const { return added_ && authenticator_ != nullptr; }

  // Client and server until one of them is done or fails. A client that is not done when the server
  // is gets the last token.
  static Result<AuthStep> run(AuthInitiator& client, AuthExchange& server, ByteView hint) {
    BRAID_TRY(auto to_server, client.step(hint));
    while (true) {
      BRAID_TRY(AuthStep answer, server.step(to_server.token));
      if (answer.done) {
        if (!to_server.done) BRAID_CHECK(client.step(answer.reply_token));
        return answer;
      }
      BRAID_TRY(to_server, client.step(answer.reply_token));
    }
  }

 private:
  StateDir dir_;
  UserStore users_ = *UserStore::open(dir_.path());
  IdMapper ids_ = *IdMapper::open(dir_.path(), "BRAID1");
  bool added_ = false;
  std::unique_ptr<Authenticator> authenticator_;
};

}  // namespace braid::auth
