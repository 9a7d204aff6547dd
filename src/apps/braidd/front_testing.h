// A Front that tests step by hand.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "apps/braidd/front.h"
#include "apps/braidd/link.h"
#include "apps/braidd/listen.h"

namespace braid::braidd {

// An SMB2 NEGOTIATE as far as the front reads it, with its transport header.
inline Bytes negotiate(uint8_t guid_byte, size_t extra = 0) {
  Bytes message(64 + 36 + extra, 0);
  message[0] = 0xFE;
  message[1] = 'S';
  message[2] = 'M';
  message[3] = 'B';
  message[4] = 64;
  message[64] = 36;
  std::fill_n(message.begin() + 64 + 12, 16, guid_byte);
  Bytes frame{0, 0, static_cast<uint8_t>(message.size() >> 8),
              static_cast<uint8_t>(message.size())};
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

inline bool readable(int fd, int wait_ms = 0) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, wait_ms) == 1;
}

// True once the other side has closed the connection.
inline bool closed(int fd) {
  char byte;
  return readable(fd) && ::recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

// A Front on a port of its own, stepped by hand, whose workers are the test.
class FrontTest : public testing::Test {
 protected:
  void start(size_t workers, FrontLimits limits = {}, Service service = Service::kSmb) {
    auto listeners = open_listeners({{"127.0.0.1", 0}});
    ASSERT_TRUE(listeners);
    const std::string& address = listeners->front().address;
    port_ = static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
    auto control = make_link();
    control_ = std::move(control->first);
    Front::Options options{.control = std::move(control->second),
                           .workers = workers,
                           .limits = limits,
                           .clock = clock_};
    options.listeners.push_back({std::move(listeners->front().socket), service});
    front_.emplace(std::move(options));
    for (size_t i = 0; i < workers; ++i) connect_worker(i);
  }
  void connect_worker(size_t index) {
    auto link = make_link();
    links_[index] = std::move(link->first);
    ASSERT_TRUE(send_message(control_.get(), MessageKind::kLink, index, link->second.get()));
    link->second.reset();
    settle();
  }
  // Lets the front do everything there is to do now.
  void settle() {
    for (int i = 0; i < 8 && !front_->finished(); ++i) front_->step(std::chrono::milliseconds(0));
  }
  UniqueFd client(const char* from = "127.0.0.1") {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, from, &address.sin_addr);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    settle();
    return socket;
  }
  void send(const UniqueFd& socket, ByteView bytes) {
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    settle();
  }
  // The connection that worker `index` was given; nothing when there is none.
  std::optional<Message> received(size_t index) {
    auto message = receive_message(links_[index].get());
    if (!message) return std::nullopt;
    return std::move(*message);
  }
  void acknowledge(size_t index, const Message& message) {
    ASSERT_TRUE(send_message(links_[index].get(), MessageKind::kAccepted, message.number));
  }

  VirtualClock clock_;
  UniqueFd control_;
  std::map<size_t, UniqueFd> links_;
  std::optional<Front> front_;
  uint16_t port_ = 0;
};

}  // namespace braid::braidd
