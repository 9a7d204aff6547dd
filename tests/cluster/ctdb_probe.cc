// A client of the ctdbd of the node that it is started in. Reads commands, a line each, and answers
// each with a line: "ok ..." or "error ...". What it hears meanwhile are lines that begin with "!".
//
//   attach NAME                the database that the commands after it are about
//   get KEY, put KEY VALUE, remove KEY
//   count KEY TIMES [PAUSE]    adds one so often, with so many microseconds between;
//                              "ok VALUE local L migrations M p50 US p99 US"
//   send PNN TEXT              to the probes of that node, or of all: "all"
//   bus NODE TEXT              to the probe of that node, or of all others, by the bus of workers
//   ping NODE TIMES            the same there and back; "ok p50 US p99 US"
//   nodes, addresses           "ok PNN:FLAGS ..." and "ok ADDRESS:PNN ..."
//   tickle CLIENT PORT SERVER PORT, untickle ...
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "base/log.h"
#include "runtime/reactor_testing.h"
#include "store/ctdb/client.h"
#include "store/ctdb/cluster_bus.h"
#include "store/ctdb/record_file.h"
#include "store/ctdb/records.h"

namespace braid::store::ctdb {
namespace {

constexpr size_t kNodes = 3;
constexpr uint64_t kProbes = 0xAE00000000000001;  // of the numbers that ctdb has for tests

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

std::string hex(uint32_t number) {
  std::ostringstream text;
  text << std::hex << number;
  return text.str();
}

class Probe final : public ClientSink {
 public:
  Probe(Reactor& reactor, size_t node)
      : reactor_(reactor),
        client_(reactor, {.registered = {kProbes, ClusterBus::number_of(node)}}, *this),
        bus_(reactor, client_,
             {.own = WorkerTag::make(node, static_cast<uint32_t>(::getpid())), .workers = kNodes},
             [](size_t) { return true; }) {
    const auto missed = [] { say("! bus missed"); };
    bus_.handle(
        Topic::kRecords,
        [](BusMessage& message) {
          say("! bus " + std::to_string(message.from.index()) + " " +
              std::string(as_text(message.payload)));
        },
        missed);
    bus_.handle(
        Topic::kSessions,
        [this](BusMessage& message) {
          bus_.send(message.from.index(), Topic::kLogons, message.payload);
        },
        [] {});
    bus_.handle(Topic::kLogons, [this](BusMessage&) { add_pong(); }, [] {});
    bus_.start();
  }

  void start() { client_.start(); }
  Task<void> stop() { co_await client_.stop(); }
  // On no reactor.
  void stop_bus() { bus_.stop(); }
  // The same: it waits.
  std::string ping(size_t node, size_t times) {
    std::vector<double> took;
    for (size_t i = 0; i < times; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      bus_.send(node, Topic::kSessions, as_bytes("ping"));
      std::unique_lock lock(mutex_);
      const bool is_back = pong_.wait_for(lock, std::chrono::seconds(30),
                                          [&] { return std::exchange(has_pong_, false); });
      if (!is_back) return "error nothing came back";
      took.push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
              .count());
    }
    return "ok" + times_of(std::move(took));
  }

  Task<std::string> run(std::string line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "attach") co_return co_await attach(word(words));
    if (command == "nodes") co_return co_await nodes();
    if (command == "addresses") co_return co_await addresses();
    if (command == "tickle" || command == "untickle") {
      co_return co_await tickle(command == "tickle", connection(words));
    }
    if (command == "send") {
      const std::string to = word(words);
      const uint32_t pnn = to == "all" ? kConnectedNodes : static_cast<uint32_t>(std::stoul(to));
      co_return client_.send(pnn, kProbes, as_bytes(word(words))) ? "ok" : "error not sent";
    }
    if (command == "bus") {
      const std::string to = word(words);
      const std::string text = word(words);
      if (to == "all") {
        bus_.broadcast(Topic::kRecords, as_bytes(text));
        co_return "ok";
      }
      co_return bus_.send(std::stoul(to), Topic::kRecords, as_bytes(text)) ? "ok"
                                                                           : "error not sent";
    }
    if (!records_) co_return "error no database is attached";
    const std::string key = word(words);
    if (command == "get") co_return co_await get(key);
    if (command == "put") co_return co_await put(key, word(words));
    if (command == "remove") co_return co_await put(key, "");
    if (command == "count") {
      const size_t times = std::stoul(word(words));
      const std::string pause = word(words);
      co_return co_await count(key, times,
                               std::chrono::microseconds(pause.empty() ? 0 : std::stoul(pause)));
    }
    co_return "error no such command";
  }

  void on_connected(uint32_t pnn) override {
    say("! connected " + std::to_string(pnn));
    bus_.on_connected();
  }
  void on_lost(Error why) override {
    say("! lost " + why.message());
    bus_.on_lost();
    records_.reset();
    file_.reset();
  }
  void on_message(uint64_t to, ByteView payload) override {
    if (to != kProbes) return bus_.on_message(payload);
    say("! message " + std::string(as_text(payload)));
  }
  void on_event(ClusterEvent event, std::optional<IpAddress> address) override {
    constexpr const char* kNames[] = {"reconfigured", "released", "taken", "reallocated"};
    say(std::string("! ") + kNames[static_cast<size_t>(event)] +
        (address ? " " + address->to_string() : ""));
    if (event == ClusterEvent::kReconfigured) bus_.on_reconfigured();
  }

