// The whole engine behind two connections of one client, logged on as one user. The input is a
// script: each chunk is a control byte, a command byte, a length and that many bytes of body (or of
// a whole frame), or the loss of a connection, after which the client logs on again. A client may
// stop to read its answers for some chunks. Everything else is answered before the next chunk is
// sent, so a run repeats itself but for what waits. At the end both connections close and nothing
// of them may be left.
//
// Other chunks are local programs that move, remove and make directories behind the server's back,
// between two frames. A script that has one runs on a folder of this machine, others in memory.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "smb2/raw_client_testing.h"
#include "vfs/memory/memory_quotas.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/echo.h"

using namespace braid;
using namespace braid::smb2;

namespace {

using wire::Command;
using wire::Header;
using wire::HeaderFlags;

// Frames of one input: enough to open, wait, break and close; more only costs time.
constexpr int kFramesMax = 24;
// A fourth failed logon would make the run wait.
constexpr int kSessionSetupsMax = 3;
// The largest READ. What is answered brings as many credits as it cost.
constexpr uint32_t kReadChargeMax = kMaxTransferSize / kBytesPerCredit;
// A logon costs as much as all the rest.
constexpr int kLossesMax = 3;

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "dispatcher_fuzz: %s\n", what);
  std::abort();
}

// Bits of the control byte.
struct Control {
  static constexpr uint8_t kSecond = 0x01;    // the second connection
  static constexpr uint8_t kRaw = 0x02;       // the bytes are the frame
  static constexpr uint8_t kChained = 0x04;   // the next chunk is of the same compound
  static constexpr uint8_t kRelated = 0x08;   // says so in its header
  static constexpr uint8_t kFileId = 0x10;    // the FileId of an open takes the body's place
  static constexpr uint8_t kSpoilIds = 0x20;  // header fields from the body
  static constexpr uint8_t kLoss = 0x40;      // the connection is lost, and there is a new one
  static constexpr uint8_t kPipe = 0x80;      // through IPC$

  static constexpr uint8_t kLocal = kLoss | kRaw;     // a local program does something
  static constexpr uint8_t kRead = kLoss | kChained;  // stops to read, or begins again
};

// Where a FileId stands in each command's body; 0: nowhere.
constexpr std::array<uint8_t, wire::kCommandCount> kFileIdAt = {0, 0, 0, 0, 0, 0, 8,  8,  16, 16,
                                                                8, 8, 0, 0, 8, 8, 24, 16, 8};

struct Script {
  ByteView rest;
  uint8_t next() {
    if (rest.empty()) return 0;
    const uint8_t value = rest.front();
    rest = rest.subspan(1);
    return value;
  }
  ByteView take(size_t count) {
    const ByteView bytes = rest.first(std::min(count, rest.size()));
    rest = rest.subspan(bytes.size());
    return bytes;
  }
};

// A chunk of the script.
struct Chunk {
  uint8_t control;
  uint8_t number;
  ByteView body;

  explicit Chunk(Script& script) : control(script.next()), number(script.next()) {
    const size_t length = script.next() | size_t{script.next()} << 8;
    body = script.take(length % 2048);
  }
  bool is_local() const { return (control & Control::kLocal) == Control::kLocal; }
  bool is_about_reading() const { return (control & Control::kRead) == Control::kRead; }
};

