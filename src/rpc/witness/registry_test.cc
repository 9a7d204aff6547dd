#include "rpc/witness/registry.h"

#include <gtest/gtest.h>

namespace braid::rpc::witness {
namespace {

using std::chrono::seconds;

constexpr uint64_t kAssociation = 7;
constexpr TimePoint kStart{seconds(1000)};

Interface interface_at(const char* address, State state = State::kAvailable) {
  return {"NODE1", state, *IpAddress::parse(address), true};
}

RegisterRequest request(const char* address = "192.0.2.1") {
  RegisterRequest request;
  request.version = RegisterRequest::kVersion2;
  request.net_name = "FS";
  request.share_name = "data";
  request.ip_address = address;
  request.client_name = "client";
  request.keep_alive_s = 120;
  return request;
}

Registrant who(const char* sid = "S-1-22-1-1000") { return {sid, "alice", "192.0.2.77"}; }

class WitnessRegistry : public testing::Test {
 protected:
  WitnessRegistry() {
    registry_.set_interface(interface_at("192.0.2.1"), kStart);
    registry_.set_interface(interface_at("192.0.2.2"), kStart);
  }
  Handle registered(RegisterRequest wanted = request()) {
    const auto [error, handle] =
        registry_.register_client(std::move(wanted), kAssociation, who(), kStart);
    EXPECT_EQ(error, error::kSuccess);
    return handle;
  }
  CallToken call() { return {kAssociation, ++calls_}; }
  std::optional<Completion> notify(const Handle& handle, TimePoint now = kStart) {
    return registry_.async_notify(handle, call(), now);
  }

  Registry registry_{{"fs", "fs.example"}};
  uint64_t calls_ = 0;
};

// [MS-SWN] 3.1.4.2 and 3.1.4.5.
TEST_F(WitnessRegistry, NamesThatAreMissingOrNotOursAreRefused) {
  const auto refusal = [&](auto change) {
    RegisterRequest wanted = request();
    change(wanted);
    return registry_.register_client(std::move(wanted), kAssociation, who(), kStart).first;
  };
  EXPECT_EQ(refusal([](auto& r) { r.net_name.reset(); }), error::kInvalidParameter);
  EXPECT_EQ(refusal([](auto& r) { r.ip_address.reset(); }), error::kInvalidParameter);
  EXPECT_EQ(refusal([](auto& r) { r.client_name.reset(); }), error::kInvalidParameter);
  EXPECT_EQ(refusal([](auto& r) { r.net_name = "other"; }), error::kInvalidParameter);
  EXPECT_EQ(refusal([](auto& r) { r.client_name = std::string(261, 'x'); }),
            error::kInvalidParameter);
  EXPECT_EQ(refusal([](auto& r) { r.net_name = "Fs.Example"; }), error::kSuccess);
  EXPECT_EQ(refusal([](auto& r) { r.share_name.reset(); }), error::kSuccess);
}

TEST_F(WitnessRegistry, AnAddressThatGoesIsToldToWhoRegisteredIt) {
  const Handle here = registered();
  const Handle elsewhere = registered(request("192.0.2.2"));
  ASSERT_FALSE(notify(here));
  ASSERT_FALSE(notify(elsewhere));
  const auto told = registry_.remove_interface(*IpAddress::parse("192.0.2.1"), kStart);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].call.number, 1u);
  EXPECT_EQ(told[0].notice->type, NoticeType::kResourceChange);
  EXPECT_EQ(told[0].notice->changes, std::vector<ResourceChange>({{"NODE1", State::kUnavailable}}));
}

TEST_F(WitnessRegistry, NothingIsLostBetweenTwoCallsAndWhatRepeatsIsMerged) {
  const Handle handle = registered();
  const auto set = [&](State state) {
    registry_.set_interface(interface_at("192.0.2.1", state), kStart);
  };
  for (int i = 0; i < 3; ++i) {
    set(State::kUnavailable);
    set(State::kAvailable);
  }
  registry_.move_clients("CLIENT", "192.0.2.2", kStart);
  registry_.move_clients("client", "node1", kStart);
  registry_.move_share("", "DATA", "192.0.2.2", kStart);
  EXPECT_EQ(registry_.entries()[0].pending, 4u);
  const auto changes = notify(handle);
  ASSERT_TRUE(changes);
  EXPECT_EQ(changes->notice->changes, std::vector<ResourceChange>({{"NODE1", State::kUnavailable},
                                                                   {"NODE1", State::kAvailable}}));
  const auto move = notify(handle);
  ASSERT_TRUE(move);
  EXPECT_EQ(move->notice->type, NoticeType::kClientMove);
  EXPECT_EQ(move->notice->addresses.size(), 2u);  // the last one said where
  const auto share = notify(handle);
  ASSERT_TRUE(share);
  EXPECT_EQ(share->notice->type, NoticeType::kShareMove);
  EXPECT_FALSE(notify(handle));
}

