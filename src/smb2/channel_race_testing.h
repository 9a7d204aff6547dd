// Two channels of one session that do what they like at the same time.
#pragma once

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {

// The input is a script of pairs of bytes: an operation with the bit that says whose, and its
// argument. Each side plays its part on a thread of its own, against a reactor of its own. It waits
// for something that answers its request and does not care what it says, but for a session that is
// gone: then it joins that of the other side, or begins one. At the end nothing may be left. What
// is broken aborts, for a fuzzer as for a test.
class ChannelRace {
 public:
  void play(ByteView script) {
    {
      std::thread other([&] { second_.play(script); });
      first_.play(script);
      other.join();
    }
    first_.client.reset();
    second_.client.reset();
    engine_.stop();
    engine_.settle();
    Server& server = engine_.server();
    if (server.logons.session_table.size() != 0) broken("a session is left");
    if (server.logons.client_table.count(kClient) != 0) broken("a connection is left");
    for (const auto& session : common_.sessions) {
      if (!session.expired()) broken("someone holds a session");
    }
    if (server.files.file_table.any_open_below("")) broken("an open is left");
  }

 private:
  using Command = wire::Command;

  static constexpr ClientGuid kClient{{7}};
  // Of one side: enough to open, wait, break and end; more only costs time.
  static constexpr int kStepsMax = 48;
  // A fourth failed logon would make the run wait.
  static constexpr int kFailedLogonsMax = 3;

  [[noreturn]] static void broken(const char* what) {
    std::fprintf(stderr, "channel race: %s\n", what);
    std::abort();
  }

  // What the sides know of each other.
  struct Common {
    std::mutex mutex;
    SessionId session_id;
    std::shared_ptr<crypto::SigningKey> session_key;
    std::vector<FileId> opens;
    std::vector<std::weak_ptr<Session>> sessions;
    std::atomic<int> failed_logons = 0;
  };

  struct Side {
    Engine& engine;
    Common& common;
    const size_t index;
    std::unique_ptr<RawClient> client = nullptr;

    void play(ByteView script) {
      connect();
      int steps = 0;
      for (size_t at = 0; at + 1 < script.size() && steps < kStepsMax; at += 2) {
        if ((script[at] & 1) != index) continue;
        ++steps;
        step(script[at] >> 1, script[at + 1]);
      }
    }

    void connect(bool two_legs = false) {
      client = std::make_unique<RawClient>(engine, kClient, index);
      if (client->negotiate(wire::Dialect::kSmb311) != NtStatus::kSuccess) broken("no NEGOTIATE");
      join(two_legs);
    }
    // Has a session and a tree afterwards, unless the other side was faster to end them.
    void join(bool two_legs = false) {
      if (!bind("user", two_legs)) begin();
      if (client->session_id.value != 0) connect_tree();
    }
    // In one leg, or with the first of two before.
    bool bind(std::string_view token = "user", bool two_legs = false) {
      std::unique_lock lock(common.mutex);
      const auto key = common.session_key;
      const SessionId id = common.session_id;
      lock.unlock();
      if (!key) return false;
      crypto::PreauthHash hash = client->preauth_hash();
      const auto leg = [&](std::string_view its_token) {
        Bytes message =
            client->setup_request(its_token, wire::SessionSetupRequest::kFlagBinding,
                                  [id](wire::Header& header) { header.session_id = id; });
        client->sign(message, *key);
        hash.extend(message);
        return exchange(std::move(message));
      };
      if (two_legs) {
        const auto more = leg("more");
        if (!more || more->status() != NtStatus::kMoreProcessingRequired) return false;
        hash.extend(more->message);
      }
      const auto answer = leg(token);
      if (!answer || answer->status() != NtStatus::kSuccess) return false;
      client->session_id = id;
      client->make_channel_key(hash.value());
      if (!RawClient::is_signed_with(*answer, *client->signing_key)) broken("a bind's signature");
      return true;
    }
    void begin() {
      client->session_id = {};
      client->tree_id = {};
      if (client->session_setup() != NtStatus::kSuccess) {
        client->session_id = {};
        return;
      }
      std::lock_guard lock(common.mutex);
      common.session_id = client->session_id;
      common.session_key = client->signing_key;
      common.sessions.push_back(engine.server().logons.session_table.find(client->session_id));
    }
    void connect_tree() {
      const auto answer = exchange(sign(client->tree_request()));
      if (answer && answer->status() == NtStatus::kSuccess) {
        client->tree_id = answer->header.tree_id;
      }
    }

    Bytes sign(Bytes message) {
      if (client->signing_key) client->sign(message, *client->signing_key);
      return message;
    }
    template <class Body>
    Bytes request(Command command, const Body& body) {
      return sign(client->request(command, body));
    }
    // The first message that answers the frame's first, be it an interim one. None: the connection
    // is over, which is an answer, too.
    std::optional<Answer> exchange(Bytes frame) {
      uint64_t id = 0;
      std::memcpy(&id, frame.data() + wire::Header::kMessageIdOffset, sizeof id);
      client->send(std::move(frame));
      while (auto answer = client->receive()) {
        note(*answer);
        if (answer->header.message_id.value == id) return answer;
      }
      if (!client->is_dropped()) broken("a request is not answered");
      return std::nullopt;
    }
    void note(const Answer& answer) {
      if (answer.header.command != Command::kCreate || answer.status() != NtStatus::kSuccess)
        return;
      std::lock_guard lock(common.mutex);
      common.opens.push_back(answer.as<wire::CreateResponse>().file_id);
    }
    FileId open_of(uint8_t argument) {
      std::lock_guard lock(common.mutex);
      if (common.opens.empty()) return FileId::all_ones();
      // The latest are the ones that are there.
      const size_t back = argument % std::min<size_t>(common.opens.size(), 8);
      return common.opens[common.opens.size() - 1 - back];
    }

    // Something for a file that the argument chooses.
    Bytes file_request(uint8_t operation, uint8_t argument) {
      const FileId id = open_of(argument);
      switch (operation) {
        case 0:
          return request(Command::kClose, wire::CloseRequest{.file_id = id});
        case 1: {
          wire::WriteRequest body;
          body.file_id = id;
          body.data = as_bytes("x");
          return request(Command::kWrite, body);
        }
        case 2: {
          wire::ReadRequest body;
          body.file_id = id;
          body.length = 10;
          return request(Command::kRead, body);
        }
        case 3: {
          const uint32_t flags = argument & 0x40   ? wire::LockFlags::kUnlock
                                 : argument & 0x80 ? wire::LockFlags::kExclusiveLock |
                                                         wire::LockFlags::kFailImmediately
                                                   : wire::LockFlags::kExclusiveLock;
          return request(Command::kLock,
                         wire::LockRequest{.file_id = id, .locks = {{argument % 4u, 2, flags}}});
        }
        case 4: {
          wire::ChangeNotifyRequest body;
          body.file_id = id;
          body.output_buffer_length = 1000;
          body.completion_filter = 0xFFF;
          return request(Command::kChangeNotify, body);
        }
        default: {
          wire::OplockBreakAcknowledgment body;
          body.file_id = id;
          body.oplock_level = wire::OplockLevel::kNone;
          return request(Command::kOplockBreak, body);
        }
      }
    }
    wire::CreateRequest create(uint8_t argument) {
      static constexpr const char* kNames[] = {"a", "b", "dir", "dir\\c"};
      auto body = RawClient::create_body(kNames[argument % 4]);
      if (argument % 4 == 2) body.create_options |= wire::CreateOptions::kDirectoryFile;
      if (argument & 0x10) body.create_options |= wire::CreateOptions::kDeleteOnClose;
      if (argument & 0x20) body.requested_oplock_level = wire::OplockLevel::kBatch;
      if (argument & 0x40) body.share_access = 0;
      return body;
    }
    // All it needs in one frame.
    Bytes compound(uint8_t argument) {
      wire::WriteRequest write;
      write.file_id = FileId::all_ones();
      write.data = as_bytes("y");
      std::vector<Bytes> messages;
      messages.push_back(client->request(Command::kCreate, create(argument)));
      messages.push_back(client->request(Command::kWrite, write));
      messages.push_back(
          client->request(Command::kClose, wire::CloseRequest{.file_id = FileId::all_ones()}));
      return RawClient::compound(std::move(messages));
    }
    // Some answers wait for a client that does not read, and then it does.
    std::optional<Answer> unread_answers(uint8_t argument) {
      client->stop_reading();
      for (int i = 0; i < argument % 4; ++i) {
        client->send(file_request(static_cast<uint8_t>(argument >> 4) % 6, argument));
        client->send(compound(argument));
      }
      Bytes last = request(Command::kEcho, wire::EchoRequest{});
      client->read_again();
      return exchange(std::move(last));
    }
    void fail_to_log_on(uint8_t argument) {
      if (++common.failed_logons > kFailedLogonsMax) return;
      if (argument & 1) {
        bind("wrong");
      } else {
        answer(exchange(sign(client->setup_request("wrong"))));
      }
    }

    void step(uint8_t operation, uint8_t argument) {
      switch (operation % 21) {
        case 0:
        case 1:
        case 2:
          return answer(exchange(request(Command::kCreate, create(argument))));
        case 9:
          return answer(exchange(compound(argument)));
        case 10: {
          Bytes message =
              client->request(Command::kCancel, wire::CancelRequest{}, [&](wire::Header& header) {
                header.message_id = {client->next_message_id - 1 - argument % 4u};
              });
          return client->send(sign(std::move(message)));
        }
        case 11:
          return answer(exchange(request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})));
        case 12:
          return connect_tree();
        case 13:
          return answer(exchange(request(Command::kLogoff, wire::LogoffRequest{})));
        case 14:
        case 15:
          return connect();
        case 16:
          return answer(exchange(sign(client->setup_request("user"))));
        case 17:
          // Given up halfway, or gone through with.
          if (argument & 1) bind("more");
          connect(argument & 2);
          return;
        case 18:
          return fail_to_log_on(argument);
        case 19:
          return answer(exchange(request(Command::kEcho, wire::EchoRequest{})));
        case 20:
          return answer(unread_answers(argument));
        default:
          return answer(exchange(file_request((operation % 21) - 3, argument)));
      }
    }
    void answer(const std::optional<Answer>& answer) {
      if (!answer) {
        connect();
      } else if (answer->status() == NtStatus::kUserSessionDeleted) {
        join();
      }
    }
  };

  Common common_;
  Engine engine_{Engine::lenient(), system_clock(), 2};
  Side first_{engine_, common_, 0};
  Side second_{engine_, common_, 1};
};

}  // namespace braid::smb2
