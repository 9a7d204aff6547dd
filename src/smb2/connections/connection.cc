#include "smb2/connections/connection.h"

#include <algorithm>

#include "base/log.h"
#include "base/serving_term.h"
#include "runtime/take_memory.h"
#include "smb2/compression/compressed_message.h"
#include "smb2/compression/limits.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/protection_seat.h"
#include "smb2/connections/smb1_negotiate.h"
#include "smb2/opens/work_owner.h"
#include "smb2/server.h"
#include "wire/smb2/header.h"

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
      channel_counters(server.channel_counters.of(
          {transport->local().host(), transport->remote_memory() != nullptr})),
      memory(std::move(account)),
      slow_requests(transport->reactor()),
      server_(server),
      transport_(std::move(transport)),
      place_(std::move(place)),
      unacked_breaks_(
          transport_,
          {.are_awaited =
               [&server](const auto& each) { return server.files.breaks.is_awaited(each); },
           .will_not_come =
               [&server](const auto& each) { server.files.breaks.send_again(each); }}) {
  transport_->set_receive_limit(kFrameMaxUnauthenticated);
  transport_->set_account(memory);
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
  for (RequestFrame& each : std::exchange(again_, {})) serve(std::move(each));
  const size_t first_size = first_message.size();
  bool alive =
      first_size == 0 || process_frame({std::move(first_message), memory->take(first_size)});
  while (alive) {
    is_receiving_ = true;
    Result<CountedBuffer> frame = co_await transport_->receive();
    is_receiving_ = false;
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
    const bool is_sealed = wire::protocol_id_of(frame->view()) == wire::ProtocolId::kTransform;
    if (frame->size() > protected_inline_max(negotiated, is_sealed) || may_be_compressed()) {
      alive = co_await process_long_frame(std::move(*frame));
    } else {
      alive = process_frame(std::move(*frame));
    }
    // What was cancelled answers before the next request does: clients count on the order.
    if (std::exchange(cancelled_something_, false)) co_await reactor().next_turn();
    if (lane_) co_await lane_->turn();
    if (alive) co_await transport_->writable();
  }
  unauthenticated.cancel();
  co_await close();
}

bool Connection::is_at_rest() const {
  return is_receiving_ && negotiated.is_done() && session_setups.empty() &&
         session_setups_under_way == 0 && requests_.running() == aside_.size() &&
         transport_->handed();
}

bool Connection::is_logging_on() const {
  return is_receiving_ && requests_.running() == 0 &&
         (!negotiated.is_done() || !session_setups.empty());
}

// It is looked again and again, as what it waits for are many events, of disks and of the peer.
Task<void> Connection::come_to_rest(std::chrono::steady_clock::time_point end) {
  using std::chrono::steady_clock;
  const auto self = shared_from_this();
  co_await reactor().next_turn();
  const auto waits_until = std::min(end, steady_clock::now() + kRestOfWaits);
  const auto logon_until = std::min(end, steady_clock::now() + kRestOfLogons);
  while (is_logging_on() && steady_clock::now() < logon_until && !transport_->is_peer_gone()) {
    co_await reactor().sleep_for(kRestLook);
  }
  bool may_rest = transport_->hold();
  while (may_rest && !transport_->is_peer_gone()) {
    set_waits_aside();
    if (is_at_rest()) {
      is_resting_ = true;
      co_return;
    }
    const bool any_waits = async_commands.size() > aside_.size();
    may_rest = steady_clock::now() < (any_waits ? waits_until : end) && !is_logging_on();
    if (may_rest) co_await reactor().sleep_for(kRestLook);
  }
  disconnect();
}

void Connection::go_on() {
  reactor().post([self = weak_from_this()] {
    const auto connection = self.lock();
    if (!connection) return;
    connection->is_resting_ = false;
    for (const auto& [request, over] : connection->aside_) over->set(NtStatus::kSuccess);
    connection->transport_->go_on();
  });
}

// Of several workers one may serve before the clients of the next have their opens again, and what
// it asks there would end them as those of clients that are away.
void Connection::set_waits_aside() {
  if (server_.workers.any()) return;
  size_t size = 0;
  for (const auto& [request, over] : aside_) size += request->repeatable.size();
  for (Request* const request : repeatable_waits_) {
    const size_t own = request->repeatable.size();
    if (!request->set_aside || own > kCreateSizeMax || size + own > kAsideMax) continue;
    size += own;
    std::exchange(request->set_aside, nullptr)();
  }
}

