// HomeKeeper: has the records of this node that all nodes share, and says to the others which.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/serving_term.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "store/cluster/home.h"
#include "store/cluster/keeper_link.h"
#include "store/cluster/keeper_packet.h"
#include "store/ctdb/client.h"
#include "store/ctdb/record_file.h"
#include "store/ctdb/records.h"
#include "store/shared_records.h"
#include "store/shared_region.h"

namespace braid::store::cluster {

// Of the memory that a node's worker and keeper share: a slot and an arena for the worker of each
// node, as indexes of workers are numbers of nodes, and an arena for the keeper.
inline constexpr size_t kKeeperArena = kNodesMax;
inline constexpr size_t kRegionWorkers = kNodesMax + 1;

// What it is made of.
struct HomeKeeperParts {
  Reactor& reactor;
  std::string socket_path;  // of ctdbd
  const SharedRegion& region;
  std::function<void(const KeeperMessage&)> to_worker;
  // Called once: what is here may be elsewhere too from now on, or is lost. Everything of this node
  // must end at once, and begin anew with empty memory. A line.
  std::function<void(const std::string& why)> failed;
  // After leave(): nothing is here any more that others need.
  std::function<void()> left;
  // For others to take it; then it fails. Below what the supervisor gives to all.
  std::chrono::milliseconds leave_max = std::chrono::seconds(8);
  // What terms are counted by; tests move it.
  std::function<int64_t()> now = boot_time_ns;
  // The file of a database; null: as ctdbd says.
  std::function<Result<std::unique_ptr<ctdb::RecordFile>>(uint32_t database)> open_file;
  // Homes beyond so many are given up where nobody has the file open: some 200 bytes each, here and
  // in ctdb's database.
  size_t owned_max = 65'536;
  // Bytes of records that were sent and are not known to have come. Above it none is begun.
  size_t given_max = size_t{256} << 20;
};

// The one process of a node that has the file of the database open (ARCHITECTURE.md, "The engine of
// a cluster is CTDB"). A record lies in the memory of one node, its home, whose workers change it
// there as if there were no others. Whoever wants it becomes its home in the database, and then has
// it from the one before. Keepers know each other by a number of each life. One that serves and
// ends without leaving takes with it what was there: all others that serve begin anew then.
//
// A node serves for a term that it has again and again while all others it knows answer, and the
// database says that it is a member. Without, for whatever reason, it has ended when its term has
// (SharedRegion::serves_until), though nobody may have told it: whoever goes on without it waits so
// long, and needs no more. Thread: that of the reactor, for all.
class HomeKeeper final : public ctdb::ClientSink {
 public:
  explicit HomeKeeper(HomeKeeperParts parts);
  ~HomeKeeper() override;

  // What a keeper registers for. Beside it ClusterBus::number_of() of its worker says that there is
  // one.
  static constexpr uint64_t kNumber = 0xB501000000000000;

  void start();
  // For tests. No call of `parts` comes any more.
  Task<void> stop();

  void on_worker(const KeeperMessage& message);
  // That process has ended, however it did. One that has begun since is another.
  void worker_ended(uint32_t process);
  // The worker has ended for good. What of others' opens is here goes to them, and `left` is
  // called; or it fails, as it does when they do not take it in time.
  void leave();

  size_t homes() const { return owned_.size(); }
  // Records that others were sent and have not said to have.
  size_t kept() const { return given_.size(); }

  void on_connected(uint32_t pnn) override;
  void on_lost(Error why) override;
  void on_message(uint64_t to, ByteView payload) override;
  void on_event(ctdb::ClusterEvent event, std::optional<IpAddress> address) override;

 private:
  static constexpr size_t kEvictedAtOnce = 1024;
  // How often a ctdbd is asked that has no databases yet, and other keepers that say nothing yet.
  static constexpr std::chrono::milliseconds kAskAgain{100};
  // Never 0.
  static uint64_t random_number();

  struct Peer {
    uint64_t life = 0;
    uint32_t process = 0;
    WorkerTag knows;  // this node's worker, as it knows it
    bool is_serving = false;
    int64_t answers_at = 0;  // when it was asked what it has answered last
  };
  // A life that another node's keeper had, of which nothing is heard.
  struct Silent {
    uint64_t life = 0;
    int64_t asked_at = 0;
    std::optional<int64_t> over_at;  // when the database said to all that it is over
  };
  // A record whose home this is, and that is here.
  struct Owned {
    uint64_t turn = 0;
    bool is_used = false;
    bool is_in_order = false;
    std::shared_ptr<OneShot<bool>> used;  // who waits for it
  };
  struct Successor {
    uint32_t node = 0;
    uint64_t life = 0;
    uint64_t turn = 0;
  };
  // One whose home this is about to be, or about to be no more.
  struct Moving {
    bool is_for_worker = false;
    uint64_t turn = 0;
    std::optional<Home> from;              // whom it comes from, once that is known
    std::shared_ptr<OneShot<bool>> came;   // false: nobody has anything
    Bytes image;                           // as far as it has come
    bool is_searched = false;              // all are asked for it
    std::unordered_set<uint64_t> without;  // lives that have said to have nothing of it
    int64_t asked_at = 0;
    bool is_again = false;  // it begins anew with the database
    std::optional<Successor> next;
  };
  // Sent, and not known to have come.
  struct Given {
    Successor to;
    Bytes image;
    bool is_sending = false;
    int64_t sent_at = 0;
  };

