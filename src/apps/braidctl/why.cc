#include "apps/braidctl/why.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <vector>

#include "apps/braidctl/output.h"
#include "auth/id_mapper.h"
#include "auth/identity_maker.h"
#include "auth/state_complaint.h"
#include "auth/unix_user.h"
#include "auth/user_store.h"
#include "base/clock.h"
#include "config/homes.h"
#include "config/keys.h"
#include "runtime/identity.h"
#include "smb2/security/access_token.h"
#include "smb2/security/descriptor_store.h"
#include "smb2/security/evaluate.h"
#include "smb2/sessions/tree_connect.h"
#include "smb2/shares/admission.h"
#include "smb2/shares/share_look.h"
#include "vfs/posix/posix_volume.h"
#include "wire/fscc/name_expression.h"
#include "wire/smb2/access_mask.h"

namespace braid::braidctl {
namespace {

using wire::Access;

constexpr uint32_t kMayRead = 4, kMayWrite = 2, kMayEnter = 1;

// One who is asked. The first that says no has decided.
struct Step {
  std::string who;
  bool lets = false;
  std::string text;
};

// Cannot be said; a line.
using Trouble = std::unexpected<std::string>;

std::string user_text(uid_t uid) {
  return auth::user_name_of(uid).value_or(fmt::format("uid {}", uid));
}
std::string group_text(gid_t gid) {
  return auth::group_name_of(gid).value_or(fmt::format("gid {}", gid));
}

// "rwxr-s---", as ls shows it.
std::string mode_text(uint32_t mode) {
  std::string text = "rwxrwxrwx";
  for (size_t bit = 0; bit < 9; ++bit) {
    if (!(mode & (0400u >> bit))) text[bit] = '-';
  }
  if (mode & 04000) text[2] = mode & 0100 ? 's' : 'S';
  if (mode & 02000) text[5] = mode & 0010 ? 's' : 'S';
  if (mode & 01000) text[8] = mode & 0001 ? 't' : 'T';
  return text;
}

std::string permissions_text(uint32_t permissions) {
  return fmt::format("{}{}{}", permissions & kMayRead ? 'r' : '-',
                     permissions & kMayWrite ? 'w' : '-', permissions & kMayEnter ? 'x' : '-');
}

// By which entry of mode or access list the kernel judges, in its order.
std::string class_of(const UnixCredentials& who, const smb2::FileSecurity& file) {
  using Tag = smb2::PosixAcl::Tag;
  if (who.uid == file.attributes.uid) return "the owner";
  const auto is_in = [&](gid_t group) {
    return who.gid == group || std::ranges::find(who.groups, group) != who.groups.end();
  };
  for (const auto& entry : file.access.entries) {
    if (entry.tag == Tag::kUser && entry.id == who.uid)
      return "the access list's entry for the user";
  }
  std::string groups = is_in(file.attributes.gid) ? group_text(file.attributes.gid) : "";
  for (const auto& entry : file.access.entries) {
    if (entry.tag != Tag::kNamedGroup || !is_in(entry.id)) continue;
    groups += (groups.empty() ? "" : ", ") + group_text(entry.id);
  }
  return groups.empty() ? "others" : "the group " + groups;
}

std::string file_text(const smb2::FileSecurity& file, const std::string& path) {
  return fmt::format("{} is {}{}{} of {} and group {}", path.empty() ? "the share's folder" : path,
                     file.attributes.is_directory() ? "d" : "-", mode_text(file.attributes.mode),
                     file.access.entries.size() > 3 ? "+" : "", user_text(file.attributes.uid),
                     group_text(file.attributes.gid));
}

class Walk {
 public:
  Walk(const config::Config& config, const WhyArguments& arguments)
      : config_(config), arguments_(arguments) {}

