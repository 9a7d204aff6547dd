#include "apps/braid-bench/logon_load.h"

namespace braid::bench {
namespace {

Task<Result<void>> log_on_and_off(client::ConnectionPtr connection, const Target& target) {
  BRAID_CO_TRY(
      const auto session,
      co_await client::Session::setup(connection, make_initiator(target), session_options(target)));
  co_return co_await session->logoff();
}

class LogonWork final : public Work {
 public:
  LogonWork(const Client& client, bool connects)
      : target_(client.target), connection_(client.mount.connection), connects_(connects) {}

  Task<Result<Done>> operate(size_t /*lane*/) override {
    if (!connects_) {
      BRAID_CO_CHECK(co_await log_on_and_off(connection_, target_));
      co_return Done{};
    }
    BRAID_CO_TRY(const auto connection, co_await client::Connection::connect(
                                            connection_->reactor(), connection_->transport().peer(),
                                            connection_options(target_)));
    const auto done = co_await log_on_and_off(connection, target_);
    co_await connection->close();
    BRAID_CO_CHECK(done);
    co_return Done{};
  }

 private:
  const Target& target_;
  const client::ConnectionPtr connection_;
  const bool connects_;
};

class LogonLoad final : public Load {
 public:
  explicit LogonLoad(bool connects) : connects_(connects) {}
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<LogonWork>(client, connects_);
  }

 private:
  const bool connects_;
};

}  // namespace

std::unique_ptr<Load> make_logon_load(const LoadOptions& options) {
  return std::make_unique<LogonLoad>(options.connects);
}

}  // namespace braid::bench