  Task<void> open_homes();
  // A worker that has begun.
  struct Joining {
    uint64_t number = 0;
    uint32_t process = 0;
  };
  Task<void> join(Joining worker);
  Task<void> join_once(Joining worker);
  Task<bool> tell_of_members(Joining worker);
  Task<bool> do_others_know();
  Task<Result<std::optional<Member>>> member_of(uint32_t node);
  Task<bool> is_registered(uint32_t node, const Member& member);
  Task<bool> is_over_there(uint32_t node, bool is_active);
  Task<bool> change_member(uint32_t node, uint64_t life, std::optional<Member> to);
  Task<bool> find_term();
  Task<void> keep_term();
  Task<void> ask_database();
  void extend_term();
  bool is_term_over();
  Task<void> watch();
  void count();
  Task<void> look();
  Task<void> say_goodbye();

  void request(const RecordKey& key, bool is_for_worker);
  struct Claim {
    std::optional<Home> before;
    uint64_t turn = 0;
    bool is_own = false;  // it stood there before
  };
  Task<std::optional<Claim>> claim(RecordKey key);
  Task<void> bring(RecordKey key);
  bool take_back(const RecordKey& key, uint64_t turn);
  void ask_for(const RecordKey& key, const Moving& moving);
  void search(const RecordKey& key, Moving& moving);
  void ask_again();
  void peer_is_without(uint64_t life);
  bool take(const RecordKey& key, ByteView image);
  void settle(const RecordKey& key, uint64_t turn);
  void begin_to_give(const RecordKey& key, const Owned& owned, const Successor& to);
  Task<void> give_to_home(RecordKey key, Successor to);
  Task<void> give(RecordKey key, Successor to);
  bool post_piece(const RecordKey& key, const Successor& to, ByteView image, size_t at);
  Task<void> send_given(RecordKey key, uint64_t turn, uint64_t from);
  void forget_given(const RecordKey& key);
  void ask_for_receipts();
  Task<void> look_back(uint32_t node, uint64_t life, RecordKey key, uint64_t turn);
  void say_got(uint32_t node, uint64_t life, const RecordKey& key, uint64_t turn);
  Task<void> set_later(std::shared_ptr<OneShot<bool>> shot);
  Task<void> give_up_some();
  void put_in_order(const RecordKey& key, Owned& owned);
  Task<bool> give_up(RecordKey key);

  void on_packet(const KeeperPacket& packet);
  void on_hello(const KeeperPacket& hello);
  Task<void> let_in(KeeperPacket hello);
  void on_hello_of_member(const KeeperPacket& hello);
  void on_bye(const KeeperPacket& bye);
  void on_want(const KeeperPacket& want);
  void on_not_here(const KeeperPacket& said);
  void say_not_here(const RecordKey& key, const Successor& to);
  void on_record(const KeeperPacket& record);

  KeeperPacket packet(KeeperPacket::Kind kind) const;
  bool post(uint32_t node, const KeeperPacket& packet);
  Task<Result<void>> change(Bytes key, ctdb::Records::Change change);
  void ask(uint32_t node);
  void say_hello(uint32_t node, std::optional<int64_t> answers = std::nullopt);
  void send_hello(uint32_t node, KeeperPacket hello);
  void peer_ended(uint32_t node, const std::string& how);
  void forget_peer(uint32_t node);
  void set_worker(uint32_t node, WorkerTag tag);
  void fail(const std::string& why);
  bool is_known(const Home& home) const;
  void put_own_and_empty(const RecordKey& key);

  HomeKeeperParts parts_;
  ctdb::Client client_;
  SharedRecords records_;
  std::unique_ptr<ctdb::RecordFile> file_;
  std::unique_ptr<ctdb::Records> homes_;
  const uint64_t life_;
  std::optional<uint32_t> node_;
  WorkerTag own_worker_;
  uint32_t own_process_ = 0;
  bool is_joining_ = false;
  std::optional<Joining> joins_next_;  // the one that began last, until it is its turn
  bool is_serving_ = false;
  bool is_leaving_ = false;
  bool is_over_ = false;
  bool is_looking_ = false;
  bool is_looking_back_ = false;
  // 0 until ctdbd has said when it takes a node for dead.
  std::chrono::milliseconds term_{0};
  bool is_member_ = false;  // it was said in the database
  bool is_asking_database_ = false;
  int64_t member_at_ = 0;  // when the database was asked that has said so last
  int64_t kept_at_ = 0;    // when keep_term() was there last
  std::unordered_map<uint32_t, Silent> silent_;
  std::unordered_set<uint32_t> let_in_;  // nodes of which it is being looked whether they may
  bool is_giving_up_ = false;
  std::optional<Joining> joins_later_;  // a worker that came before there was a database
  std::unordered_map<uint32_t, Peer> peers_;
  std::unordered_map<RecordKey, Owned> owned_;
  // With its turn, the first that came first; of those that were owned before, too.
  std::deque<std::pair<RecordKey, uint64_t>> order_;
  std::unordered_map<RecordKey, Moving> moving_;
  std::unordered_map<RecordKey, Given> given_;
  size_t given_bytes_ = 0;
  std::unordered_set<RecordKey> giving_;
  TaskScope tasks_;
};

}  // namespace braid::store::cluster
