#include "admin/open_view.h"

#include <algorithm>
#include <map>
#include <string>

#include "admin/protocol.h"
#include "filestate/open_image.h"
#include "smb2/files/open_name.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"

namespace braid::admin {
namespace {

using nlohmann::json;

std::string letters(uint32_t bits, std::initializer_list<std::pair<uint32_t, char>> meanings) {
  std::string text;
  for (const auto& [bit, letter] : meanings) {
    if (bits & bit) text += letter;
  }
  return text;
}

std::string name_of(const auth::Identity* identity) {
  return identity ? identity->account_name : "";
}

std::string with_stream(std::string path, const std::string& stream) {
  return stream.empty() ? path : path + ":" + stream;
}

std::string_view kind_of(const smb2::OpenAttributes& attributes) {
  if (attributes.is_stream) return "stream";
  return attributes.is_directory ? "directory" : "file";
}

ShownOpen shown(const smb2::Server& server, const smb2::Open& open) {
  ShownOpen row{.names = {{"open", id_text(open.file_id.persistent)},
                          {"share", open.tree_connect->share->name},
                          {"path", with_stream(smb2::known_path(server.files, open).text(),
                                               open.stream_name())}},
                .ref = std::nullopt,
                .client_guid = open.client_guid,
                .user = open.user,
                .kind = open.is_pipe() ? "pipe" : kind_of(open.attributes),
                .access = open.attributes.granted_access,
                .sharing = open.attributes.share_access,
                .durability = open.durable_terms.lock()->durability,
                .until = std::nullopt};
  if (!open.is_pipe()) row.ref = open.ref();
  return row;
}

ShownOpen shown(const smb2::Server& server, const smb2::OpenTable::ParkedOpen& open) {
  // Its client knows it by the number it had in an earlier life of the server, or in another
  // worker.
  const auto image = server.files.file_table.image_of(open.ref);
  return {.names = {{"open", id_text(image ? image->persistent_id : open.ref.token.value)},
                    {"user", name_of(open.owner.get())},
                    {"share", open.share},
                    {"path", with_stream(open.path, open.stream_name)}},
          .ref = open.ref,
          .client_guid = open.client_guid,
          .user = open.user,
          .kind = kind_of(open.attributes),
          .access = open.attributes.granted_access,
          .sharing = open.attributes.share_access,
          .durability = open.durability,
          .until = open.until};
}

std::string_view name_of(filestate::Durability durability) {
  switch (durability) {
    case filestate::Durability::kNone:
      return "none";
    case filestate::Durability::kDurable:
      return "durable";
    case filestate::Durability::kResilient:
      return "resilient";
    case filestate::Durability::kPersistent:
      break;
  }
  return "persistent";
}

json seconds_left(const smb2::Server& server, const ShownOpen& open) {
  if (!open.until) return nullptr;
  const auto left = *open.until - server.logons.clock.monotonic();
  return std::max<int64_t>(0, std::chrono::ceil<std::chrono::seconds>(left).count());
}

}  // namespace

void for_each_open(const smb2::Server& server, const std::function<void(ShownOpen)>& show) {
  for (const auto& session : server.logons.session_table.all()) {
    if (!session->security()) continue;
    const auto identity = session->principal().identity;
    for (const auto& open : session->opens()) {
      ShownOpen row = shown(server, *open);
      row.names["session"] = id_text(session->session_id.value);
      row.names["user"] = name_of(identity.get());
      show(std::move(row));
    }
  }
  for (const auto& open : server.files.open_table.parked()) {
    show(shown(server, open));
  }
}

std::vector<std::string_view> rights_in_words(uint32_t access, bool is_directory) {
  using wire::Access;
  std::vector<std::string_view> words;
  const auto add = [&](uint32_t bits, std::string_view word) {
    if (access & bits) words.push_back(word);
  };
  const bool may_write = (access & Access::kFileWriteData) != 0;
  add(Access::kFileReadData, is_directory ? "list" : "read");
  if (is_directory) {
    add(Access::kFileAddFile | Access::kFileAddSubdirectory, "add");
  } else {
    add(Access::kFileWriteData, "write");
    if (!may_write) add(Access::kFileAppendData, "append");
    if (words.empty()) add(Access::kFileExecute, "execute");
  }
  add(Access::kDelete, "delete");
  add(Access::kWriteDac, "permissions");
  add(Access::kWriteOwner, "owner");
  if (words.empty()) words.emplace_back("attributes");
  return words;
}

std::string caching_letters(filestate::Caching caching) {
  return letters(static_cast<uint32_t>(caching), {{1, 'R'}, {2, 'H'}, {4, 'W'}});
}

json opens_of(const smb2::Server& server) {
  json all = json::array();
  std::map<std::string, std::string> logs;  // by share
  for (const auto& each : server.files.persistent->metrics()) logs[each.share] = each.log;
  for_each_open(server, [&](ShownOpen open) {
    const auto caching =
        open.ref ? server.files.file_table.caching_of(*open.ref) : filestate::Caching::kNone;
    json row = std::move(open.names);
    row["kind"] = open.kind;
    row["access"] = id_text(open.access);
    row["rights"] = rights_in_words(open.access, open.kind == "directory");
    row["sharing"] = letters(open.sharing, {{filestate::kShareRead, 'r'},
                                            {filestate::kShareWrite, 'w'},
                                            {filestate::kShareDelete, 'd'}});
    row["caching"] = caching_letters(caching);
    row["locks"] = open.ref ? server.files.file_table.locks_of(*open.ref).held.size() : 0;
    row["durability"] = name_of(open.durability);
    row["seconds_left"] = seconds_left(server, open);
    const auto log = logs.find(row["share"].get<std::string>());
    const bool is_logged =
        open.durability == filestate::Durability::kPersistent && log != logs.end();
    row["log"] = is_logged ? json(log->second) : json(nullptr);
    all.push_back(std::move(row));
  });
  return all;
}

}  // namespace braid::admin
