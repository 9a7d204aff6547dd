#include "rpc/pipe_registry.h"

#include <algorithm>

#include "base/guarded.h"
#include "rpc/association.h"
#include "rpc/interface.h"
#include "wire/fold.h"

namespace braid::rpc {
namespace {

Result<void> check_caller(const Interface& interface, const CallerInfo& caller) {
  if (caller.has_no_account() && !interface.anonymous_allowed) return fail(NtStatus::kAccessDenied);
  return {};
}

// A pipe whose messages are the PDUs of an Association.
class RpcPipe final : public Pipe {
 public:
  RpcPipe(const Interface& interface, const Directory& directory,
          const auth::Authenticator* authenticator, std::shared_ptr<MemoryAccount> memory)
      : interface_(interface),
        memory_(std::move(memory)),
        state_(interface, directory, authenticator) {}

  Result<void> write(const CallerInfo& caller, ByteView bytes) override {
    BRAID_CHECK(check_caller(interface_, caller));
    auto state = state_.lock();
    if (state->broken) return fail(NtStatus::kPipeDisconnected);
    if (state->association.logon_due()) return fail(NtStatus::kPipeBusy);
    if (state->association.queued_size() > Association::kQueuedMax) {
      return fail(NtStatus::kInsufficientResources);
    }
    MemoryCharge arriving;
    if (memory_) {
      auto room = memory_->try_take(bytes.size(), MemoryUse::kLasting);
      if (!room) {
        memory_->budget().count_refusal();
        return fail(NtStatus::kInsufficientResources);
      }
      arriving = std::move(*room);
    }
    return took(*state, state->association.receive(caller, bytes));
  }

  std::optional<PipeLogon> logon_due() const override {
    return state_.lock()->association.logon_due();
  }

  Result<void> logged_on(const CallerInfo& caller, const Result<auth::AuthStep>& step) override {
    auto state = state_.lock();
    return took(*state, state->association.logged_on(caller, step));
  }

  Result<PipeRead> read(size_t max) override {
    auto state = state_.lock();
    auto& answers = state->association.answers();
    if (answers.empty()) {
      return fail(state->broken ? NtStatus::kPipeDisconnected : NtStatus::kPipeEmpty);
    }
    const ByteView left = ByteView(answers.front()).subspan(state->position);
    const ByteView part = left.first(std::min(max, left.size()));
    PipeRead result{Bytes(part.begin(), part.end()), part.size() < left.size()};
    state->association.forget(part.size());
    state->position += part.size();
    if (!result.more) {
      answers.pop_front();
      state->position = 0;
    }
    count(*state);
    return result;
  }

  bool can_read() const override {
    auto state = state_.lock();
    return !state->association.answers().empty() || state->broken;
  }

  size_t next_message_size() const override {
    auto state = state_.lock();
    const auto& answers = state->association.answers();
    return answers.empty() ? 0 : answers.front().size() - state->position;
  }

  size_t readable_size() const override { return state_.lock()->association.queued_size(); }

 private:
  struct State {
    State(const Interface& interface, const Directory& directory,
          const auth::Authenticator* authenticator)
        : association({interface, directory, authenticator}) {}
    Association association;
    size_t position = 0;  // how much of the first answer was read
    bool broken = false;
    MemoryCharge memory;
  };

  Result<void> took(State& state, const Result<void>& taken) {
    if (!taken) {
      // Answers given before the fault can still be read.
      state.broken = true;
      state.association.forget_requests();
    }
    count(state);
    if (state.broken && state.association.answers().empty()) {
      return fail(NtStatus::kPipeDisconnected);
    }
    return {};
  }

  // Pays for what is held now. An answer is made before its size is known, and is bounded.
  void count(State& state) {
    if (!memory_) return;
    const size_t held = state.association.held_size();
    state.memory.shrink_to(held);
    state.memory.merge(memory_->take(held - state.memory.size(), MemoryUse::kLasting));
  }

  const Interface& interface_;
  const std::shared_ptr<MemoryAccount> memory_;
  Guarded<State, LockRank::kPipe> state_;
};

const Interface* find_interface(std::string_view name) {
  if (wire::equal_fold(name, "lsass")) name = "lsarpc";
  for (const Interface* interface :
       {&srvsvc_interface(), &wkssvc_interface(), &lsarpc_interface(), &samr_interface()}) {
    if (wire::equal_fold(name, interface->pipe_name)) return interface;
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Pipe>> PipeRegistry::open(std::string_view name, const CallerInfo& caller,
                                                 std::shared_ptr<MemoryAccount> memory) const {
  const Interface* interface = find_interface(name);
  if (interface == nullptr) return fail(NtStatus::kObjectNameNotFound);
  BRAID_CHECK(check_caller(*interface, caller));
  return std::make_unique<RpcPipe>(*interface, directory_, authenticator_, std::move(memory));
}

bool PipeRegistry::exists(std::string_view name) { return find_interface(name) != nullptr; }

}  // namespace braid::rpc
