#include "apps/braid-bench/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <string>

namespace braid::bench {
namespace {

constexpr uint64_t kBytesMax = uint64_t{1} << 40;
constexpr uint32_t kRequestMax = 8 << 20;
constexpr size_t kRoundsOfPairs = 5;
// Of the files of the office; more clients' requests at a time would meet in them.
constexpr size_t kOfficeInFlightMax = 10;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

uint64_t bytes_or_throw(const std::string& option, const std::string& text, uint64_t max) {
  const auto bytes = parse_bytes(text);
  if (!bytes || *bytes > max) {
    throw CLI::ValidationError(option, fmt::format("{} is no number of bytes up to {}; write 4096, "
                                                   "64K, 1M",
                                                   text, max));
  }
  return *bytes;
}

template <class Value, size_t kCount>
Value named_value(const std::array<Value, kCount>& values, std::string_view name) {
  return *std::ranges::find(values, name, [](Value value) { return name_of(value); });
}
template <class Value, size_t kCount>
std::vector<std::string> names_of(const std::array<Value, kCount>& values) {
  std::vector<std::string> names;
  for (const Value value : values) names.emplace_back(name_of(value));
  return names;
}

constexpr std::array kSigningAlgorithms = {wire::SigningAlgorithm::kAesGmac,
                                           wire::SigningAlgorithm::kAesCmac,
                                           wire::SigningAlgorithm::kHmacSha256};
constexpr std::array kCiphers = {wire::Cipher::kAes128Gcm, wire::Cipher::kAes128Ccm,
                                 wire::Cipher::kAes256Gcm, wire::Cipher::kAes256Ccm};

// What a load may be given beside what all have.
enum : unsigned { kSize = 1, kOffsets = 2, kPaths = 4, kFiles = 8, kConnect = 16 };
struct LoadCommand {
  LoadKind kind;
  const char* help;
  unsigned options;
};
constexpr LoadCommand kLoads[] = {
    {LoadKind::kEcho, "ECHO", 0},
    {LoadKind::kRead, "READ of each client's own file", kSize | kOffsets},
    {LoadKind::kWrite, "WRITE of each client's own file", kSize | kOffsets},
    {LoadKind::kOpen, "CREATE and CLOSE of a file that is there", kPaths | kFiles},
    {LoadKind::kSmallFiles, "Make a file, write it, close it, delete it", kSize},
    {LoadKind::kStat, "CREATE, QUERY_INFO and CLOSE in one message", kPaths | kFiles},
    {LoadKind::kList, "List a directory", kFiles},
    {LoadKind::kLock, "LOCK and unlocking of ranges that do not meet", 0},
    {LoadKind::kLeaseBreak, "CREATE that waits until another client gives up its lease", 0},
    {LoadKind::kLogon, "SESSION_SETUP and LOGOFF", kConnect},
    {LoadKind::kOffice, "What people do: attributes, reading, listing, saving, locks", 0},
};

// The parser, and what it fills.
class Parser {
 public:
  explicit Parser(const std::string& version) : app_("Measures an SMB server.", "braid-bench") {
    app_.set_version_flag("--version", "braid " + version);
    app_.footer(fmt::format("The password is taken from the variable {}.", kPasswordVariable));
    app_.require_subcommand(1);
    app_.fallthrough();
    add_target();
    for (const LoadCommand& each : kLoads) add_load(each);
    add_idle();
    add_limits();
    add_names();
    add_throughput();
    add_opens();
    add_handle_log();
    add_recovery();
  }

  std::expected<Arguments, int> parse(int argc, const char* const* argv, std::ostream& out,
                                      std::ostream& errors) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& end) {
      if (end.get_exit_code() == 0) return std::unexpected(app_.exit(end, out, errors));
      errors << "braid-bench: " << end.what() << "\n";
      return std::unexpected(kCannotDo);
    }
    arguments_.run.rounds = rounds_.value_or(arguments_.versus ? kRoundsOfPairs : 1);
    arguments_.run.warm_up = std::chrono::duration<double>(warm_up_);
    arguments_.run.measured = std::chrono::duration<double>(measured_);
    arguments_.idle.measured = arguments_.run.measured;
    arguments_.limits.measured = arguments_.run.measured;
    arguments_.idle.threads = arguments_.run.threads;
    if (const auto wrong = contradiction()) {
      errors << "braid-bench: " << *wrong << "\n";
      return std::unexpected(kCannotDo);
    }
    return arguments_;
  }

