// The process that takes the place of another one: what of its connections arrives here.
#include <algorithm>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/log.h"
#include "smb2/common/store_account.h"
#include "smb2/files/access_check.h"
#include "smb2/files/durable.h"
#include "smb2/files/local_access.h"
#include "smb2/files/watching.h"
#include "smb2/handover/live_handover.h"
#include "smb2/opens/work_owner.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/persistent/restore_open.h"
#include "smb2/server.h"
#include "smb2/shares/admission.h"
#include "store/worker_tag.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

// Of the nonces that the other process may have used without having said so: it answers nobody any
// more, but breaks may go out until it ends.
constexpr uint64_t kNonceGap = uint64_t{1} << 32;

std::shared_ptr<const Share> share_of(const FileServices& files, const LiveTree& tree,
                                      const auth::Identity& user) {
  const auto entry = files.settings.shares()->entry(tree.share);
  if (!entry) return nullptr;
  auto share = entry->connect(user.account_name);
  if (!share || (*share)->real_path != tree.real_path) return nullptr;
  const bool is_disk = (*share)->type == ShareType::kDisk;
  if (is_disk && !(*share)->volume) return nullptr;
  return std::move(*share);
}

SessionSecurity security_of(const LiveSession& image, crypto::WorkCounters& counters) {
  SessionSecurity security;
  security.dialect = image.dialect;
  security.cipher = image.cipher;
  security.session_key = image.session_key;
  security.full_session_key = image.full_session_key;
  security.signing_secret = image.signing_secret;
  if (!image.signing_secret.empty()) {
    security.signing_key = std::make_unique<crypto::SigningKey>(image.signing_algorithm,
                                                                image.signing_secret, &counters);
  }
  if (!image.encryption_secret.empty()) {
    security.encryption_key = std::make_unique<crypto::CipherKey>(
        image.cipher, image.encryption_secret, &counters, image.next_count + kNonceGap);
    security.decryption_key =
        std::make_unique<crypto::CipherKey>(image.cipher, image.decryption_secret, &counters);
    security.encryption_secret = image.encryption_secret;
    security.decryption_secret = image.decryption_secret;
  }
  security.signing_required = image.signing_required;
  security.encrypt_data = image.encrypt_data;
  security.has_session_key = image.has_session_key;
  security.user = std::make_shared<const auth::Identity>(image.user);
  security.logged_on_at = image.logged_on_at;
  security.method = image.method;
  security.machine = image.machine;
  security.client = image.client;
  return security;
}

std::shared_ptr<Session> session_of(const LiveSession& image, crypto::WorkCounters& counters) {
  auto session = std::make_shared<Session>(image.id, image.client_guid);
  SessionSecurity security = security_of(image, counters);
  Principal principal{.identity = security.user, .credentials = image.credentials};
  if (image.now_as) principal.identity = std::make_shared<const auth::Identity>(*image.now_as);
  session->become_valid(std::move(security), std::move(principal), image.expires_at);
  session->was_used(image.first_used, image.last_used);
  session->overtaken_creates.remember(image.overtaken);
  session->continue_tree_ids(image.last_tree_id);
  return session;
}

// Each user is asked about once for a share: a name service may take long, and all wait.
class Admissions {
 public:
  const Admission& of(const Share& share, const auth::Identity& who) {
    const bool has_account = !who.is_guest && !who.is_anonymous;
    const Key key{&share, has_account, who.account_name, who.uid, who.gid, who.groups};
    const auto known = known_.find(key);
    return known != known_.end() ? known->second
                                 : known_.emplace(key, admission_of(share, who)).first->second;
  }

 private:
  using Key = std::tuple<const Share*, bool, std::string, uid_t, gid_t, std::vector<gid_t>>;
  std::map<Key, Admission> known_;
};

// By the rules of now: the configuration may be another one than that by which it was made.
bool may_go_on(const Session& session, const TreeConnect& tree, bool encrypts,
               Admissions& admissions) {
  if (tree.is_pipe()) return true;
  const Share& share = *tree.share;
  if (share.encrypt && !encrypts) return false;
  if (!check_reaches(session.principal(), share)) return false;
  for (const auto& channel : session.channels()) {
    const auto connection = channel->connection.lock();
    if (connection && !connection->comes_from(share.hosts)) return false;
  }
  const Admission& admission = admissions.of(share, *session.principal().identity);
  return admission.is_admitted && (!admission.read_only || tree.is_read_only());
}