  // All that were asked, up to the one that decides.
  std::expected<std::vector<Step>, std::string> go() {
    auto users = auth::UserStore::open(config_.server.state_dir);
    auto ids = auth::IdMapper::open(config_.server.state_dir, config_.server.name);
    if (!users || !ids) {
      return Trouble(auth::state_complaint(config_.server.state_dir,
                                           users ? ids.error() : users.error(), config_.file));
    }
    ids_.emplace(*std::move(ids));
    if (const auto line = split_path()) return Trouble(*line);
    if (!arguments_.from.empty() && !IpAddress::parse(arguments_.from)) {
      return Trouble(fmt::format(
          "--from {}: give an address in numbers, as braidctl sessions shows", arguments_.from));
    }
    if (!ask_account(*users)) return steps_;
    if (!ask_share()) return steps_;
    if (const auto line = ask_files()) return Trouble(*line);
    return steps_;
  }

 private:
  bool say(std::string who, bool lets, std::string text) {
    steps_.push_back({std::move(who), lets, std::move(text)});
    return lets;
  }

  bool ask_account(const auth::UserStore& users) {
    const auto user = users.find(arguments_.user);
    if (!user) {
      std::vector<std::string_view> names;
      const auto all = users.list();
      for (const auth::User& each : all ? *all : std::vector<auth::User>{}) {
        names_.push_back(each.name);
      }
      names.assign(names_.begin(), names_.end());
      const auto guess = config::nearest(arguments_.user, names);
      return say("account", false,
                 fmt::format("there is no account {}{}", arguments_.user,
                             guess ? fmt::format("; did you mean {}?", *guess) : ""));
    }
    if (user->is_disabled) {
      return say("account", false,
                 fmt::format("{} is disabled; braidctl user enable {} lets it in", user->name,
                             user->name));
    }
    const auth::IdentityMaker maker(users, *ids_, config_.server.name, "nobody",
                                    config_.server.min_uid);
    const auto identity = maker.of_user(*user);
    if (!identity) {
      return say("account", false,
                 fmt::format("{} acts as the Unix user {}, which there is not, or whose uid is "
                             "below min_uid {}",
                             user->name, user->unix_user, config_.server.min_uid));
    }
    auto credentials = std::make_shared<UnixCredentials>();
    credentials->uid = (*identity)->uid;
    credentials->gid = (*identity)->gid;
    credentials->groups = (*identity)->groups;
    principal_ = {*identity, std::move(credentials)};
    std::string groups;
    for (const gid_t group : (*identity)->groups) {
      groups += (groups.empty() ? "" : ", ") + group_text(group);
    }
    return say("account", true,
               fmt::format("{} acts as the Unix user {} (uid {}), in {}{}", user->name,
                           user_text((*identity)->uid), (*identity)->uid, groups,
                           (*identity)->is_admin ? "; an administrator" : ""));
  }

  // A line when that is no path of a share.
  std::optional<std::string> split_path() {
    std::string path = arguments_.path;
    std::ranges::replace(path, '\\', '/');
    while (path.starts_with('/')) path.erase(0, 1);
    while (path.ends_with('/')) path.pop_back();
    const size_t slash = path.find('/');
    const std::string name = path.substr(0, slash);
    share_ = config_.find_share(name);
    if (!share_) {
      std::vector<std::string_view> names;
      for (const config::Share& each : config_.shares) names.push_back(each.name);
      const auto guess = config::nearest(name, names);
      return fmt::format(
          "there is no share {}; {}", name,
          guess ? fmt::format("did you mean {}?", *guess) : std::string("give SHARE/PATH"));
    }
    std::string below = slash == path.npos ? "" : path.substr(slash + 1);
    std::ranges::replace(below, '/', '\\');
    auto parsed = vfs::parse_path(below, vfs::NameRules::kWindows);
    if (!parsed || parsed->has_stream) return fmt::format("{} is no path of a file", path);
    path_ = std::move(parsed->path);
    return std::nullopt;
  }