 private:
  std::optional<std::string> contradiction() const {
    const Target& target = arguments_.target;
    if (arguments_.command == Arguments::Command::kLoad &&
        arguments_.load.kind == LoadKind::kOffice &&
        arguments_.load.in_flight > kOfficeInFlightMax) {
      return fmt::format("office takes --in-flight up to {}", kOfficeInFlightMax);
    }
    if (arguments_.idle.busy > arguments_.idle.connections) {
      return "--busy is more than --connections";
    }
    if (arguments_.versus && !arguments_.run.perf_control.empty()) {
      return "--perf-control is for one server, without --versus";
    }
    if (target.signing_algorithm && target.protection != Protection::kSigned) {
      return "--signing is for --protection signed";
    }
    if (target.cipher && target.protection != Protection::kEncrypted) {
      return "--cipher is for --protection encrypted";
    }
    return std::nullopt;
  }

  void add_target() {
    Target& target = arguments_.target;
    server_ = app_.add_option("--server", target.server, "The server")->type_name("ADDRESS:PORT");
    app_.add_option("--share", target.share, "The share, which should be empty")
        ->capture_default_str();
    user_ = app_.add_option("--user", target.user, "The account");
    app_.add_option("--channel", target.channels,
                    "A further channel to the server; may be repeated")
        ->type_name("ADDRESS:PORT");
    CLI::Option* const protection = app_.add_option_function<std::string>(
                                            "--protection",
                                            [&target](const std::string& name) {
                                              target.protection =
                                                  name == "plain"    ? Protection::kPlain
                                                  : name == "signed" ? Protection::kSigned
                                                                     : Protection::kEncrypted;
                                            },
                                            "What is done with every message (signed)")
                                        ->check(CLI::IsMember({"plain", "signed", "encrypted"}));
    app_.add_flag_callback(
            "--encrypt", [&target] { target.protection = Protection::kEncrypted; },
            "The same as --protection encrypted")
        ->excludes(protection);
    app_.add_option_function<std::string>(
            "--signing",
            [&target](const std::string& name) {
              target.signing_algorithm = named_value(kSigningAlgorithms, name);
            },
            "The algorithm that signs (what the server likes best)")
        ->check(CLI::IsMember(names_of(kSigningAlgorithms)));
    app_.add_option_function<std::string>(
            "--cipher",
            [&target](const std::string& name) { target.cipher = named_value(kCiphers, name); },
            "The cipher that encrypts (what the server likes best)")
        ->check(CLI::IsMember(names_of(kCiphers)));
    app_.add_option(
            "--compression", target.compression,
            "An algorithm to offer for compression; may be repeated, in order of preference")
        ->check(CLI::IsMember({"lz4", "lz77", "lz77+huffman", "lznt1", "pattern_v1"}));
    app_.add_flag("!--unchained", target.chained, "Offer no chained compression");
    app_.add_option("--server-pid", target.server_pids,
                    "A process of the server, measured with those it started; may be repeated")
        ->check(CLI::Range(1, 4'194'304));
  }

  CLI::App* add_command(const std::string& name, const char* help, Arguments::Command command,
                        bool needs_server = true) {
    CLI::App* const added = app_.add_subcommand(name, help);
    added->callback([this, command] { arguments_.command = command; });
    if (needs_server) added->needs(server_)->needs(user_);
    return added;
  }

  // What loads and idle connections have in common.
  void add_run(CLI::App* command) {
    command->add_flag("--json", arguments_.prints_json, "Print JSON");
    command
        ->add_option_function<std::string>(
            "--versus",
            [this](const std::string& text) {
              arguments_.versus = parse_versus(text);
              if (!arguments_.versus) {
                throw CLI::ValidationError("--versus", text + " is no PORT:PID");
              }
            },
            "Another server at the same address, in turn with this one: ratios of its numbers")
        ->type_name("PORT:PID");
    command->add_option("--threads", arguments_.run.threads, "Threads of this program")
        ->capture_default_str()
        ->check(CLI::Range(1, 64));
    add_seconds(command);
  }
  void add_seconds(CLI::App* command) {
    command->add_option("--seconds", measured_, "How long each round is measured")
        ->capture_default_str()
        ->check(CLI::Range(0.01, 3600.0));
  }

