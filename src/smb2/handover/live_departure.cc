// The process that others take the place of: which connections can go, and what of them goes.
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "smb2/handover/live_handover.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

// For a few words on each reactor.
constexpr std::chrono::seconds kLookTime{1};

bool can_go(const TreeConnect& tree) {
  if (tree.is_closed()) return false;
  return tree.is_pipe() || tree.share->volume;
}

bool is_recorded(const Open& open) {
  return open.durable_terms.lock()->durability == filestate::Durability::kPersistent;
}

bool can_go(const Open& open) {
  if (open.is_used() || open.is_closing()) return false;
  if (open.is_pipe()) return true;  // closed on the way
  if (!open.file || (is_recorded(open) && !open.tree_connect->share->persistent)) return false;
  if (open.tree_connect->is_snapshot() || open.tree_connect->is_closed()) return false;
  const vfs::File& named = open.base_file ? *open.base_file : *open.file;
  return named.descriptor() >= 0 && open.owner && open.credentials;
}

bool can_go(const Session& session) {
  if (!session.security() || session.is_closed() || session.is_closing_any()) return false;
  const auto trees = session.trees();
  const auto opens = session.opens();
  return std::ranges::all_of(trees, [](const auto& each) { return can_go(*each); }) &&
         std::ranges::all_of(opens, [](const auto& each) { return can_go(*each); });
}

std::optional<LiveListing> listing_of(Open& open) {
  if (!open.attributes.is_directory) return std::nullopt;
  const EnumerationState& state = open.enumeration.unshared();
  if (!state.enumeration) return std::nullopt;
  LiveListing listing{.pattern = state.pattern,
                      .is_exact = state.is_exact,
                      .exhausted = state.exhausted,
                      .answered = state.answered,
                      .position = state.enumeration->position(),
                      .pending = {}};
  for (size_t i = state.next_pending; i < state.pending.size(); ++i) {
    listing.pending.push_back({state.pending[i].name, state.pending[i].disk_name});
  }
  return listing;
}

// Nothing: filestate does not have it any more.
std::optional<LiveOpen> image_of(const FileServices& files, Open& open) {
  auto handed = handed_open_of(files.file_table, open);
  if (!handed) return std::nullopt;
  const vfs::File& named = open.base_file ? *open.base_file : *open.file;
  LiveOpen image{.volatile_id = open.file_id.volatile_id,
                 .tree = open.tree_connect->tree_id,
                 .is_in_open_table = open.is_in_open_table,
                 .is_recorded = is_recorded(open),
                 .pending_notifications = open.pending_notifications,
                 .changed = changed_at(named.descriptor()),
                 .listing = listing_of(open),
                 .open = *std::move(handed)};
  if (const auto watch = files.notify.watch_of(open)) {
    image.watch = {.tree = watch->tree, .filter = watch->filter, .capacity = watch->capacity};
  }
  return image;
}

LiveTree image_of(const TreeConnect& tree) {
  return {.id = tree.tree_id,
          .share = tree.share->name,
          .real_path = tree.share->real_path,
          .maximal_access = tree.maximal_access,
          .may_only_read = tree.was_made_to_read(),
          .encrypts = tree.share->encrypt,
          .connected_at = tree.connected_at};
}

LiveSession image_of(const Session& session) {
  const SessionSecurity& security = *session.security();
  const Principal principal = session.principal();
  LiveSession image{.id = session.session_id,
                    .client_guid = session.client_guid,
                    .user = *security.user,
                    .credentials = principal.credentials,
                    .expires_at = session.expires_at(),
                    .first_used = session.first_used(),
                    .last_used = session.last_used(),
                    .dialect = security.dialect,
                    .cipher = security.cipher,
                    .session_key = security.session_key,
                    .full_session_key = security.full_session_key,
                    .signing_secret = security.signing_secret,
                    .encryption_secret = security.encryption_secret,
                    .decryption_secret = security.decryption_secret,
                    .signing_required = security.signing_required,
                    .encrypt_data = security.encrypt_data,
                    .has_session_key = security.has_session_key,
                    .logged_on_at = security.logged_on_at,
                    .method = security.method,
                    .machine = security.machine,
                    .client = security.client,
                    .overtaken = session.overtaken_creates.remembered(),
                    .last_tree_id = session.last_tree_id()};
  if (principal.identity != security.user) image.now_as = *principal.identity;
  if (security.signing_key) image.signing_algorithm = security.signing_key->algorithm();
  if (security.encryption_key) image.next_count = security.encryption_key->next_count();
  for (const auto& tree : session.trees()) image.trees.push_back(image_of(*tree));
  return image;
}