// The share's folder, and what local programs do in it.
class Folder {
 public:
  Folder() {
    const char* const memory = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    std::string name = std::string(memory) + "/braid-dispatcher-XXXXXX";
    if (!::mkdtemp(name.data())) broken("no folder");
    root_ = name;
    for (const char* below : {"share", "elsewhere"})
      std::filesystem::create_directory(root_ / below);
  }
  Folder(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  std::string share() const { return root_ / "share"; }

  // Which entries is said by their order, so that it is the same in every run.
  void change(const Chunk& chunk) {
    namespace fs = std::filesystem;
    const auto argument = [&](size_t i) { return i < chunk.body.size() ? chunk.body[i] : 0u; };
    const std::vector<fs::path> inside = entries(root_ / "share");
    const std::vector<fs::path> outside = entries(root_ / "elsewhere");
    const fs::path one = inside.empty() ? fs::path() : inside[argument(0) % inside.size()];
    const fs::path other = inside.empty() ? fs::path() : inside[argument(1) % inside.size()];
    const std::string fresh = "moved" + std::to_string(++changes_);
    std::error_code ignored;
    switch (chunk.number % 6) {
      case 0:
        fs::rename(one, root_ / "share" / fresh, ignored);
        break;
      case 1:  // into a directory, maybe one of those below it, which fails
        fs::rename(one, other / fresh, ignored);
        break;
      case 2:
        fs::rename(one, root_ / "elsewhere" / fresh, ignored);
        break;
      case 3:
        if (!outside.empty()) {
          fs::rename(outside.front(), root_ / "share" / outside.front().filename(), ignored);
        }
        break;
      case 4:
        if (!one.empty()) fs::remove_all(one, ignored);
        break;
      default:  // a directory in the place of what had this name
        if (one.empty()) {
          fs::create_directory(root_ / "share" / fresh, ignored);
        } else {
          fs::rename(one, root_ / "elsewhere" / fresh, ignored);
          fs::create_directory(one, ignored);
        }
    }
  }

 private:
  static std::vector<std::filesystem::path> entries(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, ignored)) {
      found.push_back(entry.path());
      if (found.size() >= 64) break;
    }
    std::ranges::sort(found);
    return found;
  }

  std::filesystem::path root_;
  int changes_ = 0;
};

// A client that comes back whenever it loses its connection, and the frame it is making.
struct Side {
  std::unique_ptr<RawClient> client;
  TreeId files, pipes;
  std::vector<FileId> opens;
  std::vector<Bytes> chain;
  bool over = false;
  bool reads = true;

  explicit Side(Engine& engine) { log_on(engine); }

  void log_on(Engine& engine) {
    client = std::make_unique<RawClient>(engine);
    if (!client->log_on(wire::Dialect::kSmb311, "IPC$")) broken("cannot log on");
    pipes = client->tree_id;
    if (client->tree_connect("files") != NtStatus::kSuccess) broken("cannot reach the share");
    files = client->tree_id;
  }
};

class Run {
 public:
  explicit Run(ByteView script)
      : script_{script}, folder_(has_local(script) ? std::make_unique<Folder>() : nullptr) {
    note_sessions();
  }

  void play() {
    for (int frames = 0; frames < kFramesMax && !script_.rest.empty(); ++frames) step();
    for (Side* side : {&first_, &second_}) {
      flush(*side);
      // Or it goes with all its answers unread.
      if (changes_reading_ % 2 == 0) read(*side);
    }
  }
  // Both connections end, one may wait for what the other holds.
  void finish() {
    note_sessions();
    first_.client->close();
    second_.client->close();
    engine_.stop();
    engine_.settle();
    Server& server = engine_.server();
    if (server.logons.session_table.size() != 0) broken("a session is left");
    if (server.logons.client_table.count(ClientGuid{{7}}) != 0) broken("a connection is left");
    for (const auto& session : sessions_) {
      if (!session.expired()) broken("someone holds a session");
    }
    if (server.files.file_table.any_open_below("")) broken("an open is left");
    if (server.memory->used() != 0) broken("memory is counted for nobody");
  }

 private:
  void note_sessions() {
    for (const auto& session : engine_.server().logons.session_table.all())
      sessions_.push_back(session);
  }
  void step() {
    const Chunk chunk(script_);
    const auto& [control, number, body] = chunk;
    Side& side = control & Control::kSecond ? second_ : first_;
    if (chunk.is_local()) return folder_->change(chunk);
    if (chunk.is_about_reading()) {
      flush(side);
      ++changes_reading_;
      return side.reads ? stop_reading(side) : read(side);
    }
    if (control & Control::kLoss) return lose(side);
    if (side.over) return;
    if (control & Control::kRaw) {
      flush(side);
      return send_raw(side, body);
    }
    // Some numbers that are no command too.
    const auto command = static_cast<Command>(number % (wire::kCommandCount + 2));
    if (command == Command::kSessionSetup && ++session_setups_ > kSessionSetupsMax) return;
    side.chain.push_back(message(side, control, command, body));
    if (!(control & Control::kChained) || side.chain.size() > 4) flush(side);
  }