Task<void> end_tree(FileServices& files, std::shared_ptr<Session> session,
                    std::shared_ptr<TreeConnect> tree) {
  WorkerPool::Seat seat(files.pool, work_of(nullptr, nullptr));
  co_await seat.schedule();
  co_await files.close_tree(std::move(session), std::move(tree));
}

// With all that is open through them, before anything is asked of it here.
void end_what_may_not_go_on(FileServices& files, const std::shared_ptr<Session>& session,
                            const std::vector<TreeId>& encrypting, Admissions& admissions) {
  for (const auto& tree : session->trees()) {
    const bool encrypts = std::ranges::find(encrypting, tree->tree_id) != encrypting.end();
    if (may_go_on(*session, *tree, encrypts, admissions)) continue;
    log::info(
        "share '{}': the connection of '{}' is ended: allow, hosts, guest or encrypt have changed",
        tree->share->name, session->principal().identity->account_name);
    session->remove_tree(tree->tree_id);
    if (tree->begin_close()) files.spawn(end_tree(files, session, tree));
  }
}

// As it was, as far as the directory can be listed here.
void resume_listing(Open& open, const LiveListing& listing) {
  auto enumeration =
      open.file->enumerate(listing.is_exact ? vfs::NameRules::kExact : vfs::NameRules::kWindows);
  if (!enumeration) return;
  EnumerationState& state = open.enumeration.unshared();
  state.enumeration = *std::move(enumeration);
  state.enumeration->go_back(listing.position);
  state.pattern = listing.pattern;
  state.is_exact = listing.is_exact;
  state.exhausted = listing.exhausted;
  state.answered = listing.answered;
  // The next request looks at each anew, but for "..", which is shown as the directory itself.
  const auto own = open.file->stat();
  for (const LiveListing::Name& each : listing.pending) {
    state.pending.push_back({.name = each.name,
                             .attributes = own.value_or(vfs::Attributes()),
                             .disk_name = each.disk_name});
  }
  state.is_counted = open.memory.add(kEnumerationSize).has_value();
}

// What happens from here on is kept; who asks is told to look for what happened before.
void resume_watch(FileServices& files, Open& open, const LiveWatch& watch) {
  const wire::ChangeNotifyRequest asked{
      .flags = watch.tree ? wire::ChangeNotifyRequest::kFlagWatchTree : uint16_t{0},
      .output_buffer_length = watch.capacity,
      .file_id = open.file_id,
      .completion_filter = watch.filter};
  const auto waiting = files.notify.wait(open, asked);
  place_watch(files, open, asked);
  end_watch_if_going(files, open);
  waiting.placed->set(true);
  files.notify.cancel(open, waiting.waiter);
}

// What the kernel holds local programs off from. For one that waits already the caching breaks at
// once, and where an open were not found by its client yet, as that of nobody: without a word.
// REQUIRES: all that clients have open is had again.
void guard_again(FileServices& files, const Session& session) {
  for (const auto& open : session.opens()) {
    const Share& share = *open->tree_connect->share;
    if (share.local_access != config::LocalAccess::kStrict || !open->file) continue;
    const auto use = Open::use(open);
    if (!use) continue;
    const FileKey key = open->attributes.file_key;
    const filestate::Caching caching = files.file_table.caching_of(open->ref());
    const filestate::Caching kept =
        see_to_local_programs(files, share, key, *open->file, caching, account_of(open->owner),
                              GuardedBefore::kByProcessBefore)
            .kept;
    if (filestate::is_subset(caching, kept)) continue;
    files.file_table.take_for_local(key, filestate::Caching::kReadWriteHandle - kept);
  }
}

}  // namespace

struct LiveHandover::TakenSession {
  LiveSession image;
  bool is_whole = true;
  std::vector<std::shared_ptr<const Share>> shares;  // of its trees
  std::vector<std::pair<size_t, TakenOpen>> opens;   // with the place in its image
  bool any_recorded = false;
};

struct LiveHandover::Taken {
  std::vector<std::pair<LiveConnection, UniqueFd>> connections;
  std::vector<TakenSession> sessions;
};