// With what each has open, and the descriptors of that. It acts as users.
std::vector<LiveSession> images_of(const FileServices& files,
                                   const std::vector<std::shared_ptr<Session>>& sessions,
                                   std::vector<int>& descriptors) {
  std::vector<LiveSession> images;
  for (const auto& session : sessions) {
    LiveSession& image = images.emplace_back(image_of(*session));
    for (const auto& open : session->opens()) {
      if (open->is_pipe()) continue;
      auto each = image_of(files, *open);
      if (!each) continue;
      const vfs::File& named = open->base_file ? *open->base_file : *open->file;
      descriptors.push_back(named.descriptor());
      image.opens.push_back(*std::move(each));
    }
  }
  return images;
}

SessionId session_of(const Connection::WaitingRequest& request) {
  wire::Reader reader(request.message);
  const auto header = wire::Header::decode(reader);
  return header ? header->session_id : SessionId{};
}

}  // namespace

// On its reactor.
std::optional<LiveHandover::Chosen> LiveHandover::look_at(
    const std::shared_ptr<Connection>& connection) {
  auto handed = connection->is_resting() ? connection->handed() : std::nullopt;
  if (!handed) return std::nullopt;
  // Whoever ends the connection meanwhile closes the other one only.
  UniqueFd socket(::fcntl(handed->socket, F_DUPFD_CLOEXEC, 0));
  if (!socket) return std::nullopt;
  LiveConnection image{.negotiated = connection->negotiated,
                       .preauth_hash = connection->preauth_integrity_hash,
                       .window = connection->command_sequence_window.image(),
                       .received = std::move(handed->received),
                       .requests = connection->requests_aside()};
  for (const auto& channel : connection->all_channels()) {
    LiveChannel& each = image.channels.emplace_back();
    each.session = channel->session->session_id;
    each.signing_secret = channel->signing_secret;
    if (channel->signing_key) each.signing_algorithm = channel->signing_key->algorithm();
  }
  return Chosen{std::move(image), std::move(socket)};
}

size_t LiveHandover::choose() {
  chosen_.clear();
  // All at once: a way to a reactor and back takes long where others want the processors.
  const auto connections = server_.connections();
  std::vector<std::future<std::optional<Chosen>>> looks;
  for (const auto& connection : connections) {
    std::promise<std::optional<Chosen>> looked;
    looks.push_back(looked.get_future());
    connection->reactor().post([connection, looked = std::move(looked)]() mutable {
      looked.set_value(look_at(connection));
    });
  }
  // A reactor that waits for a disk has no connection that goes.
  const auto end = std::chrono::steady_clock::now() + kLookTime;
  for (size_t i = 0; i < connections.size(); ++i) {
    const bool is_there = looks[i].wait_until(end) == std::future_status::ready;
    auto chosen = is_there ? looks[i].get() : std::nullopt;
    if (chosen) {
      chosen_.emplace(connections[i]->number, *std::move(chosen));
    } else {
      connections[i]->disconnect();
    }
  }
  for (const auto& session : server_.logons.session_table.all()) {
    if (can_go(*session)) continue;
    for (const auto& channel : session->channels()) {
      const auto connection = channel->connection.lock();
      if (!connection || chosen_.erase(connection->number) == 0) continue;
      log::info("{}: connects anew, as something that '{}' has open does not go on elsewhere",
                connection->peer_host(),
                session->security() ? session->principal().identity->account_name : std::string());
      connection->disconnect();
    }
  }
  return chosen_.size();
}

OpensHandover::Part LiveHandover::give() {
  LiveState state;
  OpensHandover::Part part;
  std::vector<int> of_opens;
  std::vector<std::shared_ptr<Session>> leaving;
  std::unordered_set<SessionId> going;
  for (const auto& session : server_.logons.session_table.all()) {
    const auto channels = session->channels();
    const bool is_chosen = std::ranges::any_of(channels, [this](const auto& channel) {
      const auto connection = channel->connection.lock();
      return connection && connection->is_resting() && chosen_.contains(connection->number);
    });
    if (!is_chosen || !can_go(*session)) continue;
    going.insert(session->session_id);
    leaving.push_back(session);
  }
  // On a thread of its own, as the caller is to act as the server when nothing comes of it.
  std::thread([&] { state.sessions = images_of(server_.files, leaving, of_opens); }).join();
  for (const auto& connection : server_.connections()) {
    const auto chosen = chosen_.find(connection->number);
    if (chosen == chosen_.end() || !connection->is_resting()) continue;
    LiveConnection image = chosen->second.connection;
    const bool had_any = !image.channels.empty();
    std::erase_if(image.channels,
                  [&](const auto& channel) { return !going.contains(channel.session); });
    if (had_any && image.channels.empty()) continue;
    std::erase_if(image.requests,
                  [&](const auto& request) { return !going.contains(session_of(request)); });
    part.descriptors.push_back(chosen->second.socket.get());
    state.connections.push_back(std::move(image));
  }
  part.descriptors.insert(part.descriptors.end(), of_opens.begin(), of_opens.end());
  part.state = encode(state);
  return part;
}

}  // namespace braid::smb2
