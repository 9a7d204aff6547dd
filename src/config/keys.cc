#include "config/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <numeric>
#include <utility>

#include "base/ip_address.h"
#include "config/toml_text.h"

namespace braid::config {
namespace {

// Each helper makes the Store of one kind of value from the member it goes to.

template <auto Member, class Section, size_t kUnitsMax>
bool text(Section& section, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given || given->size() > kUnitsMax) return false;
  if (std::ranges::any_of(*given, [](unsigned char c) { return c < 0x20; })) return false;
  section.*Member = *given;
  return true;
}

template <auto Member, class Section>
bool path(Section& section, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given || !given->starts_with('/') || given->contains('\0')) return false;
  section.*Member = *given;
  return true;
}

// Relative, and never leading upwards.
template <auto Member, class Section>
bool folder_below(Section& section, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given || given->size() > 1024 ||
      given->find_first_of(std::string_view("\0\\", 2)) != given->npos)
    return false;
  for (size_t start = 0; !given->empty() && start <= given->size();) {
    const size_t end = std::min(given->find('/', start), given->size());
    const std::string_view name = std::string_view(*given).substr(start, end - start);
    if (name.empty() || name == "." || name == ".." || name.size() > 255) return false;
    start = end + 1;
  }
  section.*Member = *given;
  return true;
}

template <auto Member, class Section>
bool flag(Section& section, const Value& value) {
  const auto* given = std::get_if<bool>(&value);
  if (given) section.*Member = *given;
  return given;
}

template <auto Member, class Section, int64_t kMin, int64_t kMax>
bool number(Section& section, const Value& value) {
  const auto* given = std::get_if<int64_t>(&value);
  if (!given || *given < kMin || *given > kMax) return false;
  section.*Member = static_cast<uint32_t>(*given);
  return true;
}

template <class Enum>
struct Choice {
  std::string_view name;
  Enum value;
};

template <auto Member, auto& kChoices, class Section>
bool choice(Section& section, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given) return false;
  for (const auto& each : kChoices) {
    if (each.name != *given) continue;
    section.*Member = each.value;
    return true;
  }
  return false;
}

template <auto Member>
constexpr AtRestart<Server> kAtRestart{
    [](const Server& a, const Server& b) { return a.*Member == b.*Member; },
    [](Server& into, const Server& started) { into.*Member = started.*Member; }};

constexpr Choice<Dialect> kDialects[] = {{"2.0.2", Dialect::k2_0_2},
                                         {"2.1", Dialect::k2_1},
                                         {"3.0", Dialect::k3_0},
                                         {"3.0.2", Dialect::k3_0_2},
                                         {"3.1.1", Dialect::k3_1_1}};
constexpr Choice<Signing> kSignings[] = {{"enabled", Signing::kEnabled},
                                         {"required", Signing::kRequired}};
constexpr Choice<Encryption> kEncryptions[] = {{"off", Encryption::kOff},
                                               {"desired", Encryption::kDesired},
                                               {"required", Encryption::kRequired}};
constexpr Choice<Compat> kCompats[] = {{"spec", Compat::kSpec}, {"windows", Compat::kWindows}};
constexpr Choice<BreakRetry> kBreakRetries[] = {{"spec", BreakRetry::kSpec},
                                                {"windows", BreakRetry::kWindows}};
constexpr Choice<Compression> kCompressions[] = {{"lz4", Compression::kLz4},
                                                 {"lz77", Compression::kLz77},
                                                 {"lz77+huffman", Compression::kLz77Huffman},
                                                 {"lznt1", Compression::kLznt1},
                                                 {"pattern_v1", Compression::kPatternV1}};
constexpr Choice<Compress> kCompresses[] = {
    {"off", Compress::kOff}, {"asked", Compress::kAsked}, {"always", Compress::kAlways}};
constexpr Choice<LocalAccess> kLocalAccesses[] = {{"none", LocalAccess::kNone},
                                                  {"notify", LocalAccess::kNotify},
                                                  {"strict", LocalAccess::kStrict}};
constexpr Choice<FollowSymlinks> kFollows[] = {{"never", FollowSymlinks::kNever},
                                               {"inside", FollowSymlinks::kInside}};
constexpr Choice<NameNormalization> kNormalizations[] = {{"exact", NameNormalization::kExact},
                                                         {"any", NameNormalization::kAny}};
