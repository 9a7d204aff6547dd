// FrameCodec: from what a transport carries to plain requests, and from answers to what it carries.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/counted_buffer.h"
#include "base/memory_charge.h"
#include "crypto/signing.h"
#include "smb2/compression/compression_trials.h"
#include "smb2/compression/negotiated_compression.h"
#include "smb2/connections/channel_table.h"
#include "smb2/sessions/session.h"
#include "transport/out_frame.h"
#include "wire/smb2/header.h"
#include "wire/smb2/transform_header.h"

namespace braid::smb2 {

// What the signature of a message of a long frame was found to be, and with which key: the gates of
// dispatch.cc decide whether that is the key that counts.
struct VerifiedSignature {
  std::shared_ptr<const crypto::SigningKey> key;  // null: nobody has looked
  bool is_valid = false;
};

// One message of a frame.
struct CompoundElement {
  wire::Header header;
  ByteView message;                 // into the frame
  uint16_t credits_charged = 1;     // as the window counted it
  VerifiedSignature verified = {};  // in a long frame
};

// What the signature of a request was made with, besides the key.
crypto::SigningNonce nonce_of(const wire::Header& request);

// The requests of a received frame, in the clear.
struct RequestFrame {
  CountedBuffer bytes;
  std::vector<CompoundElement> elements;   // one at least
  std::shared_ptr<Session> decrypted_for;  // whose key opened it, or null
  bool was_compressed = false;
  AsyncId waited_as = {};  // of one that waited in the process before: what its client knows it by

  // Which key each signed message is to be verified with, as far as there is one. Whether any is:
  // none of a frame that was encrypted.
  bool find_keys(const ChannelTable& channels);
  // Verifies those. Takes long in a long frame. Thread: any.
  void verify();
};

// A received frame of which is known whose it is. Thread: any.
class ReceivedFrame {
 public:
  // Who encrypted it; null when it came in the clear.
  const std::shared_ptr<Session>& sealed_for() const { return sealed_for_; }
  // [MS-SMB2] 3.3.5.2.1.1 "Decrypting the Message", in place. Takes long in a long frame. False: it
  // was not encrypted with that key. Nothing to do, and true, for one that came in the clear.
  bool unseal();
  // Whether it came compressed. REQUIRES: unseal() was true.
  bool is_compressed() const;
  // [MS-SMB2] 3.3.5.2.1.2 "Decompressing the Message": the message as it was received, and what
  // takes the place of the frame.
  ByteView compressed() const { return bytes_.view().subspan(offset_); }
  void replace(CountedBuffer decompressed);
  // [MS-SMB2] 3.3.5.2.7 "Handling Compounded Requests": where each request begins and ends, and
  // that none speaks for another session than the one that encrypted it. Nothing when the
  // connection must end. REQUIRES: unseal() was true.
  std::optional<RequestFrame> cut() &&;

 private:
  friend class FrameCodec;
  explicit ReceivedFrame(CountedBuffer bytes) : bytes_(std::move(bytes)) {}

  CountedBuffer bytes_;
  size_t offset_ = 0;  // of the first message
  wire::TransformHeader transform_;
  std::shared_ptr<Session> sealed_for_;
  bool was_compressed_ = false;
};

// A message on its way out.
struct OutMessage {
  Bytes message;  // header and body
  Buffer payload;
  MemoryCharge memory;                                    // for both, as far as it was taken before
  std::shared_ptr<const crypto::SigningKey> signing_key;  // null: not signed
  std::function<void(ByteView)> on_bytes;                 // called with `message` as it is sent
  // Whether its payload, or a listing in `message`, may go out compressed; null: not.
  std::shared_ptr<CompressionTrials> compress = {};
  // A key of the client's that goes with it. One message of a frame has one.
  std::optional<uint32_t> invalidate = {};
};

// How a frame is compressed.
struct FrameCompression {
  const NegotiatedCompression& negotiated;
  // Called when it became smaller, with its size before and after.
  std::function<void(size_t plain, size_t compressed)> done;
};

// Frames of one connection, both ways. What takes long is a step of its own, so that a pool thread
// can do it for a long frame: ReceivedFrame::unseal(), RequestFrame::verify(), encode();
// CompressedMessage is between the first two.
class FrameCodec {
 public:
  // `channels` outlives it.
  explicit FrameCodec(const ChannelTable& channels) : channels_(channels) {}

  // Nothing when the connection must end: it is neither an SMB2 message nor one that a session of
  // this connection encrypted, nor compressed where that `may_be_compressed`. Thread: the
  // connection's reactor.
  std::optional<ReceivedFrame> receive(CountedBuffer frame, bool may_be_compressed = false) const;

  // One frame of one or more messages: padded, and signed, compressed with `compression` and, with
  // `encrypt_for`, encrypted with the key of that session instead of signed. It carries the charges
  // of its messages. Thread: any.
  static transport::OutFrame encode(std::vector<OutMessage> messages, const Session* encrypt_for,
                                    const FrameCompression* compression = nullptr);

 private:
  const ChannelTable& channels_;
};

}  // namespace braid::smb2
