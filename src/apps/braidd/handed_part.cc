#include "apps/braidd/handed_part.h"

#include <cerrno>

#include "apps/braidd/memory_file.h"

namespace braid::braidd {

Result<void> send_part(int link, const smb2::OpensHandover::Part& part, MessageKind kind) {
  BRAID_TRY(const UniqueFd state, make_sealed_file(part.state));
  BRAID_CHECK(send_message_waiting(link, kind, part.descriptors.size(), state.get()));
  for (const int each : part.descriptors) {
    BRAID_CHECK(send_message_waiting(link, MessageKind::kFile, 0, each));
  }
  return {};
}

Result<ReceivedPart> receive_part(int link, MessageKind kind) {
  BRAID_TRY(const Message first, receive_message_waiting(link));
  if (first.is_fd_lost) return fail_os(EMFILE);
  if (first.kind != kind || !first.fd) return fail(Error::malformed());
  ReceivedPart part;
  BRAID_TRY(part.state, read_sealed_file(first.fd.get()));
  for (uint64_t i = 0; i < first.number; ++i) {
    BRAID_TRY(Message next, receive_message_waiting(link));
    if (next.kind != MessageKind::kFile) return fail(Error::malformed());
    part.descriptors.push_back(std::move(next.fd));
  }
  return part;
}

}  // namespace braid::braidd