constexpr Choice<AuditKind> kAuditWords[] = {
    {"connect", AuditKind::kConnect},   {"open", AuditKind::kOpen},
    {"create", AuditKind::kCreate},     {"write", AuditKind::kWrite},
    {"rename", AuditKind::kRename},     {"delete", AuditKind::kDelete},
    {"security", AuditKind::kSecurity}, {"denied", AuditKind::kDenied}};
static_assert(std::size(kAuditWords) == kAuditKinds);
constexpr Choice<LogLevel> kLogLevels[] = {{"debug", LogLevel::kDebug},
                                           {"info", LogLevel::kInfo},
                                           {"warning", LogLevel::kWarning},
                                           {"error", LogLevel::kError}};

using config::as_toml;
template <class Enum, size_t kSize>
std::string as_toml(Enum value, const Choice<Enum> (&choices)[kSize]) {
  return quoted(std::ranges::find(choices, value, &Choice<Enum>::value)->name);
}
std::string as_toml(Dialect value) { return as_toml(value, kDialects); }
std::string as_toml(Signing value) { return as_toml(value, kSignings); }
std::string as_toml(Encryption value) { return as_toml(value, kEncryptions); }
std::string as_toml(Compat value) { return as_toml(value, kCompats); }
std::string as_toml(BreakRetry value) { return as_toml(value, kBreakRetries); }
std::string as_toml(Compress value) { return as_toml(value, kCompresses); }
std::string as_toml(FollowSymlinks value) { return as_toml(value, kFollows); }
std::string as_toml(LocalAccess value) { return as_toml(value, kLocalAccesses); }
std::string as_toml(NameNormalization value) { return as_toml(value, kNormalizations); }
std::string as_toml(LogLevel value) { return as_toml(value, kLogLevels); }

template <auto Member, class Section = Server>
std::string shown(const Section& section) {
  return as_toml(section.*Member);
}

std::string compressions_shown(const Server& server) {
  std::string out;
  for (const Compression each : server.compression) {
    out += (out.empty() ? "" : ", ") + as_toml(each, kCompressions);
  }
  return "[" + out + "]";
}

// Each once at most.
bool compressions(Server& server, const Value& value) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return false;
  std::vector<Compression> list;
  for (const std::string& each : *given) {
    const auto* known = std::ranges::find(kCompressions, each, &Choice<Compression>::name);
    if (known == std::end(kCompressions)) return false;
    if (std::ranges::find(list, known->value) != list.end()) return false;
    list.push_back(known->value);
  }
  server.compression = std::move(list);
  return true;
}

bool listen(Server& server, const Value& value) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given || given->empty()) return false;
  std::vector<Endpoint> endpoints;
  for (const std::string& each : *given) {
    const auto endpoint = parse_endpoint(each);
    if (!endpoint) return false;
    endpoints.push_back(*endpoint);
  }
  server.listen = std::move(endpoints);
  return true;
}

// A list whose entries `kParse` reads, each of them good.
template <auto Member, auto kParse, class Section>
bool rules(Section& section, const Value& value) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return false;
  std::remove_reference_t<decltype(section.*Member)> list;
  for (const std::string& each : *given) {
    const auto rule = kParse(each);
    if (!rule) return false;
    list.push_back(*rule);
  }
  section.*Member = std::move(list);
  return true;
}

// Too little would refuse the first large request.
bool memory_limit(Server& server, const Value& value) {
  const auto* given = std::get_if<int64_t>(&value);
  if (!given || (*given != 0 && *given < 64) || *given > 16'777'216) return false;
  server.memory_limit_mib = static_cast<uint32_t>(*given);
  return true;
}

bool interfaces(Server& server, const Value& value) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return false;
  std::vector<InterfaceRule> rules;
  for (const std::string& each : *given) {
    auto rule = parse_interface_rule(each);
    if (!rule) return false;
    rules.push_back(std::move(*rule));
  }
  server.interfaces = std::move(rules);
  return true;
}

// Patterns of names in one folder, so that none of them says more than it seems to.
template <auto Member, class Section>
bool name_patterns(Section& section, const Value& value) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given || given->size() > 256) return false;
  for (const std::string& each : *given) {
    if (each.empty() || each.size() > 255) return false;
    for (const unsigned char c : each) {
      if (c < 0x20 || std::string_view("\"/\\:|<>").contains(static_cast<char>(c))) return false;
    }
  }
  section.*Member = *given;
  return true;
}

