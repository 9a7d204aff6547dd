#include "smb2/connections/request.h"

#include <algorithm>
#include <utility>

#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/server.h"

namespace braid::smb2 {

Unheard unheard_of(Changes changes) {
  switch (changes) {
    case Changes::kNothing:
      return Unheard::kStops;
    case Changes::kClient:
      return Unheard::kGoesOn;
    case Changes::kRepeatable:
    case Changes::kOpen:
    case Changes::kFile:
      return Unheard::kStopsWithSession;
  }
  std::unreachable();
}

Result<void> RequestSeat::check_wanted() const {
  if (unheard_ == Unheard::kGoesOn) return {};
  if (request_.session && request_.session->is_closed()) {
    return fail(NtStatus::kUserSessionDeleted);
  }
  if (unheard_ == Unheard::kStops && request_.connection->is_ending()) {
    return fail(NtStatus::kCancelled);
  }
  return {};
}

Request::Request(Server& its_server, std::shared_ptr<Connection> its_connection,
                 Compound& its_compound, size_t its_index, wire::Header its_header,
                 ByteView its_message, bool encrypted)
    : server(its_server),
      files(its_server.files),
      logons(its_server.logons),
      connection(std::move(its_connection)),
      compound(its_compound),
      index(its_index),
      header(its_header),
      message(its_message),
      is_encrypted(encrypted),
      seat(files.pool, connection->waiting_requests, *this) {}

Result<void> Request::check_credit_charge(uint64_t sent, uint64_t answered) const {
  if (!connection->negotiated.supports_multi_credit) return {};
  const uint64_t payload = std::max(sent, answered);
  if (payload > uint64_t{std::max<uint16_t>(header.credit_charge, 1)} * kBytesPerCredit) {
    return fail(NtStatus::kInvalidParameter);
  }
  return {};
}

Result<void> Request::verify_channel_sequence() {
  if (!connection->negotiated.is_smb3()) return {};
  const auto admission = open->channel_sequence.begin(header.channel_sequence, header.is_replay());
  if (admission.counted_in) sequence_use = SequenceUse(open.get(), *admission.counted_in);
  if (conduct.changes >= Changes::kOpen && !admission.is_admitted) {
    return fail(NtStatus::kFileNotAvailable);
  }
  return {};
}

Result<void> Request::check_may_change(Changes changes) const {
  if (changes < Changes::kFile || !tree_connect->is_read_only()) return {};
  return fail(NtStatus::kMediaWriteProtected);
}

bool Request::waits_for_ever() const {
  return conduct.waits == Waits::kForEver ||
         (conduct.waits == Waits::kForEverOnPipe && tree_connect->is_pipe());
}

Result<void> Request::go_async(std::move_only_function<void()> on_cancel, Interim interim) {
  const bool unbounded = waits_for_ever();
  // What may wait for ever must not hold up the rest of its compound: [MS-SMB2] 3.3.5.2.7. And a
  // row that says never is wrong.
  if (conduct.waits == Waits::kNever || (unbounded && !compound.is_last(index))) {
    return fail(NtStatus::kInternalError);
  }
  // What waits without end has done nothing yet: the client asks again on another channel, and must
  // not find its own lock there or lose changes to a dead request. The others do what was asked.
  const EndedBy ended_by = unbounded ? EndedBy::kCancel : EndedBy::kSession;
  gone_async_ = true;
  if (async_id_.value != 0) {  // it was slow before
    connection->async_commands.set_on_cancel(async_id_, std::move(on_cancel), ended_by);
    return {};
  }
  async_id_ =
      connection->async_commands.add(header.message_id, std::move(on_cancel), ended_by, session);
  if (async_id_.value == 0) return fail(NtStatus::kInsufficientResources);
  owes_interim_ = true;
  if (interim == Interim::kAtOnce) send_interim();
  if (unbounded) compound.drop_frame();
  return {};
}

void Request::continue_async(AsyncId id) {
  async_id_ = id;
  const auto its = connection->find_channel(header.session_id);
  if (its) connection->async_commands.add_again(id, header.message_id, its->session);
}

void Request::send_interim() {
  if (std::exchange(owes_interim_, false)) compound.send_interim(*this, async_id_);
}

void Request::may_take_long() {
  // Others of a compound wait for it, and get their own answers first.
  if (!compound.is_last(index) || is_watched_) return;
  is_watched_ = true;
  connection->slow_requests.add(*this);
}

void Request::send_sign_of_life() {
  if (gone_async_) return;  // it waits for a client, who knows
  if (tree_connect && !std::exchange(is_slow_, true)) ++tree_connect->share->slow_requests;
  if (async_id_.value != 0 || connection->is_ending()) return;
  async_id_ =
      connection->async_commands.add(header.message_id, nullptr, EndedBy::kSession, session);
  if (async_id_.value != 0) compound.send_interim(*this, async_id_);
}

void Request::finish_async() {
  if (is_watched_) connection->slow_requests.remove(*this);
  if (is_slow_) --tree_connect->share->slow_requests;
  if (async_id_.value != 0) connection->async_commands.remove(async_id_);
  // The interim response was not needed: the client has not heard of the id, and has no credits.
  if (owes_interim_) async_id_ = {};
}

}  // namespace braid::smb2
