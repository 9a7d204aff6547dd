#include "smb2/siblings.h"

#include "smb2/server.h"
#include "store/worker_group.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

// Names are cut to what an account or an address can be.
constexpr size_t kNameMax = 512;

void encode_text(std::string_view text, wire::Writer& w) {
  text = text.substr(0, kNameMax);
  w.u16(static_cast<uint16_t>(text.size()));
  w.bytes(as_bytes(text));
}

std::string_view decode_text(wire::Reader& r) {
  const uint16_t size = r.u16();
  return as_text(r.bytes(size));
}

// What Identity::is_same_user() looks at.
void encode_user(const auth::Identity& user, wire::Writer& w) {
  user.user_sid.encode(w);
  w.u8(static_cast<uint8_t>(user.is_guest | user.is_anonymous << 1));
  encode_text(user.account_name, w);
}

Result<auth::Identity> decode_user(wire::Reader& r) {
  auth::Identity user;
  BRAID_TRY(user.user_sid, wire::Sid::decode(r));
  const uint8_t flags = r.u8();
  user.is_guest = (flags & 1) != 0;
  user.is_anonymous = (flags & 2) != 0;
  user.account_name = decode_text(r);
  return r.finish(std::move(user));
}

}  // namespace

Siblings::Siblings(Server& server, store::WorkerGroup* group) : server_(server), group_(group) {
  if (!group_) return;
  group_->bus().handle(
      store::Topic::kSessions, [this](store::BusMessage& message) { on_session(message); },
      [this] { give_up_waiting(); });
  group_->bus().handle(store::Topic::kLogons,
                       [this](store::BusMessage& message) { on_logon(message); }, {});
  group_->on_ended([this] { give_up_waiting(); });
}

Task<void> Siblings::end_session(SessionId previous, std::shared_ptr<const auth::Identity> user,
                                 Executor& executor) {
  if (!group_) co_return;
  const size_t owner = SessionTable::worker_of(previous);
  if (owner == group_->own_tag().index() || owner >= group_->size()) co_return;
  auto answer = std::make_shared<OneShot<bool>>();
  Bytes message;
  wire::Writer w(message);
  w.value(SessionMessage::kEnd);
  {
    auto waiting = waiting_.lock();
    w.u64(++waiting->last_number);
    waiting->by_number.emplace(waiting->last_number, answer);
  }
  w.u64(previous.value);
  encode_user(*user, w);
  const bool is_there = group_->region().slot(owner).tag != 0;
  if (!is_there || !group_->bus().send(owner, store::Topic::kSessions, message)) give_up_waiting();
  co_await answer->wait(executor);
}

void Siblings::on_session(store::BusMessage& message) {
  wire::Reader r(message.payload);
  const auto kind = r.as<SessionMessage>();
  const uint64_t number = r.u64();
  if (kind == SessionMessage::kEnded) {
    auto waiting = waiting_.lock();
    const auto found = waiting->by_number.find(number);
    if (found == waiting->by_number.end()) return;
    const auto answer = std::move(found->second);
    waiting->by_number.erase(found);
    waiting.mutex_lock().unlock();
    answer->set(true);
    return;
  }
  const SessionId session{r.u64()};
  auto user = decode_user(r);
  if (!user || kind != SessionMessage::kEnd) return;
  server_.spawn(end_own(session, std::move(*user), message.from.index(), number));
}

Task<void> Siblings::end_own(SessionId id, auth::Identity user, size_t asked_by, uint64_t number) {
  co_await server_.pool().schedule();
  auto session = server_.session_table.find(id);
  if (session && session->security() && session->principal().identity->is_same_user(user)) {
    co_await server_.close_session(std::move(session));
  }
  Bytes message;
  wire::Writer w(message);
  w.value(SessionMessage::kEnded);
  w.u64(number);
  group_->bus().send(asked_by, store::Topic::kSessions, message);
}

void Siblings::give_up_waiting() {
  auto waiting = waiting_.lock();
  const auto answers = std::exchange(waiting->by_number, {});
  waiting.mutex_lock().unlock();
  for (const auto& [number, answer] : answers) answer->set(false);
}

void Siblings::logon_failed(std::string_view address, std::string_view account) {
  server_.penalties().failed(address, account);
  tell_logon(false, address, account);
}

void Siblings::logon_succeeded(std::string_view address, std::string_view account) {
  server_.penalties().succeeded(address, account);
  tell_logon(true, address, account);
}

void Siblings::tell_logon(bool succeeded, std::string_view address, std::string_view account) {
  if (!group_) return;
  Bytes message;
  wire::Writer w(message);
  w.u8(succeeded);
  encode_text(address, w);
  encode_text(account, w);
  group_->bus().broadcast(store::Topic::kLogons, message);
}

void Siblings::on_logon(store::BusMessage& message) {
  wire::Reader r(message.payload);
  const bool succeeded = r.u8() != 0;
  const auto address = decode_text(r);
  const auto account = decode_text(r);
  if (!r.ok()) return;
  if (succeeded) {
    server_.penalties().succeeded(address, account);
  } else {
    server_.penalties().failed(address, account);
  }
}

}  // namespace braid::smb2
