// FSCTLs by which smbtorture makes a server under test do what clients seldom meet: answers whose
// data does not follow their head at once, and a request that takes long. Behind
// ServerParts::test_switches; elsewhere they are as unknown as any other number.
#include <chrono>

#include "runtime/one_shot.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/connections/connection.h"

namespace braid::smb2 {
namespace {

// Between the head of an answer and its data, and what the data consists of.
constexpr uint8_t kPadding = 8;

}  // namespace

Task<Result<IoctlAnswer>> ioctl_test_pad_response(Request&, const wire::IoctlRequest& ioctl) {
  if (!ioctl.input.empty()) co_return fail(NtStatus::kInvalidParameter);
  co_return IoctlAnswer{.output = Bytes(ioctl.max_output_response, kPadding), .padding = kPadding};
}

Task<Result<IoctlAnswer>> ioctl_test_pad_reads(Request& request, const wire::IoctlRequest& ioctl) {
  if (!ioctl.input.empty()) co_return fail(NtStatus::kInvalidParameter);
  request.connection->read_response_padding = kPadding;
  co_return IoctlAnswer{};
}

// Keeps its use of the open meanwhile, so that a CLOSE has to wait for it.
Task<Result<IoctlAnswer>> ioctl_test_sleep(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.input.size() != 1) co_return fail(NtStatus::kInvalidParameter);
  Reactor& reactor = request.connection->reactor();
  co_await reactor.schedule();
  const auto awake = std::make_shared<OneShot<NtStatus>>();
  BRAID_CO_CHECK(request.go_async([awake] { awake->set(NtStatus::kCancelled); }));
  Timer timer(reactor);
  timer.start(std::chrono::milliseconds(ioctl.input[0]),
              [awake] { awake->set(NtStatus::kSuccess); });
  const NtStatus status = co_await awake->wait(reactor);
  if (status != NtStatus::kSuccess) co_return fail(status);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