std::vector<Connection::WaitingRequest> Connection::requests_aside() const {
  std::vector<WaitingRequest> requests;
  for (const auto& [request, over] : aside_) {
    requests.push_back({.async_id = request->async_id(),
                        .is_encrypted = request->is_encrypted,
                        .message = {request->repeatable.begin(), request->repeatable.end()}});
  }
  std::ranges::sort(requests, {}, [](const auto& each) { return each.async_id.value; });
  return requests;
}

void Connection::ask_again(const std::vector<WaitingRequest>& requests) {
  for (const WaitingRequest& each : requests) {
    auto frame = frame_of(each);
    if (!frame) {
      again_.clear();
      return disconnect();
    }
    again_.push_back(*std::move(frame));
  }
}

std::optional<RequestFrame> Connection::frame_of(const WaitingRequest& request) {
  auto room = memory->try_take(request.message.size(), MemoryUse::kFrame);
  if (!room) return std::nullopt;
  CountedBuffer bytes(Buffer(request.message.size()), *std::move(room));
  std::ranges::copy(request.message, bytes.view().begin());
  auto received = codec_.receive(std::move(bytes));
  auto frame = received ? std::move(*received).cut() : std::nullopt;
  if (!frame || frame->elements.size() != 1) return std::nullopt;
  const auto channel = find_channel(frame->elements.front().header.session_id);
  if (!channel) return std::nullopt;
  if (request.is_encrypted) frame->decrypted_for = channel->session;
  frame->waited_as = request.async_id;
  return frame;
}

Connection::RepeatableWait::RepeatableWait(Request& request) : request_(request) {
  request.connection->repeatable_waits_.push_back(&request);
}

Connection::RepeatableWait::~RepeatableWait() {
  request_.set_aside = nullptr;
  std::erase(request_.connection->repeatable_waits_, &request_);
}

Connection::Aside::Aside(Request& request, std::shared_ptr<OneShot<NtStatus>> over)
    : request_(request) {
  request.connection->aside_.emplace_back(&request, std::move(over));
}

Connection::Aside::~Aside() {
  std::erase_if(request_.connection->aside_,
                [this](const auto& each) { return each.first == &request_; });
}

void Connection::was_negotiated(Negotiated as, const crypto::PreauthHash& hash,
                                const CommandSequenceWindow::Image& window) {
  negotiated = std::move(as);
  preauth_integrity_hash = hash;
  command_sequence_window.restore(window);
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
  for (const auto& channel : channels_.take_all()) {
    // The last channel ends the session. With others left its requests run on, since the client
    // will ask again on another and must not meet half of what it asked for.
    server_.logons.client_table.remove_session(*this, channel->session->user_id());
    const Session::Removal removal = channel->session->remove_channel(channel);
    if (removal.remaining == 0) orphans.push_back(channel->session);
    if (removal.forgotten) {
      if (const auto connection = removal.forgotten->connection.lock()) {
        connection->abandon();
      }
    }
  }
  ending_ = true;
  server_.logons.client_table.begin_ending(*this);
  async_commands.connection_lost();
  end_waits();
  // Breaks look for another channel before the sessions without one end.
  unacked_breaks_.close();
  // Side by side: the disk of one may hang, and the others' files are to be free.
  TaskScope sessions;
  for (auto& session : orphans) sessions.spawn(server_.logons.close_session(session));
  loss->set(true);
  end_waits();
  co_await sessions.join();
  co_await reactor().schedule();
  end_waits();
  co_await requests_.join();
  co_await reactor().schedule();
  slow_requests.close();
}

bool Connection::comes_from(const std::vector<config::HostRule>& hosts) const {
  if (hosts.empty()) return true;
  const transport::SocketAddress peer = transport_->peer();
  const auto address = IpAddress::of(peer.data());
  return address && config::admits(hosts, *address);
}

bool Connection::add_channel(std::shared_ptr<Channel> channel) {
  const filestate::UserId user = channel->session->user_id();
  if (!channels_.add(std::move(channel))) return false;
  server_.logons.client_table.add_session(shared_from_this(), user);
  return true;
}

void Connection::remove_channel(const Channel& channel) {
  const filestate::UserId user = channel.session->user_id();
  if (channels_.remove(channel)) server_.logons.client_table.remove_session(*this, user);
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
    connection->async_commands.abandon();
    connection->end_waits();
  });
}

