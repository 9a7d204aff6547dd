#include "smb2/connection.h"

#include <algorithm>

#include "base/log.h"
#include "runtime/take_memory.h"
#include "smb2/commands/smb1_negotiate.h"
#include "smb2/compound.h"
#include "smb2/server.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/header.h"
#include "wire/smb2/transform_header.h"

namespace braid::smb2 {
namespace {

// [MS-SMB2] 2.1 "Transport": the length before each message.
constexpr uint64_t kFrameHeaderBytes = 4;

}  // namespace

crypto::Digest32 digest_of(const std::vector<wire::Dialect>& dialects) {
  Bytes bytes;
  wire::Writer writer(bytes);
  for (const wire::Dialect each : dialects) writer.u16(static_cast<uint16_t>(each));
  return crypto::sha256(bytes);
}

Connection::Connection(Server& server, transport::TransportPtr transport,
                       std::shared_ptr<MemoryAccount> account, FdBudget::Place place)
    : number(server.next_connection_number()),
      memory(std::move(account)),
      slow_requests(transport->reactor()),
      server_(server),
      transport_(std::move(transport)),
      place_(std::move(place)),
      unacked_breaks_(
          transport_,
          {.are_awaited = [&server](const auto& each) { return server.breaks.is_awaited(each); },
           .will_not_come = [&server](const auto& each) { server.breaks.send_again(each); }}) {
  transport_->set_receive_limit(kFrameMaxUnauthenticated);
  transport_->set_account(memory);
  if (server.keepalive_idle().count() > 0) {
    transport_->set_keepalive_idle(server.keepalive_idle());
  }
}

Task<void> Connection::run(Buffer first_message, Arrival arrival) {
  const auto self = shared_from_this();
  if (arrival == Arrival::kAfterSmb1Negotiate) resume_after_smb1_negotiate(*this);
  Timer unauthenticated(reactor());
  unauthenticated.start(kUnauthenticatedTimeout, [this] {
    if (any_session_valid_) return;
    log::info("{}: no logon within {} s, dropped", peer_host(), kUnauthenticatedTimeout.count());
    disconnect();
  });
  const size_t first_size = first_message.size();
  bool alive = process_frame({std::move(first_message), memory->take(first_size)});
  while (alive) {
    Result<CountedBuffer> frame = co_await transport_->receive();
    if (!frame) break;
    if (belongs_elsewhere(frame->view())) {
      // The answer to the SMB1 message goes first; this one is answered where the client is known.
      co_await transport_->drained();
      if (UniqueFd socket = transport_->release()) {
        log::debug("{}: passed on to its client's worker", peer_host());
        server_.router()->pass_on(std::move(socket), std::move(*frame));
      }
      break;
    }
    if (frame->size() > kProtectedInlineMax) {
      alive = co_await process_long_frame(std::move(*frame));
    } else {
      alive = process_frame(std::move(*frame));
    }
    // What was cancelled answers before the next request does: clients count on the order.
    if (std::exchange(cancelled_something_, false)) co_await reactor().next_turn();
    if (alive) co_await transport_->writable();
  }
  unauthenticated.cancel();
  co_await close();
}

Task<void> Connection::close() {
  // An answer that was queued before the fatal message still goes out.
  transport_->close();
  place_ = {};
  std::vector<std::shared_ptr<Session>> orphans;
  for (auto& [id, setup] : session_setups) {
    if (setup->purpose == SessionSetupExchange::Purpose::kNew) orphans.push_back(setup->session);
  }
  session_setups.clear();
  for (auto& [id, channel] : std::exchange(channels_, {})) {
    // The last channel ends the session. With others left its requests run on, since the client
    // will ask again on another and must not meet half of what it asked for.
    server_.client_table.remove_session(*this, channel->session->user_id());
    const Session::Removal removal = channel->session->remove_channel(channel);
    if (removal.remaining == 0) orphans.push_back(channel->session);
    if (removal.forgotten) {
      if (const auto connection = removal.forgotten->connection.lock()) {
        connection->abandon();
      }
    }
  }
  ending_ = true;
  server_.client_table.begin_ending(*this);
  end_waits();
  // Breaks look for another channel before the sessions without one end.
  unacked_breaks_.close();
  // Side by side: the disk of one may hang, and the others' files are to be free.
  TaskScope sessions;
  for (auto& session : orphans) sessions.spawn(server_.close_session(session));
  end_waits();
  co_await sessions.join();
  co_await reactor().schedule();
  end_waits();
  co_await requests_.join();
  co_await reactor().schedule();
  slow_requests.close();
}

std::shared_ptr<Channel> Connection::find_channel(SessionId id) const {
  const auto found = channels_.find(id);
  return found == channels_.end() ? nullptr : found->second;
}

bool Connection::add_channel(std::shared_ptr<Channel> channel) {
  if (channels_.size() >= kSessionsPerConnectionMax) return false;
  const Session& session = *channel->session;
  const filestate::UserId user = session.user_id();
  if (!channels_.emplace(session.session_id, std::move(channel)).second) return false;
  server_.client_table.add_session(shared_from_this(), user);
  return true;
}

void Connection::remove_channel(const Channel& channel) {
  // By address: the id may be another session's by now.
  const auto found = channels_.find(channel.session->session_id);
  if (found == channels_.end() || found->second.get() != &channel) return;
  // The key alone: that of the first channel is a part of the session.
  const SessionSecurity* security = channel.session->security();
  auto key = channel.signing_key;
  if (key && security && key.get() == security->signing_key.get()) {
    key = std::make_shared<const crypto::SigningKey>(key->algorithm(), security->signing_secret);
  }
  if (key) ended_sessions_.push_back({channel.session->session_id, std::move(key)});
  if (ended_sessions_.size() > kEndedSessionsMax) ended_sessions_.pop_front();
  server_.client_table.remove_session(*this, channel.session->user_id());
  channels_.erase(found);
}

std::shared_ptr<const crypto::SigningKey> Connection::key_of_ended_session(SessionId id) const {
  const auto found = std::ranges::find(ended_sessions_, id, &EndedSession::id);
  return found == ended_sessions_.end() ? nullptr : found->signing_key;
}

void Connection::session_ended(std::shared_ptr<Channel> channel) {
  reactor().post([self = weak_from_this(), channel = std::move(channel)] {
    const auto connection = self.lock();
    if (!connection) return;
    connection->remove_channel(*channel);
    connection->end_waits();
  });
}

void Connection::abandon() {
  reactor().post([self = weak_from_this()] {
    const auto connection = self.lock();
    if (!connection) return;
    connection->abandoned_ = true;
    connection->end_waits();
  });
}

void Connection::session_became_valid(const Session& session) {
  any_session_valid_ = true;
  const std::string user = session.principal().identity->account_name;
  memory->became_known(user.empty() ? "anonymous" : user);
  place_.user_known();
  transport_->set_receive_limit(kFrameMax);
}

bool Connection::belongs_elsewhere(ByteView frame) const {
  if (!server_.router() || negotiated.dialect != wire::Dialect::kWildcard) return false;
  wire::Reader reader(frame);
  const auto header = wire::Header::decode(reader);
  if (!header || header->is_response() || header->command != wire::Command::kNegotiate) {
    return false;
  }
  // What cannot be read is refused here.
  const auto negotiate = wire::NegotiateRequest::decode(reader);
  return negotiate && !negotiate->client_guid.is_zero() &&
         server_.router()->belongs_elsewhere(negotiate->client_guid);
}

void Connection::count_frame(size_t size) {
  ConnectionCounters::add(counters.bytes_received, kFrameHeaderBytes + size);
  counters.last_frame.store(std::chrono::steady_clock::now(), std::memory_order_relaxed);
}

bool Connection::process_frame(CountedBuffer frame) {
  count_frame(frame.size());
  switch (wire::protocol_id_of(frame.view())) {
    case wire::ProtocolId::kSmb2:
      return process_messages(std::move(frame), 0, nullptr);
    case wire::ProtocolId::kSmb1:
      return process_smb1_negotiate(*this, frame.view());
    case wire::ProtocolId::kTransform:
      break;
    default:
      return false;  // compression was not negotiated; anything else is no SMB2
  }
  const auto sealed = sealed_by(frame.view());
  if (!sealed || !sealed->open(frame.view())) return false;
  return process_messages(std::move(frame), wire::TransformHeader::kSize, sealed->session());
}

std::optional<SealedFrame> Connection::sealed_by(ByteView frame) const {
  return SealedFrame::of(frame, [this](SessionId id) {
    const auto channel = find_channel(id);
    return channel ? channel->session : nullptr;
  });
}

// The next frame is read when this one is decrypted or verified, so that their order stays.
Task<bool> Connection::process_long_frame(CountedBuffer frame) {
  if (wire::protocol_id_of(frame.view()) == wire::ProtocolId::kTransform) {
    count_frame(frame.size());
    const auto sealed = sealed_by(frame.view());
    if (!sealed) co_return false;
    ProtectionSeat seat(*this, sealed->session().get());
    const bool is_open = co_await seat.turn() && sealed->open(frame.view());
    co_await reactor().schedule();
    co_return is_open && process_messages(std::move(frame), wire::TransformHeader::kSize,
                                         sealed->session());
  }
  if (wire::protocol_id_of(frame.view()) != wire::ProtocolId::kSmb2) {
    co_return process_frame(std::move(frame));
  }
  count_frame(frame.size());
  auto elements = take_elements(frame.view(), 0, nullptr);
  if (!elements) co_return false;
  const bool any_signed = find_keys(*elements);
  if (any_signed) {
    const auto channel = find_channel(elements->front().header.session_id);
    ProtectionSeat seat(*this, channel ? channel->session.get() : nullptr);
    const bool is_wanted = (co_await seat.turn()).has_value();
    for (CompoundElement& each : *elements) {
      if (!each.verified.key || !is_wanted) continue;
      each.verified.is_valid = each.verified.key->verify(
          each.message, wire::Header::kSignatureOffset, nonce_of(each.header));
    }
    co_await reactor().schedule();
    if (!is_wanted) co_return false;
  }
  co_return serve(std::move(frame), std::move(*elements), nullptr);
}

bool Connection::find_keys(std::vector<CompoundElement>& elements) const {
  SessionId session_id;
  bool any = false;
  for (CompoundElement& each : elements) {
    // A related request is of the session before it.
    if (!each.header.is_related()) session_id = each.header.session_id;
    const auto channel = each.header.is_signed() ? find_channel(session_id) : nullptr;
    if (channel) each.verified.key = channel->signing_key;
    any |= each.verified.key != nullptr;
  }
  return any;
}

bool Connection::process_messages(CountedBuffer frame, size_t offset,
                                  std::shared_ptr<Session> decrypted_for) {
  auto elements = take_elements(frame.view(), offset, decrypted_for.get());
  return elements && serve(std::move(frame), std::move(*elements), std::move(decrypted_for));
}

std::optional<std::vector<CompoundElement>> Connection::take_elements(
    ByteView frame, size_t offset, const Session* decrypted_for) {
  std::vector<CompoundElement> elements;
  for (;;) {
    const ByteView rest = frame.subspan(offset);
    wire::Reader reader(rest);
    const auto header = wire::Header::decode(reader);
    if (!header || header->is_response()) return std::nullopt;
    size_t length = rest.size();
    if (header->next_command != 0) {
      // The next header starts on a boundary of 8 and behind this one.
      if (header->next_command % 8 != 0 || header->next_command < wire::Header::kSize ||
          header->next_command > rest.size() - wire::Header::kSize) {
        return std::nullopt;
      }
      length = header->next_command;
    }
    if (elements.size() >= kCompoundMax) return std::nullopt;
    // [MS-SMB2] 3.3.5.2.1.1: whoever encrypted it may not speak for another session.
    // The first request has none before it, and SESSION_SETUP takes nothing over.
    const bool names_session = elements.empty() || !header->is_related() ||
                               header->command == wire::Command::kSessionSetup;
    if (decrypted_for && names_session && header->session_id != decrypted_for->session_id) {
      return std::nullopt;
    }
    // [MS-SMB2] 3.3.5.2.2 "Verifying the Connection State".
    const bool negotiate = header->command == wire::Command::kNegotiate;
    if (negotiate == negotiated.is_done()) return std::nullopt;
    // [MS-SMB2] 3.3.5.2.3 "Verifying the Sequence Number".
    const uint16_t charge =
        negotiated.supports_multi_credit ? std::max<uint16_t>(header->credit_charge, 1) : 1;
    if (header->command != wire::Command::kCancel) {
      if (!command_sequence_window.take(header->message_id, charge)) {
        log::info("{}: message id {} with charge {} is outside the window {}..{}, dropped",
                  peer_host(), header->message_id.value, charge, command_sequence_window.low(),
                  command_sequence_window.high());
        return std::nullopt;
      }
    }
    elements.push_back({*header, rest.first(length), charge});
    if (negotiate && header->next_command != 0) return std::nullopt;
    if (header->next_command == 0) break;
    offset += header->next_command;
  }
  return elements;
}

bool Connection::serve(CountedBuffer frame, std::vector<CompoundElement> elements,
                       std::shared_ptr<Session> decrypted_for) {
  const auto count = static_cast<uint32_t>(elements.size());
  ConnectionCounters::add(counters.requests, uint64_t{count});
  ConnectionCounters::add(counters.requests_in_flight, count);
  struct Serve {
    static Task<void> compound(std::shared_ptr<Connection> connection, Compound work,
                               uint32_t count) {
      co_await work.run();
      ConnectionCounters::add(connection->counters.requests_in_flight, 0 - count);
    }
  };
  requests_.spawn(
      Serve::compound(shared_from_this(),
                      Compound(shared_from_this(), std::move(frame), std::move(elements),
                               std::move(decrypted_for)),
                      count));
  return !transport_->is_closed();
}

uint64_t Connection::send_messages(std::vector<OutMessage> messages, const Session* encrypt_for) {
  transport::OutFrame frame;
  if (encrypt_for) frame.head.resize(wire::TransformHeader::kSize);
  for (size_t i = 0; i < messages.size(); ++i) {
    OutMessage& out = messages[i];
    const size_t size = out.message.size() + out.payload.size();
    Bytes padding;
    if (messages.size() > 1) {
      // Every message of a compound ends on a boundary of 8, as Windows pads even the last.
      padding.resize((8 - size % 8) % 8);
      if (i + 1 < messages.size()) {
        wire::Header::patch_next_command(out.message, static_cast<uint32_t>(size + padding.size()));
      }
      if (out.payload.empty()) {
        out.message.insert(out.message.end(), padding.begin(), padding.end());
        padding.clear();
      }
    }
    if (out.signing_key && !encrypt_for) {
      wire::Header::patch_flags(out.message,
                                wire::Header::flags_of(out.message) | wire::HeaderFlags::kSigned);
      wire::Reader reader(out.message);
      const auto header = wire::Header::decode(reader);
      const ByteView rest[] = {out.payload.view(), padding};
      out.signing_key->sign_in_place(out.message, rest, wire::Header::kSignatureOffset,
                                     {.message_id = header->message_id.value, .from_server = true});
    }
    if (out.on_bytes) out.on_bytes(out.message);
    frame.charge.merge(std::move(out.memory));
    if (frame.head.empty()) {
      frame.head = std::move(out.message);
    } else {
      frame.parts.emplace_back(std::move(out.message));
    }
    if (!out.payload.empty()) frame.parts.emplace_back(std::move(out.payload));
    if (!padding.empty()) frame.parts.emplace_back(std::move(padding));
  }
  if (encrypt_for) {
    // [MS-SMB2] 3.1.4.3 "Encrypting the Message".
    const crypto::CipherKey& key = *encrypt_for->security()->encryption_key;
    std::vector<MutableByteView> pieces;
    wire::TransformHeader transform;
    for (transport::Part& part : frame.parts) {
      MutableByteView piece =
          std::visit([](auto& held) { return MutableByteView(held.data(), held.size()); }, part);
      transform.original_message_size += static_cast<uint32_t>(piece.size());
      pieces.push_back(piece);
    }
    transform.nonce = key.next_nonce();
    transform.flags = wire::TransformHeader::kFlagEncrypted;
    transform.session_id = encrypt_for->session_id;
    frame.head.clear();
    wire::Writer writer(frame.head);
    transform.encode(writer);
    const ByteView authenticated =
        ByteView(frame.head).subspan(wire::TransformHeader::kAuthenticatedOffset);
    transform.signature = key.seal(transform.nonce, authenticated, pieces);
    std::memcpy(frame.head.data() + wire::TransformHeader::kSignatureOffset,
                transform.signature.data(), transform.signature.size());
  }
  return send_counted(std::move(frame));
}

uint64_t Connection::send_counted(transport::OutFrame frame) {
  const size_t size = frame.size();
  if (frame.charge.size() < size) frame.charge.merge(memory->take(size - frame.charge.size()));
  if (memory->is_overdrawn() && !transport_->is_closed()) {
    log::info("{}: takes no answers and asks for more, dropped", peer_host());
    disconnect();
  }
  return transport_->send(std::move(frame));
}

void Connection::send_unsolicited(Bytes message) {
  transport::OutFrame frame;
  frame.head = std::move(message);
  send_counted(std::move(frame));
}

Task<std::optional<MemoryCharge>> Connection::take_memory(size_t size) {
  const auto deadline = std::chrono::steady_clock::now() + kMemoryWait;
  const auto turn = std::make_shared<OneShot<bool>>();
  waits_for_memory_.push_back(turn);
  if (waits_for_memory_.size() > 1) co_await turn->wait(reactor());
  auto taken = co_await braid::take_memory(reactor(), memory, size, MemoryUse::kAnswer,
                                           deadline - std::chrono::steady_clock::now(),
                                           [this] { return ending_ || transport_->is_closed(); });
  waits_for_memory_.pop_front();
  if (!waits_for_memory_.empty()) waits_for_memory_.front()->set(true);
  co_return taken;
}

DeliveryOutcome Connection::send_break(Bytes message, const Session* session,
                                       const filestate::Break& notification) {
  std::vector<OutMessage> messages;
  messages.push_back({.message = std::move(message)});
  const bool encrypted = session && session->security()->encrypt_data;
  const uint64_t end = send_messages(std::move(messages), encrypted ? session : nullptr);
  auto outcome = std::make_shared<OneShot<Delivery>>();
  reactor().post([self = shared_from_this(), end, outcome, notification] {
    self->unacked_breaks_.add(end, outcome, notification);
  });
  return outcome;
}

AsyncId Connection::register_async(MessageId message_id, std::move_only_function<void()> on_cancel,
                                   EndedBy ended_by, std::shared_ptr<Session> session) {
  AsyncRequest request{message_id, std::move(on_cancel), ended_by, std::move(session)};
  if (is_over(request) || async_requests_.size() >= kAsyncRequestsMax) return {};
  const AsyncId id{++last_async_id_};
  async_requests_.emplace(id, std::move(request));
  return id;
}

void Connection::unregister_async(AsyncId id) { async_requests_.erase(id); }

void Connection::set_on_cancel(AsyncId id, std::move_only_function<void()> on_cancel,
                               EndedBy ended_by) {
  const auto found = async_requests_.find(id);
  if (found == async_requests_.end()) return;
  found->second.on_cancel = std::move(on_cancel);
  found->second.ended_by = ended_by;
  // What would have ended the wait has been.
  if (is_over(found->second)) std::exchange(found->second.on_cancel, nullptr)();
}

void Connection::cancel(const wire::Header& header) {
  auto found = async_requests_.end();
  if (header.is_async()) {
    found = async_requests_.find(header.async_id);
  } else {
    found = std::find_if(async_requests_.begin(), async_requests_.end(), [&](const auto& entry) {
      return entry.second.message_id == header.message_id;
    });
  }
  if (found != async_requests_.end() && found->second.ended_by == EndedBy::kConnection) return;
  if (found == async_requests_.end() || !found->second.on_cancel) {
    const bool is_known = found != async_requests_.end();
    if (is_known || !header.is_async()) {
      slow_requests.cancel(is_known ? found->second.message_id : header.message_id);
    }
    return;
  }
  auto on_cancel = std::exchange(found->second.on_cancel, nullptr);
  cancelled_something_ = true;
  on_cancel();
}

bool Connection::is_over(const AsyncRequest& request) const {
  if (request.ended_by != EndedBy::kSession) return ending_;
  return abandoned_ || request.session->is_closed();
}

void Connection::end_waits() {
  // A callback may unregister its own entry.
  std::vector<std::move_only_function<void()>> callbacks;
  for (auto& [id, request] : async_requests_) {
    if (is_over(request) && request.on_cancel)
      callbacks.push_back(std::exchange(request.on_cancel, nullptr));
  }
  for (auto& callback : callbacks) callback();
  // Each goes on here and finds that it is to stop; not inside whatever ends the connection.
  for (auto& work : server_.pool().withdraw(waiting_requests)) reactor().post(std::move(work));
  for (auto& work : server_.logons().withdraw(waiting_logons)) reactor().post(std::move(work));
}

}  // namespace braid::smb2