TEST_F(WitnessRegistry, AddressChangesAreForWhoAskedForThem) {
  RegisterRequest wanted = request("192.0.2.9");
  wanted.wants_ip_changes = true;
  const Handle asks = registered(wanted);
  const Handle asks_not = registered(request("192.0.2.9"));
  ASSERT_FALSE(notify(asks));
  ASSERT_FALSE(notify(asks_not));
  const auto told = registry_.set_interface(interface_at("192.0.2.3"), kStart);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].notice->type, NoticeType::kIpChange);
  EXPECT_EQ(told[0].notice->addresses,
            std::vector<AddressState>({{*IpAddress::parse("192.0.2.3"), State::kAvailable}}));
  // The same again is no news.
  ASSERT_FALSE(notify(asks));
  EXPECT_TRUE(registry_.set_interface(interface_at("192.0.2.3"), kStart).empty());
}

TEST_F(WitnessRegistry, OneCallWaitsForEachRegistration) {
  const Handle handle = registered();
  ASSERT_FALSE(notify(handle));
  EXPECT_EQ(notify(handle)->result, error::kNoSystemResources);
  // The first still waits.
  EXPECT_EQ(registry_.move_clients("client", "192.0.2.2", kStart)->completions.size(), 1u);
}

TEST_F(WitnessRegistry, HandlesAreOfOneConversation) {
  const Handle handle = registered();
  EXPECT_EQ(registry_.async_notify(handle, {8, 1}, kStart)->result, error::kNotFound);
  Completions ended;
  EXPECT_EQ(registry_.unregister(handle, 8, ended), error::kInvalidParameter);
  EXPECT_EQ(notify(Handle{})->result, error::kNotFound);
  registry_.association_ended(8);
  EXPECT_EQ(registry_.size(), 1u);
  registry_.association_ended(kAssociation);
  EXPECT_EQ(registry_.size(), 0u);
}

TEST_F(WitnessRegistry, UnregisterEndsTheCallThatWaits) {
  const Handle handle = registered();
  ASSERT_FALSE(notify(handle));
  Completions ended;
  EXPECT_EQ(registry_.unregister(handle, kAssociation, ended), error::kSuccess);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].result, error::kNotFound);
  EXPECT_EQ(registry_.unregister(handle, kAssociation, ended), error::kInvalidParameter);
}

// [MS-SWN] 3.1.5.1 and 3.1.5.2.
TEST_F(WitnessRegistry, WhoDoesNotAskEndsAndWhoWaitsIsAnsweredInTime) {
  const Handle asks = registered();
  registered();
  EXPECT_EQ(*registry_.next_deadline(), kStart + seconds(30));
  ASSERT_FALSE(notify(asks, kStart + seconds(29)));
  EXPECT_TRUE(registry_.expire(kStart + seconds(30)).empty());
  EXPECT_EQ(registry_.size(), 2u);
  EXPECT_TRUE(registry_.expire(kStart + seconds(31)).empty());
  EXPECT_EQ(registry_.size(), 1u);
  const auto late = registry_.expire(kStart + seconds(150));
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].result, error::kTimeout);
  // And asks again.
  EXPECT_FALSE(notify(asks, kStart + seconds(160)));
}