void Connection::session_became_valid(const Session& session) {
  any_session_valid_ = true;
  const std::string user = session.principal().identity->account_name;
  memory->became_known(user.empty() ? "anonymous" : user);
  const uint64_t owner = work_of(session.principal().identity.get(), nullptr).user;
  lane_ = server_.reactor_lanes.lane_of(reactor(), owner);
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
  const ReactorLane::Work work(lane_);
  count_frame(frame.size());
  if (wire::protocol_id_of(frame.view()) == wire::ProtocolId::kSmb1) {
    return process_smb1_negotiate(*this, frame.view());
  }
  auto received = codec_.receive(std::move(frame));
  if (!received || !received->unseal()) return false;
  auto requests = std::move(*received).cut();
  return requests && admit(*requests) && serve(std::move(*requests));
}

// The next frame is read when this one is decrypted or verified, so that their order stays. It is
// no SMB1 NEGOTIATE: none comes when there is a session.
Task<bool> Connection::process_long_frame(CountedBuffer frame) {
  count_frame(frame.size());
  const bool is_long = frame.size() > protected_inline_max(negotiated, /*is_encrypted=*/true);
  auto received = codec_.receive(std::move(frame), may_be_compressed());
  if (!received) co_return false;
  if (const auto& session = received->sealed_for(); session && is_long) {
    ProtectionSeat seat(*this, session.get());
    const bool is_open = co_await seat.turn() && received->unseal();
    co_await reactor().schedule();
    if (!is_open) co_return false;
  } else if (!received->unseal()) {
    co_return false;
  }
  if (received->is_compressed() && !co_await decompress(*received)) co_return false;
  auto requests = std::move(*received).cut();
  if (!requests || !admit(*requests)) co_return false;
  if (requests->bytes.size() > protected_inline_max(negotiated, /*is_encrypted=*/false) &&
      requests->find_keys(channels_)) {
    const auto channel = find_channel(requests->elements.front().header.session_id);
    ProtectionSeat seat(*this, channel ? channel->session.get() : nullptr);
    const bool is_wanted = (co_await seat.turn()).has_value();
    if (is_wanted) requests->verify();
    co_await reactor().schedule();
    if (!is_wanted) co_return false;
  }
  co_return serve(std::move(*requests));
}

// [MS-SMB2] 3.3.5.2.1.2 "Decompressing the Message". A message in it that is compressed or
// encrypted once more is none to cut().
Task<bool> Connection::decompress(ReceivedFrame& received) {
  if (!may_be_compressed()) co_return false;
  const ByteView compressed = received.compressed();
  const size_t transfer_max =
      std::max({negotiated.max_read_size, negotiated.max_write_size, negotiated.max_transact_size});
  const auto message =
      CompressedMessage::decode(compressed, negotiated.compression, transfer_max, kFrameMax);
  if (!message) {
    log::info("{}: a compressed message that cannot be one, dropped", peer_host());
    co_return false;
  }
  const size_t size = message->size();
  const bool is_quick = message->is_quick();
  std::optional<MemoryCharge> charge;
  if (is_quick) {
    charge = memory->take(size, MemoryUse::kFrame);
  } else {
    charge = co_await braid::take_memory(reactor(), memory, size, MemoryUse::kFrame, kMemoryWait,
                                         [this] { return transport_->is_closed(); });
  }
  if (!charge) {
    log::info("{}: no memory to decompress {} bytes, dropped", peer_host(), size);
    co_return false;
  }
  CountedBuffer room(Buffer(size), *std::move(charge));
  bool is_done = false;
  if (is_quick) {
    is_done = message->decompress(room.view());
    // The next frame may be there already.
    co_await reactor().next_turn();
  } else {
    // Not sealed it may be of any session here, and its header is not readable yet.
    auto session = received.sealed_for();
    if (!session) session = channels_.any_session();
    ProtectionSeat seat(*this, session.get());
    is_done = co_await seat.turn() && message->decompress(room.view());
    co_await reactor().schedule();
  }
  if (!is_done) {
    if (!transport_->is_closed()) {
      log::info("{}: a compressed message with data that is none, dropped", peer_host());
    }
    co_return false;
  }
  compression_counters.in.add(size, compressed.size());
  server_.compression.totals.in.add(size, compressed.size());
  received.replace(std::move(room));
  co_return true;
}