  bool ask_share() {
    const config::Share& share = *share_;
    if (!arguments_.from.empty()) {
      const auto address = IpAddress::parse(arguments_.from);
      const bool by_server = config::admits(config_.server.hosts, *address);
      const bool by_share = config::admits(share.hosts, *address);
      if (!by_server || !by_share) {
        return say("hosts", false,
                   fmt::format("{} is not named by hosts of {}", arguments_.from,
                               by_server ? "the share" : "[server]"));
      }
      say("hosts", true, fmt::format("{} may come", arguments_.from));
    }
    const smb2::Admission admission = smb2::admission_of(share, *principal_.identity);
    if (!admission.is_admitted) {
      return say("share", false,
                 fmt::format("allow of {} names neither the user nor a group of it", share.name));
    }
    const bool reads_only = share.read_only || admission.read_only;
    const std::string by = admission.decided_by.empty()
                               ? std::string("without allow everybody may come")
                               : fmt::format("allow has \"{}\"", admission.decided_by);
    if (reads_only && arguments_.what != "read") {
      return say("share", false,
                 share.read_only ? fmt::format("{} has read_only = true", share.name)
                                 : fmt::format("{}: {}", share.name, by));
    }
    say("share", true, fmt::format("{}: {}", share.name, by));
    auto forced = smb2::forced_owner(share);
    if (!forced) return say("share", false, smb2::why_absent(share, forced.error()));
    auto in_use = std::make_shared<smb2::Share>();
    in_use->forced_user = std::move(forced->user);
    in_use->forced_group = forced->group;
    smb2::TreeConnect tree(TreeId{}, std::move(in_use), Access::kFileAllAccess);
    principal_ = tree.principal_of(std::move(principal_), *ids_);
    if (!share.force_user.empty() || !share.force_group.empty()) {
      say("share", true,
          fmt::format("by force_user and force_group it acts as {} in {}",
                      user_text(principal_.credentials->uid),
                      group_text(principal_.credentials->gid)));
    }
    return true;
  }

  struct Looked {
    smb2::FileSecurityRef security;
    std::string path;  // as it is spelled on disk
    uint32_t kernel = 0;
  };

  // A line when something is not as one can look at it.
  std::optional<std::string> ask_files() {
    std::string folder = share_->path;
    if (config::is_of_homes(folder)) {
      const auto below = config::home_below(folder, principal_.identity->account_name);
      folder = config::served_folder(folder) + '/' + below.value_or(".");
      if (!below) {
        say("share", false, fmt::format("{} is no name of a folder", arguments_.user));
        return std::nullopt;
      }
    }
    const bool follows = share_->follow_symlinks == config::FollowSymlinks::kInside;
    auto volume = vfs::open_posix_volume(
        folder, {.hidden_names = share_->hidden_names,
                 .streams = share_->streams,
                 .composes_names = share_->name_normalization == config::NameNormalization::kAny,
                 .follow_links = follows});
    if (!volume) {
      say("share", false, fmt::format("its folder {}: {}", folder, volume.error().message()));
      return std::nullopt;
    }
    smb2::DescriptorStore store(*ids_, system_clock());
    std::optional<Looked> parent;
    vfs::Path so_far;
    const std::vector<std::string_view> names = path_.components();
    for (size_t depth = 0; depth <= names.size(); ++depth) {
      if (depth > 0) {
        if (auto added = so_far.append(names[depth - 1]); !added) return added.error().message();
      }
      if (depth > 0 && is_vetoed(names[depth - 1])) {
        say("share", false,
            fmt::format("veto_files keeps {} from clients", std::string(names[depth - 1])));
        return std::nullopt;
      }
      const auto found = (*volume)->find(server_credentials(), so_far, {.follow_last = true});
      if (!found && found.error().is_os(ENOENT)) return ask_to_make(*parent, so_far, depth, names);
      if (!found) {
        return fmt::format("{}: {}", std::string(names[depth - 1]), found.error().message());
      }
      const auto security = store.load(**volume, server_credentials(), *found);
      if (!security) return security.error().message();
      so_far = found->path;
      Looked here{*security, text_of(found->path),
                  smb2::kernel_permissions(*principal_.credentials, (*security)->attributes,
                                           (*security)->access)};
      if (depth == names.size()) {
        judge(parent, here);
        return std::nullopt;
      }
      if (here.security->attributes.is_symlink()) {
        say("folder", false,
            fmt::format("{} is a symbolic link, which is not followed", here.path));
        return std::nullopt;
      }
      if (!say("folder", (here.kernel & kMayEnter) != 0, kernel_text(here, "may enter it"))) {
        return std::nullopt;
      }
      parent = std::move(here);
    }
    return std::nullopt;
  }