TEST_F(WitnessRegistry, VersionOneWaitsForever) {
  RegisterRequest wanted = request();
  wanted.version = RegisterRequest::kVersion1;
  const Handle handle = registered(wanted);
  ASSERT_FALSE(notify(handle));
  EXPECT_FALSE(registry_.next_deadline());
  EXPECT_TRUE(registry_.expire(kStart + seconds(100'000)).empty());
}

TEST_F(WitnessRegistry, CallThatIsForgottenLeavesTheRegistration) {
  const Handle handle = registered();
  ASSERT_FALSE(notify(handle));
  registry_.forget_call({kAssociation, 1}, kStart);
  EXPECT_TRUE(registry_.move_clients("client", "192.0.2.2", kStart)->completions.empty());
  EXPECT_EQ(notify(handle)->notice->type, NoticeType::kClientMove);
}

// [MS-SWN] 3.1.4.1.
TEST_F(WitnessRegistry, TheListWaitsUntilAnInterfaceIsAvailable) {
  EXPECT_EQ(Registry({"fs"}).interface_list(call())->result, error::kNoMoreItems);
  EXPECT_EQ(registry_.interface_list(call())->interfaces->size(), 2u);
  registry_.set_interface(interface_at("192.0.2.1", State::kUnavailable), kStart);
  registry_.set_interface(interface_at("192.0.2.2", State::kUnavailable), kStart);
  ASSERT_FALSE(registry_.interface_list(call()));
  ASSERT_FALSE(registry_.interface_list(call()));
  registry_.forget_call({kAssociation, calls_}, kStart);
  const auto told = registry_.set_interface(interface_at("192.0.2.1"), kStart);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].interfaces->size(), 2u);
}

TEST_F(WitnessRegistry, DestinationsThatAreNothingAreRefused) {
  const auto refusal = [&](const char* destination, Reach reach = Reach::kInterfaces) {
    const auto of_clients = registry_.move_clients("", destination, kStart, reach);
    const auto of_share = registry_.move_share("", "data", destination, kStart, reach);
    EXPECT_FALSE(of_clients) << destination;
    EXPECT_FALSE(of_share) << destination;
    EXPECT_EQ(of_clients.error(), of_share.error()) << destination;
    return of_clients.error();
  };
  EXPECT_EQ(refusal("nowhere"), Refusal::kUnknown);
  EXPECT_EQ(refusal("nowhere", Reach::kAnywhere), Refusal::kUnknown);
  EXPECT_EQ(refusal(""), Refusal::kUnknown);
  EXPECT_EQ(refusal("198.51.100.1"), Refusal::kUnknown);
  EXPECT_EQ(registry_.move_clients("", "198.51.100.1", kStart, Reach::kAnywhere)->registrations,
            0u);
  for (const char* const nobodys : {"0.0.0.0", "127.0.0.1", "169.254.7.7", "224.0.0.1",
                                    "255.255.255.255", "::", "::1", "fe80::1", "ff02::1"}) {
    EXPECT_EQ(refusal(nobodys, Reach::kAnywhere), Refusal::kUnusable);
  }
  registry_.set_interface(interface_at("192.0.2.2", State::kUnavailable), kStart);
  EXPECT_EQ(refusal("192.0.2.2", Reach::kAnywhere), Refusal::kUnavailable);
  EXPECT_TRUE(registry_.move_clients("", "node1", kStart)) << "one of its addresses is there";
  registry_.set_interface(interface_at("192.0.2.1", State::kUnavailable), kStart);
  EXPECT_EQ(refusal("node1"), Refusal::kUnavailable);
}

TEST_F(WitnessRegistry, AssociationsEndByThemselves) {
  registered();
  registered(request("192.0.2.2"));
  const auto other = registry_.register_client(request(), 8, who(), kStart);
  ASSERT_EQ(other.first, error::kSuccess);
  registry_.set_interface(interface_at("192.0.2.1", State::kUnavailable), kStart);
  registry_.set_interface(interface_at("192.0.2.2", State::kUnavailable), kStart);
  ASSERT_FALSE(registry_.interface_list(call()));
  ASSERT_FALSE(registry_.interface_list({8, 1}));
  registry_.association_ended(kAssociation);
  ASSERT_EQ(registry_.entries().size(), 1u);
  EXPECT_EQ(registry_.entries()[0].handle, other.second);
  EXPECT_EQ(registry_.entries()[0].registrant.account, "alice");
  EXPECT_EQ(registry_.size_of(kAssociation), 0u);
  const auto told = registry_.set_interface(interface_at("192.0.2.1"), kStart);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].call, (CallToken{8, 1}));
}

TEST_F(WitnessRegistry, RegistrationsAreBounded) {
  for (size_t i = 0; i < Registry::kPerUserMax; ++i) registered();
  EXPECT_EQ(registry_.register_client(request(), kAssociation, who(), kStart).first,
            error::kNoSystemResources);
  EXPECT_EQ(registry_.register_client(request(), 8, who(), kStart).first, error::kNoSystemResources)
      << "over another association";
  EXPECT_EQ(registry_.register_client(request(), 8, who("S-1-22-1-1001"), kStart).first,
            error::kSuccess);
  registry_.association_ended(kAssociation);
  registry_.expire(kStart + std::chrono::hours(1));
  EXPECT_EQ(registry_.register_client(request(), 8, who(), kStart).first, error::kSuccess);
}