bool Connection::admit(RequestFrame& frame) {
  for (CompoundElement& each : frame.elements) {
    const wire::Header& header = each.header;
    // [MS-SMB2] 3.3.5.2.2 "Verifying the Connection State".
    const bool negotiate = header.command == wire::Command::kNegotiate;
    if (negotiate == negotiated.is_done()) return false;
    if (negotiate && header.next_command != 0) return false;
    // [MS-SMB2] 3.3.5.2.3 "Verifying the Sequence Number".
    if (negotiated.supports_multi_credit) {
      each.credits_charged = std::max<uint16_t>(header.credit_charge, 1);
    }
    if (header.command == wire::Command::kCancel) continue;
    if (!command_sequence_window.take(header.message_id, each.credits_charged)) {
      log::info("{}: message id {} with charge {} is outside the window {}..{}, dropped",
                peer_host(), header.message_id.value, each.credits_charged,
                command_sequence_window.low(), command_sequence_window.high());
      return false;
    }
  }
  return true;
}

bool Connection::serve(RequestFrame frame) {
  const auto count = static_cast<uint32_t>(frame.elements.size());
  ConnectionCounters::add(counters.requests, uint64_t{count});
  ConnectionCounters::add(counters.requests_in_flight, count);
  struct Serve {
    static Task<void> compound(std::shared_ptr<Connection> connection, Compound work,
                               uint32_t count) {
      co_await work.run();
      ConnectionCounters::add(connection->counters.requests_in_flight, 0 - count);
    }
  };
  const ReactorLane::Work work(lane_);
  requests_.spawn(
      Serve::compound(shared_from_this(), Compound(shared_from_this(), std::move(frame)), count));
  return !transport_->is_closed();
}

uint64_t Connection::send_messages(std::vector<OutMessage> messages, const Session* encrypt_for) {
  size_t size = 0;
  bool compress = false;
  for (const OutMessage& each : messages) {
    size += each.message.size() + each.payload.size();
    compress |= each.compress != nullptr;
  }
  // For what it becomes and what that is made in; without room for it, it goes as it is.
  const auto room = compress ? memory->try_take(2 * size, MemoryUse::kAnswer) : std::nullopt;
  if (!room) return send_counted(FrameCodec::encode(std::move(messages), encrypt_for));
  const FrameCompression compression{negotiated.compression, [this](size_t plain, size_t wire) {
                                       compression_counters.out.add(plain, wire);
                                       server_.compression.totals.out.add(plain, wire);
                                     }};
  return send_counted(FrameCodec::encode(std::move(messages), encrypt_for, &compression));
}

uint64_t Connection::send_counted(transport::OutFrame frame) {
  // What it says was done before this.
  check_serving_term();
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
  using SteadyClock = std::chrono::steady_clock;
  const auto began = SteadyClock::now();
  const auto turn = std::make_shared<OneShot<bool>>();
  waits_for_memory_.push_back(turn);
  if (waits_for_memory_.size() > 1) co_await turn->wait(reactor());
  const auto patience = std::max(began, got_memory_at_) + kMemoryWait - SteadyClock::now();
  auto taken = co_await braid::take_memory(reactor(), memory, size, MemoryUse::kAnswer, patience,
                                           [this] { return ending_ || transport_->is_closed(); });
  if (taken) got_memory_at_ = SteadyClock::now();
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
  server_.files.breaks.spawn(await_acknowledgement(end, outcome, notification));
  return outcome;
}

// The Server waits for it: what is found here may be sent again.
Task<void> Connection::await_acknowledgement(uint64_t end, DeliveryOutcome outcome,
                                             filestate::Break notification) {
  const auto self = shared_from_this();
  co_await reactor().next_turn();
  unacked_breaks_.add(end, std::move(outcome), notification);
}

void Connection::cancel(const wire::Header& header) {
  const AsyncCommandList::Cancelled cancelled = async_commands.cancel(header);
  if (cancelled.ended) cancelled_something_ = true;
  if (cancelled.not_waiting) slow_requests.cancel(*cancelled.not_waiting);
}

void Connection::end_waits() {
  async_commands.end_waits();
  // Each goes on here and finds that it is to stop; not inside whatever ends the connection.
  for (auto& work : server_.files.pool.withdraw(waiting_requests)) reactor().post(std::move(work));
  for (auto& work : server_.logons.pool.withdraw(waiting_logons)) reactor().post(std::move(work));
}

}  // namespace braid::smb2