  bool is_vetoed(std::string_view name) const {
    return std::ranges::any_of(share_->veto_files, [&](const std::string& pattern) {
      return wire::name_in_expression(pattern, name);
    });
  }

  static std::string text_of(const vfs::Path& path) {
    std::string text;
    for (const std::string_view name : path.components()) {
      text += (text.empty() ? "" : "/") + std::string(name);
    }
    return text;
  }

  std::string kernel_text(const Looked& at, const std::string& needed) const {
    return fmt::format("{}; {} is judged as {}, who has {}: {}", file_text(*at.security, at.path),
                       user_text(principal_.credentials->uid),
                       class_of(*principal_.credentials, *at.security), permissions_text(at.kernel),
                       needed);
  }

  // What is not there can be made, or else nothing be done with it.
  std::optional<std::string> ask_to_make(const Looked& parent, const vfs::Path& path, size_t depth,
                                         const std::vector<std::string_view>& names) {
    if (depth < names.size() || arguments_.what != "write") {
      say("file", false, fmt::format("there is no {}", text_of(path)));
      return std::nullopt;
    }
    say("file", true, fmt::format("there is no {}; it would be made", text_of(path)));
    ask_both("folder", parent, Access::kFileAddFile, kMayWrite | kMayEnter, "make a file in it");
    return std::nullopt;
  }

  // The descriptor, and what the kernel says of it besides.
  bool ask_both(const std::string& who, const Looked& at, uint32_t right, uint32_t permissions,
                const std::string& what) {
    const smb2::AccessToken token = smb2::token_of(*principal_.identity);
    const uint32_t granted = smb2::granted_by(at.security->effective, token);
    if (at.security->is_stored) {
      const bool lets = (granted & right) == right;
      if (!say("permissions", lets, descriptor_text(at, right, what, lets))) return false;
    }
    const bool lets = (at.kernel & permissions) == permissions;
    return say(who, lets, kernel_text(at, fmt::format("{} {}", lets ? "may" : "may not", what)));
  }

  std::string descriptor_text(const Looked& at, uint32_t right, const std::string& what,
                              bool lets) const {
    const auto& descriptor = at.security->effective;
    const smb2::AccessToken token = smb2::token_of(*principal_.identity);
    if (descriptor.dacl) {
      size_t number = 0;
      for (const wire::Ace& ace : descriptor.dacl->aces) {
        ++number;
        if (!ace.is_effective() || !ace.has_sid() || !token.contains(ace.sid)) continue;
        if ((ace.mask & right) == 0) continue;
        const auto named = ids_->name_of(ace.sid);
        return fmt::format(
            "{} of {}: entry {}, for {}, decides: {} {}", "the permissions that were set over SMB",
            at.path.empty() ? "the share's folder" : at.path, number,
            named ? named->name : ace.sid.to_string(), lets ? "may" : "may not", what);
      }
    }
    return fmt::format("the permissions that were set over SMB of {}: {}: {} {}",
                       at.path.empty() ? "the share's folder" : at.path,
                       descriptor.dacl ? "no entry names the user or a group of it"
                                       : "there is no list, which lets everybody",
                       lets ? "may" : "may not", what);
  }