TEST_F(WitnessRegistry, TheListNamesNoWitnessWhereItWasAskedFor) {
  const auto asked_at = IpAddress::parse("192.0.2.1");
  const auto at_once = registry_.interface_list(call(), asked_at);
  ASSERT_TRUE(at_once);
  for (const Interface& interface : *at_once->interfaces) {
    EXPECT_EQ(interface.is_witness, interface.address != *asked_at);
  }
  registry_.set_interface(interface_at("192.0.2.1", State::kUnavailable), kStart);
  registry_.set_interface(interface_at("192.0.2.2", State::kUnavailable), kStart);
  ASSERT_FALSE(registry_.interface_list(call(), IpAddress::parse("192.0.2.2")));
  const auto later = registry_.set_interface(interface_at("192.0.2.1"), kStart);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_TRUE(later[0].interfaces->at(0).is_witness);
  EXPECT_FALSE(later[0].interfaces->at(1).is_witness);
}

TEST_F(WitnessRegistry, AnAddressOfOursIsAName) {
  RegisterRequest wanted = request();
  wanted.net_name = "192.0.2.2";
  EXPECT_EQ(registry_.register_client(wanted, kAssociation, who(), kStart).first, error::kSuccess);
  wanted.net_name = "192.0.2.3";
  EXPECT_EQ(registry_.register_client(wanted, kAssociation, who(), kStart).first,
            error::kInvalidParameter);
}

TEST_F(WitnessRegistry, WhoWatchesAnAddressIsMovedAwayFromIt) {
  registry_.set_interface(interface_at("192.0.2.3", State::kUnavailable), kStart);
  const Handle here = registered();
  const Handle elsewhere = registered(request("192.0.2.2"));
  ASSERT_FALSE(notify(here));
  ASSERT_FALSE(notify(elsewhere));
  const auto moved = registry_.move_away(*IpAddress::parse("192.0.2.1"), kStart);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->registrations, 1u);
  ASSERT_EQ(moved->completions.size(), 1u);
  EXPECT_EQ(moved->completions[0].call.number, 1u);
  EXPECT_EQ(moved->completions[0].notice->type, NoticeType::kClientMove);
  EXPECT_EQ(moved->completions[0].notice->addresses,
            std::vector<AddressState>({{*IpAddress::parse("192.0.2.2"), State::kAvailable}}));
  registry_.remove_interface(*IpAddress::parse("192.0.2.2"), kStart);
  EXPECT_EQ(registry_.move_away(*IpAddress::parse("192.0.2.1"), kStart).error(),
            Refusal::kUnavailable);
}

// All addresses of one machine, to those of others that can be used.
TEST_F(WitnessRegistry, WhoWatchesAMachineIsMovedAwayFromIt) {
  const auto of_other = [](const char* address, State state) {
    return Interface{"NODE2", state, *IpAddress::parse(address), true};
  };
  registry_.set_interface(of_other("192.0.2.3", State::kUnavailable), kStart);
  EXPECT_EQ(registry_.move_group_away("NODE1", kStart).error(), Refusal::kUnavailable);
  EXPECT_EQ(registry_.move_group_away("NODE3", kStart).error(), Refusal::kUnknown);
  registry_.set_interface(of_other("192.0.2.4", State::kAvailable), kStart);
  const Handle first = registered();
  const Handle second = registered(request("192.0.2.2"));
  const Handle elsewhere = registered(request("192.0.2.4"));
  for (const Handle& each : {first, second, elsewhere}) ASSERT_FALSE(notify(each));
  const auto moved = registry_.move_group_away("NODE1", kStart);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->registrations, 2u);
  ASSERT_EQ(moved->completions.size(), 2u);
  for (const Completion& each : moved->completions) {
    EXPECT_EQ(each.notice->type, NoticeType::kClientMove);
    EXPECT_EQ(each.notice->addresses,
              std::vector<AddressState>({{*IpAddress::parse("192.0.2.4"), State::kAvailable}}));
  }
}

}  // namespace
}  // namespace braid::rpc::witness