  void stop_reading(Side& side) {
    if (side.over) return;
    side.client->stop_reading();
    side.reads = false;
  }
  // What was sent meanwhile is answered now, or the connection is over.
  void read(Side& side) {
    if (side.reads) return;
    side.client->read_again();
    side.reads = true;
    if (!side.over) settle(side);
  }

  // Opens that were promised to be kept may be asked for afterwards, by the FileIds of before.
  void lose(Side& side) {
    if (++losses_ > kLossesMax) return;
    side.client->close();
    side.chain.clear();
    side.over = false;
    side.reads = true;
    side.log_on(engine_);
    note_sessions();
  }

  Bytes message(Side& side, uint8_t control, Command command, ByteView body) {
    RawClient& client = *side.client;
    client.tree_id = control & Control::kPipe ? side.pipes : side.files;
    wire::Header header = client.header(command);
    header.credit_charge = 1;
    if (control & Control::kRelated) header.flags |= HeaderFlags::kRelatedOperations;
    if (command == Command::kCancel) {
      // Of something sent lately: nothing else can be found.
      const uint64_t back = body.empty() ? 1 : body[0] % 8u + 1;
      header.message_id = {client.next_message_id - std::min(back, client.next_message_id)};
    }
    if ((control & Control::kSpoilIds) && body.size() >= 8) {
      // By few bits, so that they mean something now and then.
      header.flags ^= body[0] & (HeaderFlags::kAsyncCommand | HeaderFlags::kRelatedOperations |
                                 HeaderFlags::kPriorityMask);
      if (body[1] & 1) header.session_id.value ^= body[2];
      if (body[1] & 2) header.tree_id.value ^= body[3] % 8;
      if (body[1] & 4) header.flags |= HeaderFlags::kReplayOperation;
      if (body[1] & 8) header.credits = static_cast<uint16_t>(body[4] << 8 | body[5]);
      header.channel_sequence = body[6];
      body = body.subspan(8);
    }
    if (command == Command::kRead) pay_for_answer(client, header, body);
    Bytes message;
    wire::Writer writer(message);
    header.encode(writer);
    writer.bytes(body);
    const auto number = static_cast<size_t>(command);
    if ((control & Control::kFileId) && number < kFileIdAt.size() && kFileIdAt[number] != 0) {
      const size_t at = Header::kSize + kFileIdAt[number];
      if (message.size() >= at + 16) put_file_id(side, message, at);
    }
    return message;
  }
  // So that READs of a compound may add up to more than a frame holds.
  static void pay_for_answer(RawClient& client, wire::Header& header, ByteView body) {
    wire::Reader reader(body, 4);  // Length
    const uint32_t credits = reader.u32() / kBytesPerCredit + 1;
    header.credit_charge = static_cast<uint16_t>(std::min(credits, kReadChargeMax));
    client.next_message_id += header.credit_charge - 1u;
  }
  void put_file_id(Side& side, Bytes& message, size_t at) {
    // The low byte chooses; any open of either connection.
    std::vector<FileId> all = first_.opens;
    all.insert(all.end(), second_.opens.begin(), second_.opens.end());
    const FileId id = all.empty() ? FileId::all_ones() : all[message[at] % all.size()];
    const std::vector<FileId>& own = side.opens;
    const FileId chosen = message[at] & 0x80 || own.empty() ? id : own[message[at] % own.size()];
    Bytes encoded;
    wire::Writer writer(encoded);
    writer.file_id(chosen);
    std::copy(encoded.begin(), encoded.end(), message.begin() + static_cast<long>(at));
  }