Result<size_t> LiveHandover::take(ByteView bytes, std::vector<UniqueFd> descriptors) {
  BRAID_TRY(LiveState state, decode_live_state(bytes));
  if (descriptors.size() != state.connections.size() + state.open_count()) {
    return fail(Error::malformed());
  }
  const auto taken = std::make_shared<Taken>();
  auto next = descriptors.begin();
  for (LiveConnection& each : state.connections) {
    taken->connections.emplace_back(std::move(each), std::move(*next++));
  }
  size_t count = 0;
  // As the opens are had again with the rights of their users, which this thread is not to have.
  std::thread([&] {
    FileServices& files = server_.files;
    const RestoreParts parts{.clock = files.clock,
                             .file_table = files.file_table,
                             .open_table = files.open_table,
                             .file_ids = files.file_ids,
                             .fds = files.fds};
    for (LiveSession& image : state.sessions) {
      TakenSession& session = taken->sessions.emplace_back();
      for (const LiveTree& tree : image.trees) {
        session.shares.push_back(share_of(files, tree, image.user));
        session.is_whole = session.is_whole && session.shares.back();
      }
      for (size_t i = 0; i < image.opens.size(); ++i) {
        LiveOpen& open = image.opens[i];
        UniqueFd descriptor = std::move(*next++);
        if (open.is_recorded) {
          session.any_recorded = true;
          if (open.open.open.attributes.is_directory) {
            files.persistent->keep_listing(open.open.open.file_id.persistent);
          }
          continue;  // the log is the other process's still
        }
        const auto tree = std::ranges::find(image.trees, open.tree, &LiveTree::id);
        const auto& share = session.shares[static_cast<size_t>(tree - image.trees.begin())];
        const std::string path = open.open.open.changes.path.text();
        // What it has of another life of this worker's number goes by the worker's own.
        const bool is_own = store::WorkerTag::of(open.volatile_id) == server_.workers.own_tag();
        session.is_whole = session.is_whole && is_own;
        const filestate::OpenToken token{is_own ? open.volatile_id
                                                : files.file_ids.next().volatile_id};
        auto held = share && share->volume
                        ? take_held(parts, share, open.open, std::move(descriptor), token)
                        : fail_os(ENOENT);
        if (held) {
          session.is_whole = session.is_whole && held->is_as_it_was;
          session.opens.emplace_back(i, *std::move(held));
          ++count;
        } else {
          session.is_whole = false;
          log::warn("share '{}': the open of '{}' by {} could not be handed over: {}", tree->share,
                    path, image.user.account_name, held.error().message());
        }
      }
      session.image = std::move(image);
    }
  }).join();
  taken_ = taken;
  return count;
}

void LiveHandover::serve(const OverSocket& over) {
  const auto taken = std::exchange(taken_, nullptr);
  if (!taken) return;
  std::thread([&] { serve_all(std::move(*taken), over); }).join();
}

void LiveHandover::serve_all(Taken taken, const OverSocket& over) {
  SessionTable& table = server_.logons.session_table;
  for (TakenSession& each : taken.sessions) {
    each.is_whole = each.is_whole && claim_recorded(each);
    if (each.is_whole && !table.add(session_of(each.image, server_.logons.crypto_work))) {
      log::warn("a session of {} could not be handed over: its id is another's",
                each.image.user.account_name);
    }
  }
  std::vector<std::shared_ptr<Connection>> connections;
  std::vector<std::future<std::shared_ptr<Connection>>> made;
  for (auto& each : taken.connections) {
    std::promise<std::shared_ptr<Connection>> making;
    made.push_back(making.get_future());
    server_.next_reactor().post(
        [this, &over, making = std::move(making), taken_one = std::move(each)]() mutable {
          making.set_value(connect(std::move(taken_one.first), std::move(taken_one.second), over));
        });
  }
  for (auto& each : made) {
    if (auto connection = each.get()) connections.push_back(std::move(connection));
  }
  bool any_watch = false;
  Admissions admissions;
  for (TakenSession& each : taken.sessions) {
    const auto session = each.is_whole ? table.find(each.image.id) : nullptr;
    if (session && !session->channels().empty()) {
      for (const LiveOpen& open : each.image.opens) any_watch = any_watch || open.watch;
      std::vector<TreeId> encrypting;
      for (const LiveTree& tree : each.image.trees) {
        if (tree.encrypts) encrypting.push_back(tree.id);
      }
      fill(*session, std::move(each));
      end_what_may_not_go_on(server_.files, session, encrypting, admissions);
      continue;
    }
    if (session) {
      table.remove(session->session_id);
      (void)session->begin_close();
    }
    lose(std::move(each));
  }
  for (const auto& session : table.all()) guard_again(server_.files, *session);
  server_.files.arm_scavenger();
  if (any_watch) server_.files.notify.lose_all();
  for (auto& connection : connections) server_.go_on_with(std::move(connection));
  if (!connections.empty()) log::info("{} connections go on", connections.size());
}

