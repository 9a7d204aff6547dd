// Compound: the requests of one received frame, answered in order. [MS-SMB2] 3.3.5.2.7 "Handling
// Compounded Requests". A frame with a single request is a compound of one.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runtime/task.h"
#include "smb2/connections/connection.h"
#include "smb2/connections/frame_codec.h"
#include "smb2/connections/request.h"
#include "wire/smb2/header.h"

namespace braid::smb2 {

// Lives in the coroutine that Connection::serve() starts for the frame. Thread: the connection's
// reactor.
class Compound {
 public:
  Compound(std::shared_ptr<Connection> connection, RequestFrame frame);

  // Answers everything and sends the answers: in one frame, or in as many as they need.
  Task<void> run();

  // What a related request takes over from the one before it.
  SessionId session_id;
  TreeId tree_id;
  std::optional<FileId> file_id;
  // Why the CREATE that file_id should have come from failed.
  NtStatus create_error = NtStatus::kSuccess;
  // Whether the request before this one had, or got, a session and a tree.
  bool has_session = false;
  bool has_tree = false;
  // The channel the last request that had one came on: signs errors of those that found none.
  std::shared_ptr<Channel> channel;

  // What the request before it held of its open: a CLOSE that has begun meanwhile waits for the
  // rest of the chain. Only from the end of the one to the gates of the next.
  OpenUse kept_use;

  // Forgets all that for a request that stands for itself.
  void begin_unrelated() {
    has_session = has_tree = false;
    file_id.reset();
    create_error = NtStatus::kSuccess;
  }

  // Sends the answers so far, those that take long to protect when a pool thread has done that.
  // What follows goes into a frame of its own.
  void send_replies();
  // Gives up the frame, whose last request waits and has taken from it what it needs.
  void drop_frame() { frame_.bytes = CountedBuffer(); }
  // Sends the answers so far with the interim response of `request` behind them.
  void send_interim(const Request& request, AsyncId async_id);
  bool is_encrypted() const { return frame_.decrypted_for != nullptr; }
  bool was_compressed() const { return frame_.was_compressed; }
  // What was found before the requests ran; with no key when nobody has looked.
  const VerifiedSignature& verified(size_t index) const { return frame_.elements[index].verified; }
  // All signatures of a long frame were verified before its requests run, or are not valid.
  bool is_long() const { return is_long_; }
  bool is_single() const { return frame_.elements.size() == 1; }
  bool is_last(size_t index) const { return index + 1 == frame_.elements.size(); }
  bool is_before_related(size_t index) const {
    return !is_last(index) && frame_.elements[index + 1].header.is_related();
  }

 private:
  void add_reply(Request& request, Reply reply);
  bool takes_long_to_protect() const;
  bool compresses() const;
  static Task<void> send_protected(std::shared_ptr<Connection> connection,
                                   std::shared_ptr<Session> protect_for,
                                   std::vector<OutMessage> replies,
                                   std::vector<std::shared_ptr<void>> ahead_of, bool encrypt,
                                   std::optional<CompressionLoad::Place> place);
  uint16_t grant_credits(const Request& request, bool may_grow);
  void finish_header(const Request& request, MutableByteView message, NtStatus status,
                     AsyncId async_id, uint16_t credits);
  std::shared_ptr<const crypto::SigningKey> key_for(const Request& request) const;

  std::shared_ptr<Connection> connection_;
  RequestFrame frame_;
  bool is_long_ = false;
  MemoryCharge memory_;  // of the requests
  std::vector<OutMessage> replies_;
  std::vector<std::shared_ptr<void>> ahead_of_;  // Request::ahead_of of these
  size_t replies_size_ = 0;                      // as one frame
};

}  // namespace braid::smb2