  void judge(const std::optional<Looked>& parent, const Looked& at) {
    const bool is_folder = at.security->attributes.is_directory();
    const std::string who = is_folder ? "folder" : "file";
    const bool is_marked =
        !is_folder && (at.security->attributes.dos_attributes & vfs::dos::kReadonly);
    if (arguments_.what == "read") {
      ask_both(who, at, Access::kFileReadData, kMayRead, is_folder ? "list it" : "read it");
      return;
    }
    if (is_marked) {
      say(who, false,
          fmt::format("{} has the read-only attribute; attrib -r takes it off", at.path));
      return;
    }
    if (arguments_.what == "write") {
      if (is_folder) {
        ask_both(who, at, Access::kFileAddFile, kMayWrite | kMayEnter, "make a file in it");
      } else {
        ask_both(who, at, Access::kFileWriteData, kMayWrite, "write to it");
      }
      return;
    }
    if (!parent) {
      say(who, false, "the share's folder is not to be deleted");
      return;
    }
    ask_to_delete(*parent, at);
  }

  // By the file itself or by its folder; and the kernel by the folder alone.
  void ask_to_delete(const Looked& parent, const Looked& at) {
    const smb2::AccessToken token = smb2::token_of(*principal_.identity);
    const bool by_file = smb2::granted_by(at.security->effective, token) & Access::kDelete;
    const bool by_folder =
        smb2::granted_by(parent.security->effective, token) & Access::kFileDeleteChild;
    if (!say("permissions", by_file || by_folder,
             by_file     ? fmt::format("{} may be deleted by its own permissions", at.path)
             : by_folder ? fmt::format("{} may be deleted by those of its folder", at.path)
                         : fmt::format("{} may be deleted neither by its own permissions nor by "
                                       "those of its folder",
                                       at.path))) {
      return;
    }
    const bool enters = (parent.kernel & (kMayWrite | kMayEnter)) == (kMayWrite | kMayEnter);
    if (!say("folder", enters,
             kernel_text(parent, enters ? "may take names out of it" : "may not write to it"))) {
      return;
    }
    const uid_t uid = principal_.credentials->uid;
    const bool is_sticky = parent.security->attributes.mode & 01000;
    if (is_sticky && uid != 0 && uid != parent.security->attributes.uid &&
        uid != at.security->attributes.uid) {
      say("folder", false,
          "its sticky bit (chmod +t) lets nobody but the owner delete a file, or the folder's");
    }
  }

  const config::Config& config_;
  const WhyArguments& arguments_;
  std::optional<auth::IdMapper> ids_;
  smb2::Principal principal_;
  const config::Share* share_ = nullptr;
  vfs::Path path_;
  std::vector<std::string> names_;
  std::vector<Step> steps_;
};

}  // namespace

int explain_access(const config::Config& config, const WhyArguments& arguments) {
  const auto steps = Walk(config, arguments).go();
  if (!steps) return complain(steps.error());
  const Step& last = steps->back();
  const std::string verdict = fmt::format(
      "{} {} {} {}", arguments.user, last.lets ? "may" : "may not", arguments.what, arguments.path);
  if (arguments.json) {
    auto list = nlohmann::ordered_json::array();
    for (const Step& step : *steps) {
      list.push_back({{"who", step.who}, {"lets", step.lets}, {"text", step.text}});
    }
    fmt::print("{}\n", json_text(nlohmann::ordered_json{{"allowed", last.lets},
                                                        {"decided_by", last.lets ? "" : last.who},
                                                        {"steps", list}}));
  } else {
    for (const Step& step : *steps) {
      fmt::print("{:<12} {:<4} {}\n", step.who, step.lets ? "ok" : "no", printable(step.text));
    }
    fmt::print("{}{}\n", printable(verdict),
               last.lets ? "" : fmt::format(": the {} refuses it", last.who));
  }
  return last.lets ? 0 : 1;
}

}  // namespace braid::braidctl