  void add_load(const LoadCommand& load) {
    CLI::App* const command =
        add_command(std::string(name_of(load.kind)), load.help, Arguments::Command::kLoad);
    command->callback([this, kind = load.kind] {
      arguments_.command = Arguments::Command::kLoad;
      arguments_.load.kind = kind;
    });
    add_run(command);
    command->add_option("--clients", arguments_.run.clients, "Sessions, each on its own connection")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command
        ->add_option("--in-flight", arguments_.load.in_flight,
                     "Operations of each client at a time")
        ->capture_default_str()
        ->check(CLI::Range(1, 512));
    command->add_option("--warm-up", warm_up_, "Seconds before each round")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 3600.0));
    command->add_option("--rounds", rounds_, "How often each server is measured (1; of two 5)")
        ->check(CLI::Range(1, 1'000));
    command
        ->add_option("--perf-control", arguments_.run.perf_control,
                     "The FIFO of a perf record --control, which samples while is measured")
        ->type_name("FIFO");
    if ((load.options & kSize) != 0) {
      command
          ->add_option_function<std::string>(
              "--size",
              [this](const std::string& text) {
                arguments_.load.size =
                    static_cast<uint32_t>(bytes_or_throw("--size", text, kRequestMax));
              },
              "Bytes of each (64K)")
          ->type_name("BYTES");
    }
    if ((load.options & kOffsets) != 0) {
      command->add_flag("--random", arguments_.load.is_random, "At random offsets");
      command
          ->add_option_function<std::string>(
              "--file-size",
              [this](const std::string& text) {
                arguments_.load.file_bytes = bytes_or_throw("--file-size", text, kBytesMax);
              },
              "Bytes of each client's file (64M)")
          ->type_name("BYTES");
    }
    if ((load.options & kPaths) != 0) {
      command
          ->add_option_function<std::string>(
              "--paths",
              [this](const std::string& name) {
                arguments_.load.paths = name == "one"   ? Paths::kOne
                                        : name == "own" ? Paths::kOwn
                                                        : Paths::kMany;
              },
              "All on one file, each on its own, or any of many (one)")
          ->check(CLI::IsMember({"one", "own", "many"}));
    }
    if ((load.options & kFiles) != 0) {
      command->add_option("--files", arguments_.load.files, "Files in the directory")
          ->capture_default_str()
          ->check(CLI::Range(1, 10'000'000));
    }
    if ((load.options & kConnect) != 0) {
      command->add_flag("--connect", arguments_.load.connects, "On a connection of its own each");
    }
  }

  void add_idle() {
    CLI::App* const command = add_command("idle", "Connections that do nothing: the memory of each",
                                          Arguments::Command::kIdle);
    add_run(command);
    command->add_option("--connections", arguments_.idle.connections, "How many")
        ->capture_default_str()
        ->check(CLI::Range(1, 100'000));
    command->add_option("--opens", arguments_.idle.opens, "Files of its own that each keeps open")
        ->capture_default_str()
        ->check(CLI::Range(0, 1'000'000));
    command->add_option("--busy", arguments_.idle.busy, "How many of them work afterwards")
        ->capture_default_str()
        ->check(CLI::Range(0, 100'000));
  }

  void add_limits() {
    CLI::App* const command = add_command(
        "limits", "What sendfile and AES-128-GCM do alone on this machine, without a server",
        Arguments::Command::kLimits, false);
    LimitsOptions& limits = arguments_.limits;
    command->add_option("--folder", limits.folder, "On whose file system the file is that is sent")
        ->required()
        ->check(CLI::ExistingDirectory);
    command->add_option("--connections", limits.connections, "Over which it is sent")
        ->capture_default_str()
        ->check(CLI::Range(1, 64));
    add_seconds(command);
    command->add_flag("--json", arguments_.prints_json, "Print JSON");
  }

  void add_names() {
    CLI::App* const command =
        add_command("names", "Create and open files in one large directory and in small ones",
                    Arguments::Command::kNames);
    NamesOptions& names = arguments_.names;
    command->add_option("--files", names.files, "Files in all")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000));
    command->add_option("--small", names.small, "Files in a small directory")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000));
    command->add_option("--in-flight", names.in_flight, "Requests at a time")
        ->capture_default_str()
        ->check(CLI::Range(1, 512));
    command->add_option("--ratio-max", names.ratio_max,
                        "Exit with 1 if the large directory costs more than this times the "
                        "small ones");
  }

  void add_throughput() {
    CLI::App* const command = add_command("throughput", "Write and read one file sequentially",
                                          Arguments::Command::kThroughput);
    ThroughputOptions& throughput = arguments_.throughput;
    command->add_option("--mib", throughput.mebibytes, "The size of the file in MiB")
        ->capture_default_str()
        ->check(CLI::Range(1, 1'048'576));
    command->add_option("--request-size", throughput.request_size, "Bytes in one request")
        ->capture_default_str()
        ->check(CLI::Range(4'096u, kRequestMax));
    command->add_option("--in-flight", throughput.in_flight, "Requests at a time")
        ->capture_default_str()
        ->check(CLI::Range(1, 512));
    command->add_option("--data", throughput.data, "A file whose bytes are written")
        ->check(CLI::ExistingFile);
  }

  void add_opens() {
    CLI::App* const command =
        add_command("opens", "Open and close files, ordinary and with persistent handles",
                    Arguments::Command::kOpens);
    OpensOptions& opens = arguments_.opens;
    command
        ->add_option("--persistent-share", opens.persistent_share,
                     "Another share, with continuous_availability")
        ->required();
    command->add_option("--opens", opens.opens, "On each share, for each number in flight")
        ->capture_default_str()
        ->check(CLI::Range(64, 10'000'000));
    command->add_option("--ratio-min", opens.ratio_min,
                        "Exit with 1 if persistent opens, 64 at a time, have less than this "
                        "part of the rate of ordinary ones");
  }

  void add_handle_log() {
    CLI::App* const command =
        add_command("handle-log", "Put records into a handle log in a folder, without a server",
                    Arguments::Command::kHandleLog, false);
    HandleLogOptions& log = arguments_.handle_log;
    command->add_option("--folder", log.folder, "Where the log is made")
        ->required()
        ->check(CLI::ExistingDirectory);
    command->add_option("--appends", log.appends, "With 64 waiting at a time")
        ->capture_default_str()
        ->check(CLI::Range(64, 10'000'000));
    command->add_option("--records", log.records, "To recover, at least 1,000")
        ->capture_default_str()
        ->check(CLI::Range(1'000, 150'000));
    command->add_option("--recovery-max", log.recovery_max,
                        "Exit with 1 if recovery takes more seconds than this");
  }

  void add_recovery() {
    CLI::App* const command = add_command(
        "recovery", "Begin on a folder with a log of persistent opens, without a server",
        Arguments::Command::kRecovery, false);
    RecoveryOptions& recovery = arguments_.recovery;
    command->add_option("--folder", recovery.folder, "Where files and log are made, and stay")
        ->required()
        ->check(CLI::ExistingDirectory);
    command->add_option("--opens", recovery.opens, "As many files")
        ->capture_default_str()
        ->check(CLI::Range(1, 1'000'000));
    command->add_option("--recovery-max", recovery.recovery_max,
                        "Exit with 1 if recovery takes more seconds than this");
    command->add_option("--bytes-max", recovery.bytes_max,
                        "Exit with 1 if an open takes more bytes of memory than this");
  }

  Arguments arguments_;
  std::optional<size_t> rounds_;
  double warm_up_ = 1;
  double measured_ = 5;
  CLI::App app_;
  CLI::Option* server_ = nullptr;
  CLI::Option* user_ = nullptr;
};

std::string with_port(const std::string& address, uint16_t port) {
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

}  // namespace

std::optional<Versus> parse_versus(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<uint16_t>(text.substr(0, colon));
  const auto pid = parse_number<pid_t>(text.substr(colon + 1));
  if (!port || !pid || *port == 0 || *pid <= 0) return std::nullopt;
  return Versus{.port = *port, .pid = *pid};
}

std::optional<uint64_t> parse_bytes(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    const size_t unit = std::string_view("KMG").find(text.back());
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const auto number = parse_number<uint64_t>(text);
  if (!number || *number == 0 || *number > kBytesMax >> shift) return std::nullopt;
  return *number << shift;
}

std::vector<Target> Arguments::targets() const {
  std::vector<Target> all = {target};
  if (!versus) return all;
  Target& other = all.emplace_back(target);
  other.server = with_port(other.server, versus->port);
  for (std::string& channel : other.channels) channel = with_port(channel, versus->port);
  other.server_pids = {versus->pid};
  return all;
}

std::expected<Arguments, int> parse_arguments(int argc, const char* const* argv,
                                              const std::string& version, std::ostream& out,
                                              std::ostream& errors) {
  return Parser(version).parse(argc, argv, out, errors);
}

}  // namespace braid::bench