  void flush(Side& side) {
    if (side.chain.empty() || side.over) return;
    std::vector<Bytes> chain = std::exchange(side.chain, {});
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < chain.size(); ++i) {
      Bytes& message = chain[i];
      wire::Reader reader(message);
      const auto header = Header::decode(reader);
      if (!header) broken("cannot read its own header");
      if (header->command != Command::kCancel) ids.push_back(header->message_id.value);
      if (i + 1 < chain.size()) {
        message.resize((message.size() + 7) / 8 * 8);
        Header::patch_next_command(message, static_cast<uint32_t>(message.size()));
      }
      side.client->sign(message, *side.client->signing_key);
    }
    Bytes frame;
    for (const Bytes& message : chain) frame.insert(frame.end(), message.begin(), message.end());
    side.client->send(std::move(frame));
    if (ids.empty()) return settle(side);
    wait_for(side, ids.front());
  }
  void send_raw(Side& side, ByteView frame) {
    Bytes bytes(frame.begin(), frame.end());
    // Otherwise hardly one gets behind the first check.
    if (bytes.size() >= Header::kSize && bytes[0] == 0xFE) {
      const uint64_t id = side.client->next_message_id++;
      std::memcpy(bytes.data() + Header::kMessageIdOffset, &id, sizeof id);
      // Only a counted number of those.
      if (bytes[12] == static_cast<uint8_t>(Command::kSessionSetup) &&
          ++session_setups_ > kSessionSetupsMax) {
        bytes[12] = static_cast<uint8_t>(Command::kEcho);
      }
    }
    side.client->send(std::move(bytes));
    settle(side);
  }
  // An echo behind it: what could be answered at once has been.
  void settle(Side& side) {
    if (!side.reads) return;
    Bytes echo = side.client->request(Command::kEcho, wire::EchoRequest{});
    const uint64_t id = side.client->next_message_id - 1;
    side.client->send(std::move(echo));
    wait_for(side, id);
  }
  // Until the message has an answer, be it an interim one. No answer is a bug; an end is none.
  void wait_for(Side& side, uint64_t id) {
    if (!side.reads) return;
    for (;;) {
      const auto answer = side.client->receive();
      if (!answer) {
        if (!side.client->is_dropped()) broken("a request is not answered");
        side.over = true;
        return;
      }
      if (answer->header.command == Command::kCreate && answer->status() == NtStatus::kSuccess) {
        side.opens.push_back(answer->as<wire::CreateResponse>().file_id);
      }
      if (answer->header.message_id.value == id) return;
    }
  }

  Script script_;
  std::unique_ptr<Folder> folder_;
  int session_setups_ = 0;
  int losses_ = 0;
  int changes_reading_ = 0;
  std::vector<std::weak_ptr<Session>> sessions_;
  static bool has_local(ByteView script) {
    Script chunks{script};
    while (!chunks.rest.empty()) {
      if (Chunk(chunks).is_local()) return true;
    }
    return false;
  }
  std::unique_ptr<vfs::Volume> make_volume() const {
    if (folder_) {
      auto volume = vfs::open_posix_volume(folder_->share());
      if (!volume) broken("no volume");
      return *std::move(volume);
    }
    auto quotas = std::make_shared<vfs::MemoryQuotas>();
    for (const uid_t uid : {0u, 1000u, 1001u}) {
      quotas->put({.uid = uid, .used = 4096, .limits = {}, .exists = true});
    }
    return vfs::make_memory_volume(system_clock(), std::move(quotas));
  }
  Engine engine_{Engine::lenient(), system_clock(), 1, Engine::shares_on(make_volume())};
  Side first_{engine_};
  Side second_{engine_};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = [] {
    log::set_level(log::Level::kError);
    return true;
  }();
  (void)quiet;
  Run run(ByteView(data, size));
  run.play();
  run.finish();
  return 0;
}
