// The calls of Witness over a conversation, as a TCP connection has one.
#include "rpc/interface.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "rpc/association.h"
#include "rpc/memory_directory.h"
#include "rpc/secured_client_testing.h"
#include "rpc/witness/service.h"

namespace braid::rpc::witness {
namespace {

class Witness : public testing::Test {
 protected:
  Witness() {
    service_.set_interface({"NODE1", State::kAvailable, *IpAddress::parse("192.0.2.1"), true});
  }

  // Hands what the service delivers to the conversation, as the thread of its connection does.
  void hand_over() {
    for (const Completion& completion : std::exchange(delivered_, {})) {
      ASSERT_EQ(completion.call.association, 7u);
      ASSERT_TRUE(
          association_->complete(completion.call.number, FaultStatus::kNone, completion.encode()));
    }
  }
  void send(ByteView bytes) {
    ASSERT_TRUE(association_->receive({}, bytes));
    ASSERT_TRUE(judge_logons(*association_, CallerInfo{}));
    hand_over();
  }
  Bytes read() {
    auto& answers = association_->answers();
    if (answers.empty()) return {};
    Bytes first = std::move(answers.front());
    answers.pop_front();
    association_->forget(first.size());
    return first;
  }
  void log_on(AuthLevel level) {
    client_.emplace(level, witness_interface().syntax);
    send(client_->bind());
    send(client_->auth3(read()));
  }
  void call(uint16_t opnum, ByteView stub, uint32_t call_id) {
    send(client_->request(opnum, stub, 3, call_id));
  }
  // Of a response: what is in front of the padding, which the trailer counts.
  static Bytes stub_of(const Bytes& pdu) {
    wire::Reader r(pdu);
    const auto header = PduHeader::decode(r);
    EXPECT_EQ(header->type, PduType::kResponse);
    size_t end = header->body_end();
    if (header->auth_length != 0) end -= pdu[end + 2];
    return Bytes(pdu.begin() + 24, pdu.begin() + static_cast<ptrdiff_t>(end));
  }
  static uint32_t call_id_of(const Bytes& pdu) { return number_at(pdu, 12); }
  static uint32_t fault_of(const Bytes& pdu) {
    return pdu.size() >= 28 && pdu[2] == 3 ? number_at(pdu, 24) : 0;
  }
  static uint32_t number_at(const Bytes& bytes, size_t at) {
    uint32_t number = 0xffffffff;
    if (bytes.size() >= at + 4) std::memcpy(&number, &bytes[at], 4);
    return number;
  }
  static uint32_t result_of(const Bytes& stub) { return number_at(stub, stub.size() - 4); }

  static Bytes register_stub(std::string_view name = "fs") {
    Bytes stub;
    wire::NdrWriter out(stub);
    out.u32(RegisterRequest::kVersion2);
    for (const std::string_view text :
         {name, std::string_view("data"), std::string_view("192.0.2.1"), std::string_view("c")}) {
      out.unique_wide_string(text);
    }
    out.u32(1);
    out.u32(120);
    return stub;
  }
  Bytes register_client(uint32_t call_id = 10) {
    call(4, register_stub(), call_id);
    Bytes stub = stub_of(read());
    EXPECT_EQ(result_of(stub), error::kSuccess);
    stub.resize(20);
    return stub;
  }

