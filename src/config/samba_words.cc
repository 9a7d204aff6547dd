#include "config/samba_words.h"

#include <algorithm>
#include <array>
#include <utility>

namespace braid::config {
namespace {

// Two names of one key.
constexpr std::pair<std::string_view, std::string_view> kSynonyms[] = {
    {"public", "guestok"},
    {"onlyguest", "guestonly"},
    {"writable", "writeable"},
    {"writeok", "writeable"},
    {"directory", "path"},
    {"browsable", "browseable"},
    {"createmode", "createmask"},
    {"directorymode", "directorymask"},
    {"allowhosts", "hostsallow"},
    {"denyhosts", "hostsdeny"},
    {"user", "username"},
    {"users", "username"},
    {"group", "forcegroup"},
    {"casesignames", "casesensitive"},
    {"smbencrypt", "serversmbencrypt"},
    {"minprotocol", "serverminprotocol"},
    {"maxprotocol", "servermaxprotocol"},
    {"protocol", "servermaxprotocol"},
    {"vfsobject", "vfsobjects"}};

// Here without being said, or of nothing that is here: no remark.
constexpr auto kNothingToSay = std::to_array<std::string_view>({"storedosattributes",
                                                                "mapaclinherit",
                                                                "inheritacls",
                                                                "inheritpermissions",
                                                                "easupport",
                                                                "ntaclsupport",
                                                                "aclallowexecutealways",
                                                                "mapaclinherit",
                                                                "maparchive",
                                                                "maphidden",
                                                                "mapsystem",
                                                                "mapreadonly",
                                                                "dosfilemode",
                                                                "dosfiletimes",
                                                                "oplocks",
                                                                "level2oplocks",
                                                                "smb2leases",
                                                                "durablehandles",
                                                                "strictlocking",
                                                                "strictallocate",
                                                                "usesendfile",
                                                                "aioreadsize",
                                                                "aiowritesize",
                                                                "logfile",
                                                                "maxlogsize",
                                                                "loglevel",
                                                                "logging",
                                                                "syslog",
                                                                "syslogonly",
                                                                "debugpid",
                                                                "paniccommand",
                                                                "pidfile",
                                                                "lockdirectory",
                                                                "statedirectory",
                                                                "cachedirectory",
                                                                "privatedir",
                                                                "piddirectory",
                                                                "ncalrpcdir",
                                                                "bindinterfacesonly",
                                                                "workgroup",
                                                                "serverstring",
                                                                "security",
                                                                "serverrole",
                                                                "passdbbackend",
                                                                "obeypamrestrictions",
                                                                "unixpasswordsync",
                                                                "passwdprogram",
                                                                "passwdchat",
                                                                "pampasswordchange",
                                                                "maptoguest",
                                                                "guestaccount",
                                                                "usershareallowguests",
                                                                "usersharemaxshares",
                                                                "usersharepath",
                                                                "loadprinters",
                                                                "printcapname",
                                                                "printing",
                                                                "cupsoptions",
                                                                "disablespoolss",
                                                                "dnsproxy",
                                                                "winssupport",
                                                                "winsserver",
                                                                "localmaster",
                                                                "preferredmaster",
                                                                "domainmaster",
                                                                "oslevel",
                                                                "domainlogons",
                                                                "timeserver",
                                                                "disablenetbios",
                                                                "nameresolveorder",
                                                                "socketoptions",
                                                                "deadtime",
                                                                "keepalive",
                                                                "maxxmit",
                                                                "unixcharset",
                                                                "doscharset",
                                                                "displaycharset",
                                                                "readraw",
                                                                "writeraw",
                                                                "getwdcache",
                                                                "encryptpasswords",
                                                                "encryptpasswords",
                                                                "preservecase",
                                                                "shortpreservecase",
                                                                "defaultcase",
                                                                "available",
                                                                "createmask",
                                                                "clientminprotocol",
                                                                "clientmaxprotocol",
                                                                "clientsigning",
                                                                "clientusespnego",
                                                                "smb3unixextensions",
                                                                "unixextensions",
                                                                "serviceworkgroup",
                                                                "multicastdnsregister",
                                                                "allowinsecurewidelinks",
                                                                "enablecorefiles",
                                                                "smbports",
                                                                "idmapconfig*:backend",
                                                                "idmapconfig*:range",
                                                                "locking",
                                                                "serverservices",
                                                                "rpcstartondemandhelpers",
                                                                "hostmsdfs",
                                                                "changenotify",
                                                                "kernelchangenotify",
                                                                "servermultichannelsupport",
                                                                "strictsync",
                                                                "veto"});

struct Nearest {
  std::string_view key;
  std::string_view why;
};
// No counterpart, with what to do.
constexpr Nearest kNearest[] = {
    {"adminusers", "nobody acts as root over the network; the folder's permissions, or force_user"},
    {"username", "who logs on says who it is; allow"},
    {"forcecreatemode", "a default access list of the folder does that: setfacl -d"},
    {"forcedirectorymode", "a default access list of the folder does that: setfacl -d"},
    {"forcesecuritymode", "what clients set in permissions is theirs to set"},
    {"securitymask", "what clients set in permissions is theirs to set"},
    {"inheritowner", "whoever makes a file owns it; force_user"},
    {"widelinks", "nothing outside of a share is reached; a bind mount, or another share"},
    {"preexec", "the server runs no programs; a unit of systemd"},
    {"rootpreexec", "the server runs no programs; a unit of systemd"},
    {"postexec", "the server runs no programs"},
    {"rootpostexec", "the server runs no programs"},
    {"magicscript", "the server runs no programs"},
    {"dfreecommand", "the server runs no programs; quotas of the file system"},
    {"addusercommand", "the server runs no programs; braidctl user add --create"},
    {"adduserscript", "the server runs no programs; braidctl user add --create"},
    {"usernamemap", "braidctl user add NAME --unix-user USER gives an account another Unix user"},
    {"casesensitive",
     "names are the same in upper and lower case, as for Windows; posix for Linux"},
    {"vetooplockfiles", "local_access says who else works on the files"},
    {"deletevetofiles", "a folder that holds one cannot be deleted"},
    {"deletereadonly", "files that are read-only are not deleted, as with Windows"},
    {"hideunwriteablefiles", "hide_unreadable = true leaves out what cannot be read"},
    {"hidespecialfiles", "hidden_names shows names as hidden"},
    {"volume", "the name of the share"},
    {"fstype", "it is NTFS to clients"},
    {"msdfsroot", "there is no DFS; a share for each target"},
    {"msdfsproxy", "there is no DFS; a share for each target"},
    {"clustering", "cluster in [server], and file_system of each share: cluster.md"},
    {"smb3sharecap:scaleout", "scale_out = true"},
    {"fruit:metadata", "tags are the stream AFP_AfpInfo, as with stream"},
    {"realm", "keytab in [server], with a principal cifs/HOST of that realm"},
    {"kerberosmethod", "keytab in [server]"},
    {"netbiosaliases", "the server answers by whatever name a client calls it"},
    {"winbindusedefaultdomain",
     "users of a domain come by Kerberos; keytab, and sssd for the names"},
    {"templatehomedir", "path = \"/home/%U\""},
    {"ntlmauth", "NTLMv2 and Kerberos are what there is"},
    {"lanmanauth", "NTLMv2 and Kerberos are what there is"},
    {"maxsmbdprocesses", "max_connections of each share"},
    {"restrictanonymous", "nobody without an account gets in, but where guest = true"},
    {"logonscript", "there is no domain controller"},
    {"logonpath", "there is no domain controller"}};

}  // namespace

std::string_view samba_key(std::string_view key) {
  for (const auto& [other, name] : kSynonyms) {
    if (key == other) return name;
  }
  return key;
}

bool needs_no_word(std::string_view key) {
  return std::ranges::find(kNothingToSay, key) != std::end(kNothingToSay);
}

std::optional<std::string_view> nearest_to_samba(std::string_view key) {
  const auto near = std::ranges::find(kNearest, key, &Nearest::key);
  return near == std::end(kNearest) ? std::nullopt : std::optional(near->why);
}

}  // namespace braid::config