// On the reactor that it is to have.
std::shared_ptr<Connection> LiveHandover::connect(LiveConnection image, UniqueFd socket,
                                                  const OverSocket& over) {
  LogonServices& logons = server_.logons;
  std::vector<std::pair<LiveChannel, std::shared_ptr<Session>>> sessions;
  for (const LiveChannel& each : image.channels) {
    auto session = logons.session_table.find(each.session);
    if (!session) return nullptr;  // it connects anew
    sessions.emplace_back(each, std::move(session));
  }
  if (!socket) return nullptr;
  auto connection = server_.make_connection(
      over(std::move(socket), std::move(image.received))(*Reactor::current()));
  if (!connection) return nullptr;
  connection->was_negotiated(std::move(image.negotiated), image.preauth_hash, image.window);
  logons.client_table.add(*connection);
  for (const auto& [live, session] : sessions) {
    auto channel = std::make_shared<Channel>();
    channel->session = session;
    channel->connection = connection;
    channel->memory = connection->memory->take(kSessionSize, MemoryUse::kLasting);
    channel->signing_secret = live.signing_secret;
    if (!live.signing_secret.empty()) {
      channel->signing_key = std::make_shared<const crypto::SigningKey>(
          live.signing_algorithm, live.signing_secret, &logons.crypto_work);
    } else if (session->security()->signing_key) {
      channel->signing_key = std::shared_ptr<const crypto::SigningKey>(
          session, session->security()->signing_key.get());
    }
    (void)logons.client_table.admit_session(*connection, session->user_id());
    if (session->add_channel(channel) && !connection->add_channel(channel)) {
      session->remove_channel(channel);
    }
    connection->session_became_valid(*session);
  }
  connection->ask_again(image.requests);
  return connection;
}

// What the log says of opens whose client is still there. False: something of that is not as it was
// told, and it is to connect anew.
bool LiveHandover::claim_recorded(TakenSession& session) {
  if (!session.any_recorded) return true;
  FileServices& files = server_.files;
  for (size_t i = 0; i < session.image.opens.size(); ++i) {
    LiveOpen& open = session.image.opens[i];
    if (!open.is_recorded) continue;
    auto claim = files.open_table.claim(open.open.open.file_id.persistent);
    if (!claim.open) return false;
    PreservedOpen& found = *claim.open;
    const filestate::OpenImage& told = open.open.open.state;
    const auto now = files.file_table.image_of(found.ref());
    const bool is_as_told = now && now->oplock == told.oplock &&
                            now->lease.has_value() == told.lease.has_value() &&
                            (!told.lease || now->lease->state == told.lease->state) &&
                            found.client_guid == session.image.client_guid &&
                            open_file(files.file_table, files.fds, found);
    if (!is_as_told) {
      files.open_table.give_back(std::move(found));
      return false;
    }
    found.changes = std::move(open.open.open.changes);
    session.opens.emplace_back(i, TakenOpen{.open = std::move(found),
                                            .channel_sequence = open.open.open.channel_sequence});
  }
  return true;
}

void LiveHandover::fill(Session& its_session, TakenSession taken) {
  const auto session = its_session.shared_from_this();
  const auto connection = session->channels().front()->connection.lock();
  for (size_t i = 0; i < taken.image.trees.size(); ++i) {
    const LiveTree& image = taken.image.trees[i];
    auto tree = std::make_shared<TreeConnect>(image.id, std::move(taken.shares[i]),
                                              image.maximal_access, image.may_only_read);
    tree->memory = connection->memory->take(kTreeSize, MemoryUse::kLasting);
    tree->connected_at = image.connected_at;
    (void)session->add_tree(std::move(tree));
  }
  for (auto& [i, open] : taken.opens) have_again(session, taken.image.opens[i], std::move(open));
}