 private:
  static std::string times_of(std::vector<double> took) {
    std::ranges::sort(took);
    std::ostringstream text;
    text << " p50 " << took[took.size() / 2] << " p99 " << took[took.size() * 99 / 100];
    return text.str();
  }
  void add_pong() {
    const std::lock_guard lock(mutex_);
    has_pong_ = true;
    pong_.notify_one();
  }
  static std::string word(std::istringstream& words) {
    std::string text;
    words >> text;
    return text;
  }
  static Endpoint endpoint(std::istringstream& words) {
    const auto address = IpAddress::parse(word(words));
    return {address.value_or(IpAddress()), static_cast<uint16_t>(std::stoul(word(words)))};
  }
  static TcpConnection connection(std::istringstream& words) {
    const Endpoint client = endpoint(words);
    return {client, endpoint(words)};
  }
  static std::string error(const Error& why) { return "error " + why.message(); }
  static Bytes key_of(const std::string& key) { return {key.begin(), key.end()}; }

  Task<std::string> attach(std::string name) {
    const auto database = co_await client_.attach(name);
    if (!database) co_return error(database.error());
    const auto where = co_await client_.file_of(*database);
    if (!where) co_return error(where.error());
    auto file = TdbFile::open(where->path, where->tdb_flags);
    if (!file) co_return error(file.error());
    file_ = std::move(*file);
    records_ = std::make_unique<Records>(reactor_, client_, *file_, *database);
    co_return "ok " + where->path;
  }
  Task<std::string> nodes() {
    const auto all = co_await client_.nodes();
    if (!all) co_return error(all.error());
    std::string line = "ok";
    for (const Node& each : *all) {
      line += " " + std::to_string(each.pnn) + ":" + hex(each.flags);
    }
    co_return line;
  }
  Task<std::string> addresses() {
    const auto all = co_await client_.public_addresses();
    if (!all) co_return error(all.error());
    std::string line = "ok";
    for (const PublicAddress& each : *all) {
      line += " " + each.address.to_string() + ":" + std::to_string(static_cast<int32_t>(each.pnn));
    }
    co_return line;
  }
  Task<std::string> tickle(bool is_to_be, TcpConnection connection) {
    const auto done = is_to_be ? co_await client_.register_connection(connection)
                               : co_await client_.forget_connection(connection);
    co_return done ? "ok" : error(done.error());
  }
  Task<std::string> get(std::string key) {
    const auto value = std::make_shared<std::string>();
    const auto done = co_await records_->change(key_of(key), [value](ByteView is) {
      *value = as_text(is);
      return std::nullopt;
    });
    co_return done ? "ok " + *value : error(done.error());
  }
  Task<std::string> put(std::string key, std::string value) {
    const auto done = co_await records_->change(
        key_of(key), [value](ByteView) { return Bytes(value.begin(), value.end()); });
    co_return done ? "ok" : error(done.error());
  }
  Task<std::string> count(std::string key, size_t times, std::chrono::microseconds pause) {
    std::vector<double> took;
    const uint64_t local = records_->local();
    const uint64_t migrations = records_->migrations();
    const auto last = std::make_shared<uint64_t>();
    for (size_t i = 0; i < times; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto done = co_await records_->change(key_of(key), [last](ByteView is) {
        const std::string text(as_text(is));
        *last = text.empty() ? 1 : std::stoull(text) + 1;
        const std::string now = std::to_string(*last);
        return Bytes(now.begin(), now.end());
      });
      if (!done) co_return error(done.error());
      took.push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
              .count());
      // Others have their turn, in this process and elsewhere.
      co_await reactor_.next_turn();
      if (pause.count() > 0) co_await reactor_.sleep_for(pause);
    }
    std::ostringstream line;
    line << "ok " << *last << " local " << records_->local() - local << " migrations "
         << records_->migrations() - migrations << times_of(std::move(took));
    co_return line.str();
  }

  Reactor& reactor_;
  Client client_;
  std::unique_ptr<RecordFile> file_;
  std::unique_ptr<Records> records_;
  std::mutex mutex_;
  std::condition_variable pong_;
  bool has_pong_ = false;
  ClusterBus bus_;
};

Task<void> answer(Probe& probe, std::string line, std::promise<void>& done) {
  say(co_await probe.run(std::move(line)));
  done.set_value();
}

Task<void> stop(Probe& probe, std::promise<void>& done) {
  co_await probe.stop();
  done.set_value();
}

int run(size_t node) {
  ReactorPool reactors(1);
  Reactor& reactor = reactors.at(0);
  Probe probe(reactor, node);
  TaskScope scope;
  run_on(reactor, [&] { probe.start(); });
  const auto wait_for = [&](auto begin) {
    std::promise<void> done;
    run_on(reactor, [&] { scope.spawn(begin(done)); });
    done.get_future().wait();
  };
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    size_t to = 0;
    size_t times = 0;
    if (words >> command; command == "ping" && words >> to >> times && times > 0) {
      say(probe.ping(to, times));
    } else {
      wait_for([&](std::promise<void>& done) { return answer(probe, line, done); });
    }
  }
  wait_for([&](std::promise<void>& done) { return stop(probe, done); });
  scope.wait();
  probe.stop_bus();
  reactors.stop();
  return 0;
}

}  // namespace
}  // namespace braid::store::ctdb

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ctdb_probe NODE\n");
    return 2;
  }
  return braid::store::ctdb::run(std::stoul(argv[1]));
}
