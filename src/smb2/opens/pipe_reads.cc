#include "smb2/opens/pipe_reads.h"

#include <algorithm>
#include <utility>

#include "smb2/connections/connection.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

std::shared_ptr<PipeReads::Waiting> PipeReads::add(size_t max) {
  auto state = state_.lock();
  if (state->closed) return nullptr;
  return state->reads.emplace_back(std::make_shared<Waiting>(max));
}

bool PipeReads::remove(const std::shared_ptr<Waiting>& read) {
  return std::erase(state_.lock()->reads, read) > 0;
}

void PipeReads::deliver(rpc::Pipe& pipe) {
  while (pipe.can_read()) {
    std::shared_ptr<Waiting> first;
    {
      auto state = state_.lock();
      if (state->reads.empty()) return;
      first = std::move(state->reads.front());
      state->reads.pop_front();
    }
    first->answer.set(pipe.read(first->max));
  }
}

void PipeReads::close() {
  std::deque<std::shared_ptr<Waiting>> ended;
  {
    auto state = state_.lock();
    state->closed = true;
    ended.swap(state->reads);
  }
  for (const auto& read : ended) read->answer.set(fail(NtStatus::kPipeBroken));
}

Task<Result<rpc::PipeRead>> read_pipe(Request& request, size_t max) {
  const std::shared_ptr<Open> open = request.open.get();
  std::shared_ptr<PipeReads::Waiting> read;
  {
    const auto turn = co_await open->pipe_calls.take(request.seat);
    // Who came before comes first.
    if (open->pipe_reads.is_empty() && open->pipe->can_read()) co_return open->pipe->read(max);
    read = open->pipe_reads.add(max);
  }
  if (!read) co_return fail(NtStatus::kPipeBroken);
  Executor& reactor = request.connection->reactor();
  co_await reactor.schedule();
  if (!read->answer.is_set()) {
    auto waiting = request.go_async([open, read] {
      if (open->pipe_reads.remove(read)) read->answer.set(fail(NtStatus::kCancelled));
    });
    if (!waiting && open->pipe_reads.remove(read)) co_return std::unexpected(waiting.error());
  }
  // A CLOSE ends the wait, so it must not wait for this request.
  request.open.release();
  co_return co_await read->answer.wait(reactor);
}

}  // namespace braid::smb2