// As chmod(1) takes them: three octal digits, with zeros before them.
template <auto Member>
bool permissions(Share& share, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given || given->size() < 3 || given->size() > 4) return false;
  uint32_t bits = 0;
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), bits, 8);
  if (error != std::errc{} || end != given->data() + given->size() || bits > 0777) return false;
  share.*Member = bits;
  return true;
}

// [MS-SMB2] 2.2.9 "SMB2 TREE_CONNECT Request" carries \\server\share; 80 units and these excluded
// characters are the rules of [MS-FSCC] 2.1.6 "Share Name".
bool share_name(Share& share, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given || given->empty() || given->size() > 80) return false;
  for (const unsigned char c : *given) {
    if (c < 0x20 || std::string_view("\"/\\[]:|<>+=;,*?").contains(static_cast<char>(c))) {
      return false;
    }
  }
  share.name = *given;
  return true;
}

// "journal", or a file.
bool audit_target(Server& server, const Value& value) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given) return false;
  const bool is_file = given->starts_with('/') && !given->ends_with('/') && !given->contains('\0');
  if (!given->empty() && *given != "journal" && !is_file) return false;
  server.audit = *given;
  return true;
}

// Whether, or how many GiB.
bool time_machine(Share& share, const Value& value) {
  if (const auto* given = std::get_if<bool>(&value)) {
    share.time_machine_gib = *given ? std::optional<uint32_t>(0) : std::nullopt;
    return true;
  }
  const auto* given = std::get_if<int64_t>(&value);
  if (!given || *given < 1 || *given > 1'048'576) return false;
  share.time_machine_gib = static_cast<uint32_t>(*given);
  return true;
}

std::string time_machine_shown(const Share& share) {
  if (!share.time_machine_gib) return as_toml(false);
  return *share.time_machine_gib == 0 ? as_toml(true) : as_toml(*share.time_machine_gib);
}

bool audit_kinds(Share& share, const Value& value) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return false;
  AuditKinds kinds{.bits = 0};
  for (const std::string& each : *given) {
    const auto* known = std::ranges::find(kAuditWords, each, &Choice<AuditKind>::name);
    if (known == std::end(kAuditWords)) return false;
    kinds.add(known->value);
  }
  share.audit = kinds;
  return true;
}

std::string audit_kinds_shown(const Share& share) {
  std::string out;
  for (const auto& each : kAuditWords) {
    if (share.audit.has(each.value)) out += (out.empty() ? "" : ", ") + quoted(each.name);
  }
  return "[" + out + "]";
}

constexpr std::string_view kDialectNames = R"(one of "2.0.2", "2.1", "3.0", "3.0.2", "3.1.1")";

