#include "smb2/siblings.h"

#include "smb2/app_instance.h"
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
  group_->bus().handle(
      store::Topic::kOpens, [this](store::BusMessage& message) { on_open(message); },
      [this] { give_up_waiting(); });
  group_->bus().handle(store::Topic::kLogons,
                       [this](store::BusMessage& message) { on_logon(message); }, {});
  group_->on_ended([this] { give_up_waiting(); });
}

Task<bool> Siblings::ask(size_t worker, store::Topic topic, Bytes question, Executor& executor) {
  if (group_->region().slot(worker).tag == 0) co_return false;
  auto answered = std::make_shared<OneShot<bool>>();
  Bytes message;
  wire::Writer w(message);
  w.value(MessageKind::kQuestion);
  {
    auto waiting = waiting_.lock();
    w.u64(++waiting->last_number);
    waiting->by_number.emplace(waiting->last_number, answered);
  }
  w.bytes(question);
  if (!group_->bus().send(worker, topic, message)) give_up_waiting();
  co_return co_await answered->wait(executor);
}

void Siblings::answer(size_t worker, store::Topic topic, uint64_t number, bool answer) {
  Bytes message;
  wire::Writer w(message);
  w.value(MessageKind::kAnswer);
  w.u64(number);
  w.u8(answer);
  group_->bus().send(worker, topic, message);
}

bool Siblings::take_answer(wire::Reader& r, uint64_t& number) {
  const auto kind = r.as<MessageKind>();
  number = r.u64();
  if (kind == MessageKind::kQuestion) return false;
  const bool answer = r.u8() != 0;
  auto waiting = waiting_.lock();
  const auto found = waiting->by_number.find(number);
  if (found == waiting->by_number.end()) return true;
  const auto answered = std::move(found->second);
  waiting->by_number.erase(found);
  waiting.mutex_lock().unlock();
  answered->set(answer);
  return true;
}

Task<void> Siblings::end_session(SessionId previous, std::shared_ptr<const auth::Identity> user,
                                 Executor& executor) {
  if (!group_) co_return;
  const size_t owner = SessionTable::worker_of(previous);
  if (owner == group_->own_tag().index() || owner >= group_->size()) co_return;
  Bytes question;
  wire::Writer w(question);
  w.u64(previous.value);
  encode_user(*user, w);
  co_await ask(owner, store::Topic::kSessions, std::move(question), executor);
}

void Siblings::on_session(store::BusMessage& message) {
  wire::Reader r(message.payload);
  uint64_t number = 0;
  if (take_answer(r, number)) return;
  const SessionId session{r.u64()};
  auto user = decode_user(r);
  if (user) server_.spawn(end_own(session, std::move(*user), message.from.index(), number));
}

Task<void> Siblings::end_own(SessionId id, auth::Identity user, size_t asked_by, uint64_t number) {
  co_await server_.pool().schedule();
  auto session = server_.session_table.find(id);
  if (session && session->security() && session->principal().identity->is_same_user(user)) {
    co_await server_.close_session(std::move(session));
  }
  answer(asked_by, store::Topic::kSessions, number, true);
}

Task<bool> Siblings::end_instances(AppInstanceArrival arrival, Executor& executor) {
  bool is_newer = false;
  for (size_t worker = 0; group_ && worker < group_->size(); ++worker) {
    if (worker == group_->own_tag().index()) continue;
    Bytes question;
    wire::Writer w(question);
    arrival.encode(w);
    is_newer |= co_await ask(worker, store::Topic::kOpens, std::move(question), executor);
  }
  co_return is_newer;
}

void Siblings::on_open(store::BusMessage& message) {
  wire::Reader r(message.payload);
  uint64_t number = 0;
  if (take_answer(r, number)) return;
  auto arrival = AppInstanceArrival::decode(r);
  if (arrival) {
    server_.spawn(end_own_instances(std::move(*arrival), message.from.index(), number));
  }
}

Task<void> Siblings::end_own_instances(AppInstanceArrival arrival, size_t asked_by,
                                       uint64_t number) {
  co_await server_.pool().schedule();
  const bool is_newer = co_await end_instances_here(server_, std::move(arrival));
  answer(asked_by, store::Topic::kOpens, number, is_newer);
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
