// Tree: a connected share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/session.h"
#include "wire/smb2/create.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/tree_connect.h"

namespace braid::client {

class File;

// [MS-SMB2] 3.2.1.4 "Per Tree Connect". Held by std::shared_ptr. Thread: its session's.
class Tree : public std::enable_shared_from_this<Tree> {
 public:
  Tree(SessionPtr session, TreeId id, wire::TreeConnectResponse properties)
      : session_(std::move(session)), id_(id), properties_(properties) {}

  Task<Result<void>> disconnect();

  // CREATE. The error is its status. In a session that sends again what a lost channel took along
  // it gets a CreateGuid of its own unless it has one; without one (directories) it is not sent
  // again.
  Task<Result<std::shared_ptr<File>>> create(wire::CreateRequest request);
  // A CREATE with the usual fields: shared with everybody, no oplock.
  Task<Result<std::shared_ptr<File>>> open(
      std::string name, wire::AccessMask access = wire::Access::kFileGenericRead,
      wire::CreateDisposition disposition = wire::CreateDisposition::kOpen, uint32_t options = 0);
  Task<Result<std::shared_ptr<File>>> open_directory(
      std::string name = "", wire::CreateDisposition disposition = wire::CreateDisposition::kOpen);
  // Opens and reads it all; creates or overwrites with the bytes; deletes a file or an empty
  // directory.
  Task<Result<Bytes>> read_file(std::string name);
  Task<Result<void>> write_file(std::string name, Bytes content);
  Task<Result<void>> unlink(std::string name);
  Task<Result<void>> mkdir(std::string name);

  // IOCTL without a file.
  Task<Result<Bytes>> ioctl(wire::Fsctl ctl_code, Bytes input = {}, uint32_t output_max = 65'536);
  Task<Result<void>> acknowledge(wire::OplockBreakAcknowledgment acknowledgment);
  Task<Result<void>> acknowledge(wire::LeaseBreakAcknowledgment acknowledgment);

  // Any request on this tree.
  Task<Result<ExchangePtr>> start(Request request, size_t channel = kAnyChannel);
  Task<Result<std::vector<ExchangePtr>>> start_compound(std::vector<Request> requests,
                                                        size_t channel = kAnyChannel);
  Task<Result<Response>> call(Request request, size_t channel = kAnyChannel);
  template <class Body>
  Task<Result<Reply<Body>>> call_for(Request request) {
    co_return reply_of<Body>(co_await call(std::move(request)));
  }

  TreeId id() const { return id_; }
  const wire::TreeConnectResponse& properties() const { return properties_; }
  Session& session() const { return *session_; }

 private:
  bool wants_encryption() const {
    return (properties_.share_flags & wire::ShareFlags::kEncryptData) != 0;
  }

  const SessionPtr session_;
  const TreeId id_;
  const wire::TreeConnectResponse properties_;
};

using TreePtr = std::shared_ptr<Tree>;

}  // namespace braid::client