constexpr auto kServerKeys = std::to_array<Key<Server>>({
    {"listen", R"(a list of addresses and ports, such as ["192.0.2.1:445", "[::1]:445"])",
     shown<&Server::listen>,
     "Where to accept connections. Addresses are numbers, not names. One that the machine does not "
     "have yet is listened to all the same, so that it may come later.",
     listen, PathRule::kNone, kAtRestart<&Server::listen>},
    {"state_dir", "an absolute path", shown<&Server::state_dir>,
     "The folder that holds the users and what must survive a restart. It is made, readable by its "
     "owner only, when it is missing; the folder above it must be there. Without root it must not "
     "lie "
     "in the folder of a share.",
     path<&Server::state_dir, Server>, PathRule::kNone, kAtRestart<&Server::state_dir>},
    {"name", "a name of up to 63 bytes", shown<&Server::name>,
     "The name clients see. Empty means the machine's host name up to its first dot.",
     text<&Server::name, Server, 63>, PathRule::kNone, kAtRestart<&Server::name>},
    {"min_dialect", kDialectNames, shown<&Server::min_dialect>,
     "The oldest dialect that is spoken. Below 3.0 there is no encryption, and signing is weaker.",
     choice<&Server::min_dialect, kDialects, Server>},
    {"max_dialect", kDialectNames, shown<&Server::max_dialect>,
     "The newest dialect that is spoken. Below 3.0 min_dialect has to be lowered too.",
     choice<&Server::max_dialect, kDialects, Server>},
    {"signing", R"("required" or "enabled")", shown<&Server::signing>,
     "Whether every message must be signed, or only those of clients that ask for it.",
     choice<&Server::signing, kSignings, Server>},
    {"encryption", R"("off", "desired" or "required")", shown<&Server::encryption>,
     "When messages are encrypted. off: when a client or a share asks for it; desired: with every "
     "client that can; required: always, and clients that cannot are turned away.",
     choice<&Server::encryption, kEncryptions, Server>},
    {"compression",
     R"(a list of "lz4", "lz77", "lz77+huffman", "lznt1" and "pattern_v1", each once)",
     compressions_shown,
     "Which algorithms compressed messages may come with, and the order in which they are chosen "
     "for answers: lz4, lz77, lz77+huffman, lznt1, and pattern_v1 for runs of one byte. Clients of "
     "3.1.1 that can, agree to it when they connect; which answers are compressed a share says. [] "
     "means no compression.",
     compressions},
    {"workers", "a whole number from 1 to 64", shown<&Server::workers>,
     "How many worker processes serve clients. All connections of a client meet in one; a crash "
     "of it cuts off its clients only.",
     number<&Server::workers, Server, 1, 64>, PathRule::kNone, kAtRestart<&Server::workers>},
    {"cluster", "an absolute path", shown<&Server::cluster>,
     "The socket of this machine's ctdbd, mostly /run/ctdb/ctdbd.socket: the server is a node of "
     "that cluster, and serves the same folders as the others together with them. What holds "
     "between nodes so far, and what does not, docs/cluster.md says. Needs "
     "workers = 1 and file_system of each share. Empty means that no other machine serves them.",
     path<&Server::cluster, Server>, PathRule::kNone, kAtRestart<&Server::cluster>},
    {"threads", "a whole number from 0 to 256", shown<&Server::threads>,
     "How many threads of a worker serve connections. 0 means one for each processor. Each brings "
     "eight more for what waits for disks, up to 128 of those.",
     number<&Server::threads, Server, 0, 256>, PathRule::kNone, kAtRestart<&Server::threads>},
    {"memory_limit", "a whole number from 64 to 16777216, or 0", shown<&Server::memory_limit_mib>,
     "How many MiB clients may make all workers together hold: requests, answers that are not "
     "read, and what open files need. Each worker has an equal part of it, which is to be 64 at "
     "least, and one user, or one address, gets up to a quarter of that part. 0 means half of the "
     "memory that the machine or the control group has, and 64 for each worker at least.",
     memory_limit},
    {"keytab", "an absolute path", shown<&Server::keytab>,
     "The Kerberos keytab with the server's cifs/NAME key. Empty means no Kerberos. While its disk "
     "does not answer, Kerberos logons fail and everything else goes on.",
     path<&Server::keytab, Server>, PathRule::kReadableFile, kAtRestart<&Server::keytab>},
    {"min_uid", "a whole number from 1 to 4294967294", shown<&Server::min_uid>,
     "The lowest uid of a Unix user that an account or a Kerberos principal may act as. Below it "
     "are the system's own users; root is never one. Without root everything acts as the server's "
     "own user, whatever its uid.",
     number<&Server::min_uid, Server, 1, 4'294'967'294>, PathRule::kNone,
     kAtRestart<&Server::min_uid>},
    {"interfaces", R"(a list such as ["eth0;speed=10G;rss", "10.0.2.2;movable", "bond*"])",
     shown<&Server::interfaces>,
     "Which addresses clients are told of, so that they open further channels to them: interfaces, "
     "beginnings of their names with a *, or addresses. The first entry that matches an address "
     "decides, and one that none matches is not offered. After a semicolon: speed, rss or no-rss "
     "in place of what the driver says, and movable for an address that may go to another machine, "
     "which only clients connected to it hear of. Empty means all, as the system shows them.",
     interfaces, PathRule::kNone, kAtRestart<&Server::interfaces>},
    {"break_retry", R"("spec" or "windows")", shown<&Server::break_retry>,
     "What becomes of an oplock or lease break whose channel does not acknowledge it. spec: it "
     "goes to the next channel; windows: lease breaks do, oplock breaks are sent once, on the "
     "channel that was bound last.",
     choice<&Server::break_retry, kBreakRetries, Server>, PathRule::kNone,
     kAtRestart<&Server::break_retry>},
    {"witness", "true or false", shown<&Server::witness>,
     "Whether clients that ask for it are told when an address of this machine goes away or that "
     "they are to use another one (braidctl witness, braidctl address drain). They reach that over "
     "two more ports.",
     flag<&Server::witness, Server>, PathRule::kNone, kAtRestart<&Server::witness>},
    {"witness_port", "a whole number from 0 to 65535", shown<&Server::witness_port>,
     "The TCP port where clients are told, on the addresses of listen. 0 lets the system choose.",
     number<&Server::witness_port, Server, 0, 65'535>, PathRule::kNone,
     kAtRestart<&Server::witness_port>},
    {"epm_port", "a whole number from 0 to 65535", shown<&Server::epm_port>,
     "The TCP port of the endpoint mapper, where clients ask for witness_port. They look for it on "
     "135 only.",
     number<&Server::epm_port, Server, 0, 65'535>, PathRule::kNone, kAtRestart<&Server::epm_port>},
    {"rdma", "true or false", shown<&Server::rdma>,
     "Whether clients may come over network cards with RDMA (SMB Direct), on the addresses of "
     "listen. A process of its own has the cards. braidctl rdma check says what is missing.",
     flag<&Server::rdma, Server>, PathRule::kNone, kAtRestart<&Server::rdma>},
    {"rdma_port", "a whole number from 0 to 65535", shown<&Server::rdma_port>,
     "The RDMA port, which is none of TCP's. Clients look for it on 445 only. 0 lets the system "
     "choose.",
     number<&Server::rdma_port, Server, 0, 65'535>, PathRule::kNone,
     kAtRestart<&Server::rdma_port>},
    {"rdma_memory", "a whole number from 32 to 65536, a multiple of 8",
     shown<&Server::rdma_memory_mib>,
     "MiB of memory of each worker that the cards with RDMA reach, and that stay in memory as soon "
     "as a client comes over one. What clients receive and write over them stands there.",
     number<&Server::rdma_memory_mib, Server, 32, 65'536>, PathRule::kNone,
     kAtRestart<&Server::rdma_memory_mib>},
    {"hosts", R"(a list such as ["192.0.2.0/24", "2001:db8::/32", "127.0.0.1"])",
     shown<&Server::hosts>,
     "The addresses, in numbers, and the networks from which clients may connect at all; a "
     "connection from elsewhere is closed, after a reload one that is there, too. Empty means from "
     "everywhere.",
     rules<&Server::hosts, parse_host_rule, Server>},
    {"discovery", "true or false", shown<&Server::discovery>,
     "Whether the network is told of the server, so that Windows, Macs and Linux show it: braidctl "
     "announce, which starts with the server, does so on the addresses of listen with port 445, "
     "and reads a changed configuration by itself.",
     flag<&Server::discovery, Server>},
    {"audit", R"("journal", or the absolute path of a file)", shown<&Server::audit>,
     "Where a line goes for each logon, and for what users do in shares: a JSON object "
     "(docs/operate.md, Who did what). The file is made (mode 0600), appended to, and opened anew "
     "by a reload, "
     "for logrotate; its folder has to be there, and no share. Requests never wait for it: lines "
     "that a full or slow disk does not take are lost in the end, and counted. Empty means there "
     "is no audit.",
     audit_target, PathRule::kNone, kAtRestart<&Server::audit>},
    {"log_level", R"("debug", "info", "warning" or "error")", shown<&Server::log_level>,
     "The least important lines that are logged.", choice<&Server::log_level, kLogLevels, Server>},
});

constexpr auto kShareKeys = std::to_array<Key<Share>>({
    {"name", R"(up to 80 bytes without any of " / \ [ ] : | < > + = ; , * ?)", nullptr,
     "The name of the share. Upper and lower case are the same.", share_name},
    {"path", "an absolute path", nullptr,
     "The folder that is served. %U in it stands for the name of the account, as in /home/%U: each "
     "user then has the own folder there, without a link on the way to it, and who has none, or no "
     "account, is refused.",
     path<&Share::path, Share>, PathRule::kDirectoryOrNothing},
    {"comment", "a text of up to 255 bytes", shown<&Share::comment, Share>,
     "The remark that clients show beside the share.", text<&Share::comment, Share, 255>},
    {"read_only", "true or false", shown<&Share::read_only, Share>,
     "Whether every change is refused. A reload that switches it on ends what is connected to the "
     "share; clients connect again.",
     flag<&Share::read_only, Share>},
    {"allow", R"(a list such as ["@staff", "alice:ro", "@DOM\\guests:ro"])",
     shown<&Share::allow, Share>,
     "Who may use the share: users, which are accounts or the Unix users they act as, and with an "
     "@ "
     "Unix groups. With :ro behind it they may only read. An entry that names the user decides "
     "before those of groups, and of several groups the one that gives most. What the files allow "
     "counts besides. Who is not named is refused; after a reload also who is connected. Empty "
     "means whoever can log on.",
     rules<&Share::allow, parse_allow_rule, Share>},
    {"guest", "true or false", shown<&Share::guest, Share>,
     "Whether who has no account may use the share, without a password. Guests act as the Unix "
     "user "
     "nobody, or as force_user; where allow has entries, one of them has to be guest or guest:ro. "
     "They have no key, so nothing they send or get is signed or encrypted: it needs signing = "
     "\"enabled\", and clients that insist on signing, as Windows does, refuse to come as guests.",
     flag<&Share::guest, Share>},
    {"hosts", R"(a list such as ["192.0.2.0/24", "2001:db8::/32", "127.0.0.1"])",
     shown<&Share::hosts, Share>,
     "The addresses, in numbers, and the networks from which this share may be used, over each "
     "connection of a client for itself. A reload that changes them ends what is connected to the "
     "share; clients connect again. Empty means from everywhere.",
     rules<&Share::hosts, parse_host_rule, Share>},
    {"max_connections", "a whole number from 0 to 4294967295",
     shown<&Share::max_connections, Share>,
     "How many times clients may be connected to the share at once; who comes then is refused. 0 "
     "means there is no limit. Others need workers = 1.",
     number<&Share::max_connections, Share, 0, 4'294'967'295>},
    {"audit",
     R"(a list of "connect", "open", "create", "write", "rename", "delete", "security", "denied")",
     audit_kinds_shown,
     "What of this share goes into the audit of [server]: who connects, each file that is opened, "
     "or made or emptied, written to (once for each open), renamed, deleted, whose permissions are "
     "changed, and all that is refused.",
     audit_kinds},
    {"file_system", "a whole number from 0 to 4294967295", shown<&Share::file_system, Share>,
     "In a cluster: what stands for the file system of the folder on all nodes, whatever device it "
     "is there. Each file system gets a number of its own, the same in the configuration of every "
     "node. 0 means none.",
     number<&Share::file_system, Share, 0, 4'294'967'295>},
    {"browseable", "true or false", shown<&Share::browseable, Share>,
     "Whether the share is in the list of those there are. It is reached by its name all the same.",
     flag<&Share::browseable, Share>},
    {"encrypt", "true or false", shown<&Share::encrypt, Share>,
     "Whether this share is reached with encryption only, whatever [server] encryption says. A "
     "reload that switches it on ends what is connected to the share; clients connect again.",
     flag<&Share::encrypt, Share>},
    {"change_notify", "true or false", shown<&Share::change_notify, Share>,
     "Whether clients may ask to be told of changes in folders. Without it they look again "
     "themselves.",
     flag<&Share::change_notify, Share>},
    {"posix", "true or false", shown<&Share::posix, Share>,
     "Whether Linux clients that mount with the option posix get names, modes and deletions as "
     "Unix has them (the SMB3 POSIX extensions of 3.1.1). Without it they mount without the "
     "option.",
     flag<&Share::posix, Share>},
    {"snapshots", R"(a folder below path, such as ".snapshots")", shown<&Share::snapshots, Share>,
     "Where the previous versions of the share are: folders, such as snapshots of btrfs, whose "
     "names hold @GMT-YYYY.MM.DD-HH.MM.SS, the time in UTC. Clients can look at them and copy out "
     "of them. Empty means there are none.",
     folder_below<&Share::snapshots, Share>},
    {"time_machine", "true, false, or a whole number of GiB from 1 to 1048576", time_machine_shown,
     "Whether Macs offer the share as a disk for Time Machine. With a number it is no larger for "
     "whoever asks, and what the backups in it hold is used of that; nothing keeps them from "
     "holding more. Needs discovery, browseable and streams.",
     time_machine},
    {"hide_unreadable", "true or false", shown<&Share::hide_unreadable, Share>,
     "Whether listings leave out what the user may not read.",
     flag<&Share::hide_unreadable, Share>},
    {"hidden_names", R"(a list of names with * and ?, such as [".*", "lost+found"])",
     shown<&Share::hidden_names, Share>,
     "Which files and folders are shown as hidden, besides those that a client made so: Explorer "
     "then leaves them out, and some programs do not copy them. Upper and lower case are the same.",
     name_patterns<&Share::hidden_names, Share>},
    {"veto_files", R"(a list of names with * and ?, such as ["*.exe", "Thumbs.db"])",
     shown<&Share::veto_files, Share>,
     "Files and folders that are not there for clients: they are in no listing, are not opened, "
     "and "
     "nothing is made or renamed so. Upper and lower case are the same. A folder that holds one is "
     "not empty and cannot be deleted. Local programs see them, and who watches a folder may hear "
     "of their names.",
     name_patterns<&Share::veto_files, Share>},
    {"name_normalization", R"("exact" or "any")", shown<&Share::name_normalization, Share>,
     "Whether a name is another one if a letter with an accent in it is written with two "
     "characters in place of one. exact: it is, as on Windows. any: a file is found by either, "
     "which Macs need where names have two, as they only ever ask for one; of two files that "
     "differ "
     "in nothing else each is found by its own. Names stay as they are on the disk.",
     choice<&Share::name_normalization, kNormalizations, Share>},
    {"follow_symlinks", R"("never" or "inside")", shown<&Share::follow_symlinks, Share>,
     "What becomes of symbolic links. never: they are shown as links, and clients that follow them "
     "do so themselves. inside: those that stay inside the share are, for clients without the SMB3 "
     "POSIX extensions, the files and folders that they lead to; what is changed or deleted "
     "through "
     "a link is what it leads to. A link that leads out of the share is followed by neither.",
     choice<&Share::follow_symlinks, kFollows, Share>},
    {"create_mask", R"(permissions such as "0660")", shown<&Share::create_mask, Share>,
     "What owner, group and others may do with new files, at most; the owner can always read and "
     "write. A folder with a default access list (setfacl -d) decides by that instead, and one "
     "that passes on entries of its Windows permissions by those. Empty means 0664 in folders "
     "with the set-group-ID bit (chmod g+s), whose group new files get, and 0644 elsewhere.",
     permissions<&Share::create_mask>},
    {"directory_mask", R"(permissions such as "0770")", shown<&Share::directory_mask, Share>,
     "The same for new folders; the owner can always do everything. Empty means 0775 in folders "
     "with the set-group-ID bit and 0755 elsewhere.",
     permissions<&Share::directory_mask>},
    {"force_group", "the name of a Unix group", shown<&Share::force_group, Share>,
     "Whoever uses this share acts with this as the primary group, a member or not: it is the "
     "group of what they make, except in folders with the set-group-ID bit, and what it may do, "
     "they may. It takes a server that is root. Empty means each user has the own groups.",
     text<&Share::force_group, Share, 255>},
    {"force_user", "the name of a Unix user, not root", shown<&Share::force_user, Share>,
     "Whoever uses this share does so as this user: what it may do, they may, and theirs is what "
     "it makes. Who they are counts for allow and in the log only. It takes a server that is root. "
     "Empty means each account acts as its own Unix user.",
     text<&Share::force_user, Share, 255>},
    {"recycle", "a whole number from 0 to 3650", shown<&Share::recycle_days, Share>,
     "For how many days files that clients delete are kept, in .recycle/USER in the share, where "
     "USER finds them in the folders they were in, and nobody else. Not kept are empty and "
     "temporary "
     "files, what has another name left, is on another file system than the share, or is "
     "overwritten "
     "or replaced by a rename, and what does not fit in. Clients can neither make nor move the "
     "folder .recycle. 0 means nothing is kept.",
     number<&Share::recycle_days, Share, 0, 3'650>},
    {"streams", "true or false", shown<&Share::streams, Share>,
     "Whether files have named streams, where Windows keeps from where a file was downloaded, and "
     "Macs their tags and icons; without them Macs keep these in files whose names begin with ._ "
     "beside the file.",
     flag<&Share::streams, Share>},
    {"continuous_availability", "true or false", shown<&Share::continuous_availability, Share>,
     "Whether clients that ask for it get their open files back, with their locks and caches, "
     "after "
     "the server has ended and was started again. What is written is on the disk before it is "
     "answered, and so is every open. Serve the folder by one such share and by nothing else.",
     flag<&Share::continuous_availability, Share>},
    {"scale_out", "true or false", shown<&Share::scale_out, Share>,
     "Whether clients are told that the share is a scale-out one, and may cache what they have "
     "read "
     "of its files and nothing else. So nobody has to wait until another client has given "
     "something up, and a file that is closed is closed on the server too; writing many small "
     "files, or opening the same ones again and again, is slower. For clients with SMB 3.",
     flag<&Share::scale_out, Share>},
    {"compress", R"("off", "asked" or "always")", shown<&Share::compress, Share>,
     "Which files and long listings go out compressed, to clients that can, if that makes them "
     "smaller. off: none; asked: those that a client asks it of, or asked for in a compressed "
     "message; always: all, and clients are told to compress what they write. Worth it over "
     "networks that are slower than the processor.",
     choice<&Share::compress, kCompresses, Share>},
    {"local_access", R"("none", "notify" or "strict")", shown<&Share::local_access, Share>,
     "Who works on the files besides the clients of this share. none: nobody, and what local "
     "programs change is not told to clients. notify: local programs and NFS: what they "
     "change is told to clients that watch the folder, and ends what clients cache of the file, "
     "some milliseconds later; nobody waits. strict: the same, and clients cache only what the "
     "kernel keeps from others (fcntl(2), "
     "F_SETLEASE): whoever opens a file that a client caches waits until it is written back. "
     "Folders and named streams are not cached then, nor is a file with two opens of which one "
     "writes. Needs workers = 1, and a file system of this machine.",
     choice<&Share::local_access, kLocalAccesses, Share>},
    {"local_locks", "true or false", shown<&Share::local_locks, Share>,
     "Whether byte-range locks of clients are locks of the kernel as well (fcntl(2), "
     "F_OFD_SETLK), so that local programs and NFS meet them, and clients those of local programs. "
     "They are advisory there, as all locks of Unix. With local_access = \"strict\" it is so in "
     "any "
     "case. Needs workers = 1, and a file system of this machine.",
     flag<&Share::local_locks, Share>},
    {"compat", R"("spec" or "windows")", shown<&Share::compat, Share>,
     "What to do where Windows differs from its specification, seen when requests are sent again "
     "on "
     "another connection. spec loses nothing; windows answers what programs tested with Windows "
     "servers only may expect. In a cluster, windows lets clients cache what they read and nothing "
     "else.",
     choice<&Share::compat, kCompats, Share>},
});

// Levenshtein's distance, in one row.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

template <class Section>
void describe(std::string& out, std::string_view heading, std::span<const Key<Section>> keys) {
  out += heading;
  out += '\n';
  for (const auto& key : keys) {
    out += fmt::format("  {}: {}\n    {}\n", key.name, key.accepts, key.doc);
    if (const std::string value = key.default_text(); value.empty()) {
      out += "    Must be given.\n";
    } else {
      out += fmt::format("    Default: {}\n", value);
    }
    if (key.at_restart) out += "    A change waits for a restart.\n";
  }
}

template <class Section>
void add_json(std::string& out, std::string_view section, std::span<const Key<Section>> keys) {
  for (const auto& key : keys) {
    out += fmt::format(
        "{}  {{\"section\": {}, \"key\": {}, \"accepts\": {}, \"default\": {}, "
        "\"doc\": {}, \"restart\": {}}}",
        out.empty() ? "" : ",\n", quoted(section), quoted(key.name), quoted(key.accepts),
        quoted(key.default_text()), quoted(key.doc), key.at_restart ? "true" : "false");
  }
}

}  // namespace

std::span<const Key<Server>> server_keys() { return kServerKeys; }
std::span<const Key<Share>> share_keys() { return kShareKeys; }

std::string describe_keys() {
  std::string out;
  describe(out, "[server]", server_keys());
  describe(out, "[[share]], once for each share", share_keys());
  return out;
}

std::string keys_as_json() {
  std::string rows;
  add_json(rows, "server", server_keys());
  add_json(rows, "share", share_keys());
  return "[\n" + rows + "\n]\n";
}

std::optional<std::string_view> nearest(std::string_view name,
                                        std::span<const std::string_view> known) {
  std::optional<std::string_view> best;
  // More than half of it wrong is another word, not a slip.
  size_t best_edits = std::max<size_t>(2, name.size() / 2) + 1;
  for (const std::string_view each : known) {
    const size_t count = edits(name, each);
    if (count >= best_edits) continue;
    best = each;
    best_edits = count;
  }
  return best;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view address = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  Endpoint endpoint;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), endpoint.port);
  if (error != std::errc{} || end != port_text.data() + port_text.size()) return std::nullopt;

  const bool is_v6 = address.starts_with('[') && address.ends_with(']');
  if (is_v6) address = address.substr(1, address.size() - 2);
  if (is_v6 != address.contains(':') || address.contains('%')) return std::nullopt;
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return std::nullopt;
  // As others spell it who ask whether two are the same.
  endpoint.address = parsed->to_string();
  return endpoint;
}

}  // namespace braid::config