void LiveHandover::have_again(const std::shared_ptr<Session>& session, const LiveOpen& image,
                              TakenOpen taken) {
  FileServices& files = server_.files;
  PreservedOpen& preserved = taken.open;
  const filestate::OpenRef ref = preserved.ref();
  const auto connection = session->channels().front()->connection.lock();
  HeldMemory memory;
  const size_t locks = files.file_table.locks_of(ref).held.size();
  memory.begin({connection->memory,
                connection->memory->take(kOpenSize + locks * kLockSize, MemoryUse::kLasting)});
  preserved.memory = memory.end();
  preserved.counted_locks += locks;
  const filestate::Caching caching = files.file_table.caching_of(ref);
  LocalAccessTerms terms{.kept = caching, .watch = nullptr};
  const bool is_guarded = preserved.share->local_access == config::LocalAccess::kStrict;
  if (!is_guarded && (filestate::any(caching) || preserved.lease_key)) {
    terms = see_to_local_programs(files, *preserved.share, preserved.attributes.file_key,
                                  *preserved.file, caching, account_of(preserved.owner));
  }
  preserved.local_watch = std::move(terms.watch);
  // Of what local programs did since the other process looked nobody tells.
  const vfs::File& named = preserved.base_file ? *preserved.base_file : *preserved.file;
  const bool was_changed = preserved.share->local_access != config::LocalAccess::kNone &&
                           changed_at(named.descriptor()) != image.changed;
  const FileKey key = preserved.attributes.file_key;
  if (image.is_recorded) {
    // Recovery gave it another FileId.Volatile than its client knows.
    const filestate::OpenToken token{image.volatile_id};
    if (!files.file_table.take_over(ref, token, session->session_id)) {
      return files.open_table.give_back(std::move(preserved));
    }
    files.open_table.remove(preserved.file_id);
    preserved.file_id.volatile_id = token.value;
  } else if (!files.file_table.reconnect(ref, session->session_id)) {
    return;
  }
  auto open = restore(std::move(preserved), session, session->find_tree(image.tree));
  open->is_in_open_table = image.is_in_open_table;
  open->channel_sequence.start_from(taken.channel_sequence);
  open->pending_notifications = image.pending_notifications;
  if (image.is_recorded && !files.persistent->attach(open)) take_promise_back(files, *open);
  if (image.listing) resume_listing(*open, *image.listing);
  if (image.is_in_open_table) files.open_table.add(open);
  (void)session->add_open(open);
  if (image.watch) resume_watch(files, *open, *image.watch);
  if (open->attributes.is_directory && open->lease_key) files.granted_directory_lease();

  constexpr auto kAll = filestate::Caching::kReadWriteHandle;
  if (was_changed && filestate::any(caching)) {
    files.file_table.take_for_local(key, kAll);
  } else if (!filestate::is_subset(caching, terms.kept)) {
    files.file_table.take_for_local(key, kAll - terms.kept);
  }
}

// As if its last connection had been lost here.
void LiveHandover::lose(TakenSession taken) {
  FileServices& files = server_.files;
  for (auto& [i, each] : taken.opens) {
    PreservedOpen& open = each.open;
    if (taken.image.opens[i].is_recorded) {
      files.open_table.give_back(std::move(open));
      continue;
    }
    const DurableTerms terms = open.changes.durable_terms;
    const bool is_kept =
        terms.durability != filestate::Durability::kNone &&
        (terms.durability != filestate::Durability::kDurable ||
         has(files.file_table.caching_of(open.ref()), filestate::Caching::kHandle)) &&
        files.open_table.has_room(open.user);
    if (is_kept) {
      const uint64_t id = open.file_id.persistent;
      files.open_table.put_back(std::move(open), files.clock.monotonic() + terms.timeout);
      guard_again(files, id);
    } else {
      files.spawn(close_claimed(files, std::move(open)));
    }
  }
  // Nobody tells what has happened in its directories since.
  for (const LiveOpen& image : taken.image.opens) {
    if (!image.is_recorded || !image.open.open.attributes.is_directory) continue;
    auto claim = files.open_table.claim(image.open.open.file_id.persistent);
    if (!claim.open) continue;
    const filestate::OpenRef ref = claim.open->ref();
    files.open_table.give_back(std::move(*claim.open));
    constexpr auto kNone = filestate::Caching::kNone;
    (void)files.file_table.keep_only(ref, kNone, kNone);
  }
}

}  // namespace braid::smb2
