// A whole Server in one process: memory for files, tokens for passwords.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "rpc/memory_directory.h"
#include "smb2/server.h"
#include "vfs/memory/memory_volume.h"

namespace braid::smb2 {

// Reads no secret and asks nobody: the token is the answer. "user", "other": logged on as that
// account, with the rights of the process; "admin", "member": an administrator and another user,
// who are kAdminUid and kMemberUid; "guest", "anonymous"; "more": one more leg; anything else is a
// failed logon, of whom it says behind a colon ("wrong:alice"). "user:alice" claims to be alice and
// is "user".
class TokenAuthenticator final : public auth::Authenticator {
 public:
  static constexpr uid_t kAdminUid = 3001;
  static constexpr uid_t kMemberUid = 3002;

  static crypto::Secret key() { return crypto::Secret(Bytes(16, 0x4B)); }

  std::unique_ptr<auth::AuthExchange> begin() const override {
    return std::make_unique<Exchange>(judged);
  }
  std::unique_ptr<auth::AuthExchange> begin_rpc() const override { return begin(); }
  mutable std::atomic<size_t> judged = 0;  // tokens that were right or wrong
  ByteView initial_hint() const override { return as_bytes("hint"); }

 private:
  struct Exchange final : auth::AuthExchange {
    explicit Exchange(std::atomic<size_t>& count) : judged(count) {}
    std::atomic<size_t>& judged;

    std::optional<std::string> claim_to_judge(ByteView token) const override {
      const std::string_view text = as_text(token);
      if (text == "more") return std::nullopt;
      const size_t colon = text.find(':');
      return std::string(colon == text.npos ? text : text.substr(colon + 1));
    }
    Result<auth::AuthStep> step(ByteView token) override {
      std::string_view text = as_text(token);
      if (text == "more") return auth::AuthStep{.reply_token = {'m'}};
      ++judged;
      text = text.substr(0, text.find(':'));
      const bool is_account = text == "admin" || text == "member";
      if (!is_account && text != "user" && text != "other" && text != "guest" &&
          text != "anonymous") {
        return fail(NtStatus::kLogonFailure);
      }
      auto identity = std::make_shared<auth::Identity>();
      identity->account_name = text;
      identity->uid = server_credentials()->uid;
      identity->gid = server_credentials()->gid;
      identity->user_sid = wire::Sid(5, {21, 1, 2, 3, text == "other" ? 1002u : 1001u});
      identity->primary_group_sid = wire::Sid(5, {21, 1, 2, 3, 513});
      if (is_account) {
        identity->is_admin = text == "admin";
        identity->uid = identity->is_admin ? kAdminUid : kMemberUid;
      }
      identity->is_guest = text == "guest";
      identity->is_anonymous = text == "anonymous";
      return auth::AuthStep{
          .done = true, .identity = identity, .session_key = key(), .full_session_key = key()};
    }
    std::string claimed_account() const override { return "someone"; }
    std::unique_ptr<auth::MessageSecurity> take_message_security() override { return nullptr; }
  };
};

// One reactor and one pool thread, if not told otherwise; a share "files" in memory, or those
// given, and IPC$. With a `group` it is one of several workers; with `timers` its time-outs run out
// when the test says so. Life: stop() or the destructor ends
// every connection and waits. Thread: the test's.
class Engine {
 public:
  explicit Engine(config::Server settings = lenient(), const Clock& clock = system_clock(),
                  size_t threads = 1,
                  std::shared_ptr<const ShareTable> shares = shares_on(vfs::make_memory_volume()),
                  store::Group* group = nullptr,
                  std::optional<WorkerPoolLimits> pool = std::nullopt,
                  VirtualTimers* timers = nullptr, AuditLog* audit = nullptr)
      : reactors_(threads, timers),
        pool_(pool.value_or(
            WorkerPoolLimits{.threads = threads, .per_user = threads, .per_share = threads})),
        penalties_(clock),
        server_({.config = snapshot(std::move(settings)),
                 .shares = std::move(shares),
                 .authenticator = authenticator_,
                 .ids = ids_,
                 .pipes = pipes_,
                 .penalties = penalties_,
                 .server_guid = Guid{{1}},
                 .anonymous_sessions = true,
                 .clock = clock,
                 .group = group,
                 .audit = audit},
                reactors_, pool_) {}
  ~Engine() { stop(); }

  // Signing only for who asks, and every dialect.
  static config::Server lenient() {
    config::Server settings;
    settings.name = "ENGINE";
    settings.min_dialect = config::Dialect::k2_0_2;
    settings.signing = config::Signing::kEnabled;
    return settings;
  }
  Server& server() { return server_; }
  // How many tokens of logons were judged.
  size_t judged() const { return authenticator_.judged; }
  Reactor& reactor(size_t index = 0) { return reactors_.at(index); }
  void stop() { server_.stop(); }
  // Returns when the reactors have done what was posted to them before.
  void settle() {
    const auto settle_one = [](Reactor& reactor) {
      std::promise<void> reached;
      reactor.post([&reached] { reached.set_value(); });
      reached.get_future().wait();
    };
    for (size_t i = 0; i < reactors_.size(); ++i) settle_one(reactors_.at(i));
    // What becomes of a break is decided there.
    settle_one(reactors_.timers());
    for (size_t i = 0; i < reactors_.size(); ++i) settle_one(reactors_.at(i));
  }

  // The share "files" there.
  static std::shared_ptr<const ShareTable> shares_on(std::unique_ptr<vfs::Volume> volume) {
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->volume = std::move(volume);
    return std::make_shared<const ShareTable>(
        std::vector<std::shared_ptr<const Share>>{std::move(share)});
  }

 private:
  static config::Snapshot snapshot(config::Server settings) {
    auto config = std::make_shared<config::Config>();
    config->server = std::move(settings);
    return config;
  }

  ReactorPool reactors_;
  WorkerPool pool_;
  TokenAuthenticator authenticator_;
  auth::IdMapper ids_{wire::Sid(5, {21, 1, 2, 3}), "ENGINE"};
  rpc::MemoryDirectory directory_;
  rpc::PipeRegistry pipes_{directory_.directory(), &authenticator_};
  auth::LogonPenalties penalties_;
  Server server_;
};

}  // namespace braid::smb2
