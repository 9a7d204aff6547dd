#include "store/ctdb/cluster_look.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "store/ctdb/client.h"

namespace braid::store::ctdb {
namespace {

// The node that leads hears it, and looks who is to have which address.
constexpr uint64_t kTakeoverRun = 0xFB00000000000000;

// One connection to ctdbd for one piece of work. Thread: the reactor's.
class Errand final : public ClientSink {
 public:
  using Work = std::function<Task<Result<void>>(Errand&)>;

  Errand(Reactor& reactor, const LookOptions& options)
      : reactor_(reactor),
        options_(options),
        client_(reactor,
                {.socket_path = options.socket_path,
                 .registered = options.leader_max.count() > 0 ? std::vector<uint64_t>{kLeader}
                                                              : std::vector<uint64_t>{},
                 .answer_max = options.answer_max,
                 .silence_max = options.answer_max},
                *this) {}

  Task<void> run(const Work& work, std::promise<Result<void>>& done) {
    co_await reactor_.schedule();
    client_.start();
    Timer late(reactor_);
    late.start(options_.answer_max, [this] { connected_->set(fail_os(ETIMEDOUT)); });
    const auto connected = co_await connected_->wait(reactor_);
    late.cancel();
    Result<void> result;
    if (connected) {
      result = co_await work(*this);
    } else {
      result = fail(connected.error());
    }
    co_await client_.stop();
    done.set_value(std::move(result));
  }

  Client& client() { return client_; }
  // Nothing: none was heard.
  Task<std::optional<uint32_t>> leader() {
    Timer late(reactor_);
    late.start(options_.leader_max, [this] { leader_->set(kNoNode); });
    const uint32_t leader = co_await leader_->wait(reactor_);
    co_return leader == kNoNode ? std::nullopt : std::optional(leader);
  }

  void on_connected(uint32_t pnn) override { connected_->set(pnn); }
  void on_lost(Error why) override {
    connected_->set(fail(why));
    leader_->set(kNoNode);
  }
  void on_message(uint64_t to, ByteView payload) override {
    const auto leader = decode_number(payload);
    if (to == kLeader && leader) leader_->set(*leader);
  }
  void on_event(ClusterEvent, std::optional<IpAddress>) override {}

 private:
  Reactor& reactor_;
  const LookOptions& options_;
  Client client_;
  std::shared_ptr<OneShot<Result<uint32_t>>> connected_ =
      std::make_shared<OneShot<Result<uint32_t>>>();
  std::shared_ptr<OneShot<uint32_t>> leader_ = std::make_shared<OneShot<uint32_t>>();
};

Result<void> run_errand(const LookOptions& options, const Errand::Work& work) {
  BRAID_CHECK(Client::connect_to(options.socket_path));  // or it would be tried again and again
  ReactorPool reactors(1);
  Reactor& reactor = reactors.at(0);
  TaskScope scope;
  std::promise<Result<void>> done;
  auto errand = std::make_unique<Errand>(reactor, options);
  scope.spawn(errand->run(work, done));
  const Result<void> result = done.get_future().get();
  scope.wait();
  // Its timers are the reactor's.
  std::promise<void> ended;
  reactor.post([&] {
    errand.reset();
    ended.set_value();
  });
  ended.get_future().wait();
  return result;
}

Task<Result<void>> ask(Errand& errand, const LookOptions& options, ClusterLook& look) {
  Client& client = errand.client();
  if (!client.pnn()) co_return fail_os(ENOTCONN);
  look.node = *client.pnn();
  BRAID_CO_TRY(look.nodes, co_await client.nodes());
  BRAID_CO_TRY(look.is_recovering, co_await client.is_recovering());
  std::vector<std::pair<uint32_t, std::vector<PublicAddress>>> lists;
  for (const Node& each : look.nodes) {
    if (!each.is_active()) continue;
    auto list = co_await client.public_addresses(each.pnn);
    if (list) lists.emplace_back(each.pnn, std::move(*list));
  }
  look.addresses = merge_addresses(lists);
  for (const std::string& name : options.tunables) {
    const auto value = co_await client.tunable(name);
    if (value) look.tunables[name] = *value;
  }
  if (options.leader_max.count() > 0) look.leader = co_await errand.leader();
  co_return Result<void>();
}

Task<Result<void>> say(Errand& errand, uint64_t to, const Bytes& payload) {
  if (!errand.client().send(kConnectedNodes, to, payload)) co_return fail_os(ENOTCONN);
  // It answers behind what it was sent before.
  BRAID_CO_CHECK(co_await errand.client().nodes());
  co_return Result<void>();
}

// A flag alone moves nothing. An answer is not asked for.
Task<Result<void>> put_flag(Errand& errand, bool is_disabled) {
  BRAID_CO_CHECK(co_await errand.client().set_disabled(is_disabled));
  if (!errand.client().pnn()) co_return fail_os(ENOTCONN);
  Bytes whom;
  wire::Writer w(whom);
  w.u32(*errand.client().pnn());
  w.u32(0);
  w.u64(0);
  co_return co_await say(errand, kTakeoverRun, whom);
}

}  // namespace

Result<ClusterLook> look_at_cluster(const LookOptions& options) {
  ClusterLook look;
  BRAID_CHECK(run_errand(options, [&](Errand& errand) { return ask(errand, options, look); }));
  return look;
}

Result<void> say_to_cluster(const std::string& socket_path, uint64_t to, Bytes payload) {
  return run_errand({.socket_path = socket_path},
                    [&](Errand& errand) { return say(errand, to, payload); });
}

Result<void> set_disabled(const std::string& socket_path, bool is_disabled) {
  return run_errand({.socket_path = socket_path},
                    [is_disabled](Errand& errand) { return put_flag(errand, is_disabled); });
}

std::vector<PublicAddress> merge_addresses(
    const std::vector<std::pair<uint32_t, std::vector<PublicAddress>>>& lists) {
  std::vector<PublicAddress> all;
  for (const auto& [from, list] : lists) {
    for (const PublicAddress& each : list) {
      const auto known = std::ranges::find_if(
          all, [&](const auto& it) { return it.address.same_address(each.address); });
      if (known == all.end()) {
        all.push_back(each);
      } else if (each.pnn == from || known->pnn == kNoNode) {
        known->pnn = each.pnn;
      }
    }
  }
  std::ranges::sort(all, {}, [](const PublicAddress& each) {
    return std::pair(!each.address.is_v4(),
                     Bytes(each.address.bytes().begin(), each.address.bytes().end()));
  });
  return all;
}

}  // namespace braid::store::ctdb
