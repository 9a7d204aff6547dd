#include "admin/open_view.h"

#include <nlohmann/json.hpp>
#include <string>

#include "admin/protocol.h"
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

std::string path_of(const smb2::Open& open) {
  std::string path = open.path.lock()->text();
  if (open.attributes.is_stream) path += ":" + *open.stream_name.lock();
  return path;
}

std::string_view kind_of(const smb2::Open& open) {
  if (open.is_pipe()) return "pipe";
  if (open.attributes.is_stream) return "stream";
  return open.attributes.is_directory ? "directory" : "file";
}

json open_view(const smb2::Open& open, const filestate::FileTable& files) {
  const auto caching = open.is_pipe() ? filestate::Caching::kNone : files.caching_of(open.ref());
  return {{"open", id_text(open.file_id.persistent)},
          {"share", open.tree_connect->share->name},
          {"path", path_of(open)},
          {"kind", kind_of(open)},
          {"access", id_text(open.attributes.granted_access)},
          {"sharing", letters(open.attributes.share_access, {{filestate::kShareRead, 'r'},
                                                             {filestate::kShareWrite, 'w'},
                                                             {filestate::kShareDelete, 'd'}})},
          {"caching", letters(static_cast<uint32_t>(caching), {{1, 'R'}, {2, 'H'}, {4, 'W'}})}};
}

}  // namespace

json opens_of(const smb2::Server& server) {
  json all = json::array();
  for (const auto& session : server.session_table.all()) {
    if (!session->security()) continue;
    const auto identity = session->principal().identity;
    for (const auto& open : session->opens()) {
      json view = open_view(*open, server.file_table);
      view["session"] = id_text(session->session_id.value);
      view["user"] = identity ? identity->account_name : "";
      all.push_back(std::move(view));
    }
  }
  return all;
}

}  // namespace braid::admin