  Completions delivered_;
  Service service_{{"fs"},
                   [] { return TimePoint(std::chrono::seconds(1000)); },
                   [this](Completions completions) {
                     for (Completion& one : completions) delivered_.push_back(std::move(one));
                   }};
  auth::AuthFixture logons_;
  MemoryDirectory memory_;
  const Directory directory_ = memory_.directory();
  std::optional<Association> association_{
      std::in_place, Association::Parts{.interface = witness_interface(),
                                        .directory = directory_,
                                        .authenticator = &logons_.authenticator(),
                                        .witness = &service_,
                                        .number = 7}};
  std::optional<SecuredClient> client_;
};

TEST_F(Witness, NoticeComesWhileOtherCallsAreAnswered) {
  log_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client();
  call(3, handle, 11);
  EXPECT_TRUE(read().empty());
  call(0, {}, 12);
  const Bytes list = read();
  EXPECT_EQ(call_id_of(list), 12u);
  EXPECT_EQ(result_of(stub_of(list)), error::kSuccess);
  EXPECT_EQ(number_at(stub_of(list), 4), 1u);
  EXPECT_EQ(service_.move_clients("c", "NODE1").value_or(0), 1u);
  hand_over();
  const Bytes notice = read();
  EXPECT_EQ(call_id_of(notice), 11u);
  EXPECT_EQ(number_at(stub_of(notice), 4), static_cast<uint32_t>(NoticeType::kClientMove));
  EXPECT_EQ(result_of(stub_of(notice)), error::kSuccess);
}

// [MS-SWN] 3.1.4: below integrity, and without a logon.
TEST_F(Witness, WhoProvesNothingIsToldNothing) {
  log_on(AuthLevel::kConnect);
  call(0, {}, 10);
  EXPECT_EQ(result_of(stub_of(read())), error::kAccessDenied);
  call(4, register_stub(), 11);
  EXPECT_EQ(result_of(stub_of(read())), error::kAccessDenied);
  call(3, Bytes(20), 12);
  EXPECT_EQ(result_of(stub_of(read())), error::kAccessDenied);
  EXPECT_EQ(service_.entries().size(), 0u);
}

TEST_F(Witness, WithoutALogonTheServiceIsUnknown) {
  SecuredClient bare(AuthLevel::kConnect, witness_interface().syntax);
  Bytes bind = bare.bind();
  wire::Reader r(bind);
  const size_t end = PduHeader::decode(r)->body_end();
  bind.resize(end);
  bind[8] = static_cast<uint8_t>(end);
  bind[9] = bind[10] = bind[11] = 0;
  send(bind);
  EXPECT_EQ(read()[2], static_cast<uint8_t>(PduType::kBindAck));
  Bytes body(8);  // GetInterfaceList
  send(SecuredClient::pdu(PduType::kRequest, 3, body));
  EXPECT_EQ(result_of(stub_of(read())), error::kNotAuthenticated);
}

TEST_F(Witness, VersionsNamesAndStubsAreChecked) {
  log_on(AuthLevel::kPrivacy);
  // Sealed: what it says is in the length of the answer alone, but the registry shows it.
  Bytes stub = register_stub();
  stub[0] = 1;
  call(4, stub, 10);
  call(4, register_stub("other"), 11);
  EXPECT_EQ(read()[2], static_cast<uint8_t>(PduType::kResponse));
  EXPECT_EQ(read()[2], static_cast<uint8_t>(PduType::kResponse));
  stub = register_stub();
  stub.pop_back();
  call(4, stub, 12);
  EXPECT_EQ(fault_of(read()), 0x6f7u);
  EXPECT_TRUE(service_.entries().empty());
  call(4, register_stub(), 13);
  EXPECT_EQ(service_.entries().size(), 1u);
}

// Of each string: its conformance, its offset and its length; and the size of a handle.
TEST_F(Witness, LengthsThatAreWrongByOneAreBadStubs) {
  log_on(AuthLevel::kIntegrity);
  const Bytes good = register_stub();
  uint32_t call_id = 100;
  const auto fault = [&](uint16_t opnum, ByteView stub) {
    call(opnum, stub, ++call_id);
    return fault_of(read());
  };
  size_t at = 4;
  for (const std::string_view text : {"fs", "data", "192.0.2.1", "c"}) {
    const size_t units = text.size() + 1;
    ASSERT_EQ(number_at(good, at + 4), units);
    ASSERT_EQ(number_at(good, at + 12), units);
    // More room than the string needs is no mistake, nor is a string without its NUL.
    for (const auto& [field, by] : {std::pair{4, -1}, {8, 1}, {12, 1}}) {
      Bytes bad = good;
      bad[at + static_cast<size_t>(field)] =
          static_cast<uint8_t>(bad[at + static_cast<size_t>(field)] + by);
      EXPECT_EQ(fault(4, bad), 0x6f7u) << text << ", " << field << ", " << by;
    }
    at += 16 + (2 * units + 3) / 4 * 4;
  }
  EXPECT_EQ(fault(4, ByteView(good).first(good.size() - 1)), 0x6f7u);
  EXPECT_TRUE(service_.entries().empty());
  for (const uint16_t with_handle : {2, 3, 5}) {
    EXPECT_EQ(fault(with_handle, Bytes(19)), 0x6f7u) << with_handle;
  }
  EXPECT_EQ(fault(4, good), 0u);
}

TEST_F(Witness, LowerMinorVersionAndUnknownOpnum) {
  SyntaxId lower = witness_interface().syntax;
  lower.version = 1;
  client_.emplace(AuthLevel::kIntegrity, lower);
  send(client_->bind());
  send(client_->auth3(read()));
  call(6, {}, 10);
  EXPECT_EQ(fault_of(read()), 0x1c010002u);
  register_client(11);
}

TEST_F(Witness, CancelIsAnsweredAndOrphanedIsNot) {
  log_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client();
  call(3, handle, 11);
  send(SecuredClient::pdu(PduType::kCoCancel, 3, {}, 11));
  EXPECT_EQ(fault_of(read()), 0x1c00000du);
  call(3, handle, 12);
  send(SecuredClient::pdu(PduType::kOrphaned, 3, {}, 12));
  EXPECT_TRUE(read().empty());
  EXPECT_FALSE(service_.entries()[0].is_waiting);
  // What happens meanwhile is kept for the next call.
  EXPECT_EQ(service_.move_clients("", "192.0.2.1").value_or(0), 1u);
  call(3, handle, 13);
  EXPECT_EQ(call_id_of(read()), 13u);
}

// [C706] leaves it to clients that no two calls have one number: a cancel is for the oldest.
TEST_F(Witness, CallsOfOneNumberAreCancelledInTheirOrder) {
  log_on(AuthLevel::kIntegrity);
  const Bytes first = register_client();
  const Bytes second = register_client();
  call(3, first, 11);
  call(3, second, 11);
  const auto waiting = [&](const Bytes& handle) {
    for (const auto& entry : service_.entries()) {
      if (std::ranges::equal(entry.handle.uuid.bytes, ByteView(handle).subspan(4, 16))) {
        return entry.is_waiting;
      }
    }
    ADD_FAILURE() << "no such registration";
    return false;
  };
  send(SecuredClient::pdu(PduType::kCoCancel, 3, {}, 11));
  EXPECT_EQ(fault_of(read()), 0x1c00000du);
  EXPECT_FALSE(waiting(first));
  EXPECT_TRUE(waiting(second));
  send(SecuredClient::pdu(PduType::kCoCancel, 3, {}, 11));
  EXPECT_EQ(fault_of(read()), 0x1c00000du);
  EXPECT_FALSE(waiting(second));
  send(SecuredClient::pdu(PduType::kCoCancel, 3, {}, 11));
  EXPECT_TRUE(read().empty());
}

TEST_F(Witness, EndOfTheConversationIsTheEndOfItsCalls) {
  log_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client();
  call(3, handle, 11);
  association_.reset();
  EXPECT_FALSE(service_.entries()[0].is_waiting);
  service_.association_ended(7);
  EXPECT_TRUE(service_.entries().empty());
}

TEST_F(Witness, CallsThatWaitAreBounded) {
  log_on(AuthLevel::kIntegrity);
  service_.set_interface({"NODE1", State::kUnavailable, *IpAddress::parse("192.0.2.1"), true});
  for (size_t i = 0; i < Association::kWaitingMax; ++i) call(0, {}, 100);
  EXPECT_TRUE(read().empty());
  call(0, {}, 100);
  EXPECT_EQ(fault_of(read()), 0x1c00001bu);
}

}  // namespace
}  // namespace braid::rpc::witness
