// What [global] says of the server.
#include "config/samba_translation.h"

#include <algorithm>

#include "config/config.h"
#include "config/toml_text.h"
#include "wire/fold.h"

namespace braid::config {

void SambaTranslation::server() {
  if (!global_) return;
  const auto line = [&](const char* key) {
    said_global_.insert(key);
    return find_canonical(*global_, key);
  };
  if (const auto* name = line("netbiosname")) server_["name"] = quoted(name->value);
  if (const auto* keytab = line("dedicatedkeytabfile")) {
    std::string path = keytab->value;
    if (path.starts_with("FILE:")) path.erase(0, 5);
    if (path.starts_with('/')) server_["keytab"] = quoted(path);
  }
  constexpr std::pair<std::string_view, std::string_view> kDialects[] = {
      {"SMB2_02", "2.0.2"}, {"SMB2_10", "2.1"},   {"SMB2", "2.1"},  {"SMB3_00", "3.0"},
      {"SMB3_02", "3.0.2"}, {"SMB3_11", "3.1.1"}, {"SMB3", "3.1.1"}};
  for (const auto& [from, to] : {std::pair{"serverminprotocol", "min_dialect"},
                                 std::pair{"servermaxprotocol", "max_dialect"}}) {
    const auto* protocol = line(from);
    if (!protocol || wire::equal_fold(protocol->value, "default")) continue;
    const auto known = std::ranges::find_if(
        kDialects, [&](const auto& each) { return wire::equal_fold(each.first, protocol->value); });
    if (known == std::end(kDialects)) {
      remark(*protocol, "there is no SMB 1; the oldest is SMB2_02");
      continue;
    }
    const bool is_lowest = std::string_view(from) == "serverminprotocol";
    // Without a version the first of them is the lowest.
    const std::string_view dialect = !is_lowest                                  ? known->second
                                     : wire::equal_fold(protocol->value, "SMB2") ? "2.0.2"
                                     : wire::equal_fold(protocol->value, "SMB3") ? "3.0"
                                                                                 : known->second;
    server_[to] = quoted(dialect);
  }
  if (const auto* encrypt = line("serversmbencrypt")) {
    const bool required = wire::equal_fold(encrypt->value, "required") ||
                          wire::equal_fold(encrypt->value, "mandatory");
    if (required) server_["encryption"] = quoted("required");
    if (wire::equal_fold(encrypt->value, "desired")) server_["encryption"] = quoted("desired");
  }
  if (const auto* interfaces = line("interfaces")) {
    remark(*interfaces,
           "listen is where connections are taken, interfaces what clients are told of; both are "
           "every address without being said");
  }
  if (const auto* signing = line("serversigning"); signing &&
                                                   !wire::equal_fold(signing->value, "mandatory") &&
                                                   !wire::equal_fold(signing->value, "required")) {
    remark(*signing,
           "signing is required here where nothing is said; signing = \"enabled\" for "
           "clients that cannot");
  }
  for (const char* of_shares : {"path",
                                "comment",
                                "readonly",
                                "writeable",
                                "validusers",
                                "readlist",
                                "writelist",
                                "invalidusers",
                                "hostsallow",
                                "hostsdeny",
                                "guestok",
                                "guestonly",
                                "hidedotfiles",
                                "hidefiles",
                                "vetofiles",
                                "hideunreadable",
                                "accessbasedshareenum",
                                "followsymlinks",
                                "vfsobjects",
                                "forceuser",
                                "forcegroup",
                                "createmask",
                                "directorymask",
                                "browseable",
                                "maxconnections",
                                "kerneloplocks",
                                "posixlocking",
                                "available"}) {
    said_global_.insert(of_shares);
  }
  tell_rest(*global_, said_global_);
}

}  // namespace braid::config
