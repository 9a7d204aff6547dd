// A client of a FakeCluster, with what it lives in.
#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/reactor_testing.h"
#include "runtime/virtual_timers.h"
#include "store/ctdb/client.h"
#include "store/ctdb/fake_cluster_testing.h"

namespace braid::store::ctdb {

inline constexpr uint64_t kTopicOne = 0xAE00000000000001;
inline constexpr uint64_t kTopicTwo = 0xAE00000000000002;

// Writes down what it hears; await() waits for it.
class HeardSink final : public ClientSink {
 public:
  void on_connected(uint32_t pnn) override { add("connected " + std::to_string(pnn)); }
  void on_lost(Error why) override { add("lost: " + why.message()); }
  void on_message(uint64_t to, ByteView payload) override {
    add("message to " + std::to_string(to & 0xff) + ": " +
        std::string(as_text(payload).substr(0, 20)));
  }
  void on_event(ClusterEvent event, std::optional<IpAddress> address) override {
    add("event " + std::to_string(static_cast<int>(event)) +
        (address ? " " + address->to_string() : ""));
  }

  // The next thing that is heard.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!added_.wait_for(lock, std::chrono::seconds(30), [&] { return !heard_.empty(); }))
      return "nothing in time";
    const std::string first = heard_.front();
    heard_.erase(heard_.begin());
    return first;
  }
  bool is_silent() {
    const std::lock_guard lock(mutex_);
    return heard_.empty();
  }

 private:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(what));
    added_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<std::string> heard_;
};

template <class T>
Task<void> keep(Task<T> task, std::promise<T>& result) {
  result.set_value(co_await std::move(task));
}

inline Task<void> stop(Client& client, std::promise<void>& stopped) {
  co_await client.stop();
  stopped.set_value();
}

// A client with what it lives in.
struct TestClient {
  TestClient(const FakeCluster& cluster, size_t node, VirtualTimers* timers = nullptr,
             uint64_t registered = kTopicOne)
      : reactors(1, timers),
        own(std::make_unique<Client>(
            reactors.at(0),
            ClientOptions{.socket_path = cluster.socket_path(node), .registered = {registered}},
            sink)),
        client(*own) {
    on_reactor([&] { client.start(); });
  }
  ~TestClient() {
    std::promise<void> stopped;
    on_reactor([&] { scope.spawn(stop(client, stopped)); });
    stopped.get_future().wait();
    scope.wait();
    on_reactor([&] { own.reset(); });  // where its timers run
    reactors.stop();
  }

  void on_reactor(std::move_only_function<void()> work) { run_on(reactors.at(0), std::move(work)); }
  // Begins the request; its answer is in the future.
  template <class T>
  std::future<T> begin(std::function<Task<T>(Client&)> request) {
    auto result = std::make_shared<std::promise<T>>();
    promises.push_back(result);
    on_reactor([&] { scope.spawn(keep(request(client), *result)); });
    return result->get_future();
  }
  template <class T>
  T ask(std::function<Task<T>(Client&)> request) {
    return begin<T>(std::move(request)).get();
  }
  Result<std::vector<Node>> nodes() {
    return ask<Result<std::vector<Node>>>([](Client& c) { return c.nodes(); });
  }
  bool send(uint32_t pnn, uint64_t to, ByteView payload) {
    bool is_sent = false;
    on_reactor([&] { is_sent = client.send(pnn, to, payload); });
    return is_sent;
  }
  uint64_t ignored() {
    uint64_t count = 0;
    on_reactor([&] { count = client.ignored_packets(); });
    return count;
  }

  ReactorPool reactors;
  HeardSink sink;
  std::unique_ptr<Client> own;
  Client& client;
  TaskScope scope;
  std::vector<std::shared_ptr<void>> promises;
};

}  // namespace braid::store::ctdb
