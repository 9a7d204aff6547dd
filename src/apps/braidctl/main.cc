// braidctl: the administrator's program.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/braidctl/announce.h"
#include "apps/braidctl/cluster.h"
#include "apps/braidctl/completion.h"
#include "apps/braidctl/import_samba.h"
#include "apps/braidctl/interfaces.h"
#include "apps/braidctl/node.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/rdma_check.h"
#include "apps/braidctl/running.h"
#include "apps/braidctl/shares.h"
#include "apps/braidctl/status.h"
#include "apps/braidctl/users.h"
#include "apps/braidctl/web.h"
#include "apps/braidctl/why.h"
#include "apps/braidctl/witness.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/salvage.h"

namespace braid::braidctl {
namespace {

struct CommandLine {
  std::string config_file = config::kUsualFile;
  UserArguments user;
  InterfacesArguments interfaces;
  RunningArguments running;
  WitnessArguments witness;
  RdmaArguments rdma;
  ShareArguments share;
  WhyArguments why;
  ImportArguments import;
  WebArguments web;
  ClusterArguments cluster;
  NodeArguments node;
  std::string completion;  // for which shell, or what names
  bool json = false;
  int json_form = 0;  // that is asked for
};

// Of what --json prints: docs/json.md.
constexpr int kJsonForm = 1;

// Whether a command can do with what is left of a configuration with mistakes in it.
enum class Needs : uint8_t { kWholeConfig, kStateDir };

template <class Arguments>
using CommandOn = int (*)(const config::Config&, const Arguments&);

int complain_all(const config::Problems& problems) {
  for (const auto& problem : problems) complain(problem.text());
  return kCannotDo;
}

// Users can be managed while a share's disk is away, so paths are not looked at. What a running
// server is asked does not wait for the file to be mended.
template <class Arguments>
int run_command(const CommandLine& line, Arguments arguments, CommandOn<Arguments> command,
                Needs needs) {
  const auto text = config::read_file(line.config_file);
  if (!text) return complain(text.error().text());
  auto config = config::parse(*text, line.config_file);
  if (!config) {
    complain_all(config.error());
    if (needs == Needs::kWholeConfig) return kCannotDo;
    config = config::salvage(*text, line.config_file);
    complain(
        fmt::format("this goes on with state_dir = {}; a reload and a restart do not, before "
                    "the file is mended",
                    (*config)->server.state_dir));
  }
  arguments.json = line.json;
  return command(**config, arguments);
}

int interfaces_of(const config::Config& config, const InterfacesArguments& arguments) {
  return show_interfaces(config.server, arguments);
}

int check_config(const CommandLine& line) {
  const auto config = config::load(line.config_file);
  if (!config) return complain_all(config.error());
  const std::vector<std::string> absent = config::absent_shares(**config);
  const std::vector<std::string> without_effect = config::without_effect(**config);
  const std::vector<std::string> unfit = unfit_for_cluster(**config);
  if (line.json) {
    const nlohmann::ordered_json result{{"ok", true},
                                        {"shares", (*config)->shares.size()},
                                        {"absent", absent},
                                        {"without_effect", without_effect},
                                        {"unfit", unfit}};
    fmt::print("{}\n", json_text(result));
  } else {
    const size_t shares = (*config)->shares.size();
    fmt::print("{}: {} share{}, no mistakes\n", line.config_file, shares, shares == 1 ? "" : "s");
    for (const std::string& each : absent) fmt::print("{}\n", each);
    for (const std::string& each : without_effect) fmt::print("{}\n", each);
    for (const std::string& each : unfit) fmt::print("{}\n", each);
  }
  return 0;
}

// A row for each command below `group`, and its own.
void add_rows(const CLI::App& group, const std::string& command, std::vector<CompletionRow>& rows) {
  CompletionRow row{.command = command, .words = {}, .names = {}};
  for (const CLI::App* each : group.get_subcommands([](const CLI::App*) { return true; })) {
    row.words.push_back(each->get_name());
  }
  for (const CLI::Option* option : group.get_options()) {
    if (!option->nonpositional()) {
      const std::string name = option->get_name(true);
      if (command.starts_with(" user ") && name == "NAME") row.names = "users";
      if (name == "SHARE") row.names = "shares";
    }
    for (const std::string& name : option->get_lnames()) row.words.push_back("--" + name);
  }
  rows.push_back(std::move(row));
  for (const CLI::App* each : group.get_subcommands([](const CLI::App*) { return true; })) {
    add_rows(*each, command + " " + each->get_name(), rows);
  }
}

int complete(const CLI::App& app, const CommandLine& line) {
  if (line.completion == "bash" || line.completion == "zsh") {
    std::vector<CompletionRow> rows;
    add_rows(app, "", rows);
    fmt::print("{}", line.completion == "bash" ? bash_completion(rows) : zsh_completion(rows));
    return 0;
  }
  const auto text = config::read_file(line.config_file);
  if (!text) return complain(text.error().text());
  const auto config = config::salvage(*text, line.config_file);
  if (line.completion == "users") return complete_users(*config);
  if (line.completion != "shares") {
    return complain(fmt::format("{} is no shell that is known; give bash or zsh", line.completion));
  }
  for (const config::Share& share : config->shares) print_for_shell(share.name);
  return 0;
}

// Nothing in the configuration keeps a running server from being asked how it is.
int status_of(const CommandLine& line) {
  const auto text = config::read_file(line.config_file);
  if (!text) return complain(text.error().text());
  const auto good = config::parse(*text, line.config_file);
  RunningArguments arguments = line.running;
  arguments.json = line.json;
  return good ? show_status(**good, arguments, true)
              : show_status(*config::salvage(*text, line.config_file), arguments, false);
}

int reload_config(const CommandLine& line) {
  const auto config = config::load(line.config_file);
  if (!config) return complain_all(config.error());
  return reload(**config, {.session = "", .json = line.json});
}

// In one line. The library misses a command before it looks at the words that are none.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  std::string help = "braidctl";
  const CLI::App* group = &app;
  while (!group->get_subcommands().empty()) {
    group = group->get_subcommands().front();
    help += " " + group->get_name();
  }
  help += " --help";
  const std::vector<std::string> words = app.remaining(true);
  const auto word =
      std::ranges::find_if(words, [](const std::string& each) { return !each.starts_with('-'); });
  if (error.get_name() == "RequiredError" && !group->get_subcommands({}).empty()) {
    if (word == words.end()) return fmt::format("no command; {} shows them", help);
    std::vector<std::string> commands;
    for (const CLI::App* each : group->get_subcommands({})) commands.push_back(each->get_name());
    const std::vector<std::string_view> known(commands.begin(), commands.end());
    const auto guess = config::nearest(*word, known);
    return fmt::format("there is no command {}; {}{} shows them", *word,
                       guess ? fmt::format("did you mean {}? ", *guess) : "", help);
  }
  return fmt::format("{}; {} shows what it takes", error.what(), help);
}

int run(int argc, char** argv) {
  CommandLine line;
  int exit_code = 0;
  CLI::App app("Manages a braid server.", "braidctl");
  app.set_version_flag("--version", "braid " BRAID_VERSION);
  app.add_option("-c,--config", line.config_file, "The configuration of the server")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--json{1}", line.json_form, "Print JSON; =1: refuse unless it has that form")
      ->check(CLI::Validator(
          [](std::string& form) {
            return form == std::to_string(kJsonForm)
                       ? std::string()
                       : fmt::format("JSON is printed in form {} only", kJsonForm);
          },
          ""))
      ->each([&line](const std::string&) { line.json = true; });
  app.require_subcommand(1);
  app.fallthrough();

  CLI::App* const user = app.add_subcommand("user", "The accounts clients log on with");
  user->require_subcommand(1);
  user->fallthrough();
  const auto user_command = [&](const char* name, const char* help,
                                CommandOn<UserArguments> command, Needs needs = Needs::kStateDir) {
    CLI::App* const added = user->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command, needs] {
      exit_code = run_command(line, line.user, command, needs);
    });
    return added;
  };
  const auto takes_name = [&](CLI::App* command) {
    command->add_option("NAME", line.user.name, "The account")->required();
    return command;
  };
  CLI::App* const add =
      takes_name(user_command("add",
                              "Make an account; the password is asked for or read from a "
                              "pipe",
                              add_user, Needs::kWholeConfig));
  add->add_option("--unix-user", line.user.unix_user,
                  "The Unix user it acts as; by default the one of the same name")
      ->type_name("USER");
  add->add_flag("--create", line.user.create,
                "Make the Unix user, without a home and a shell, if there is none");
  add->add_option("--group", line.user.groups, "A Unix group that it is to be in; may be repeated")
      ->type_name("GROUP")
      ->expected(1)
      ->take_all()
      ->needs("--create");
  add->add_flag("--admin", line.user.admin,
                "May see all sessions and open files, set all quotas, and give files away");
  user_command("list", "Show the accounts", list_users);
  takes_name(user_command("remove", "Remove an account", remove_user));
  takes_name(user_command("password", "Change a password", change_password));
  takes_name(user_command("disable", "Refuse an account without removing it", disable_user));
  takes_name(user_command("enable", "Accept a disabled account again", enable_user));
  CLI::App* const kick = user->add_subcommand("kick", "End all sessions of an account");
  kick->fallthrough();
  kick->add_option("NAME", line.running.user, "The account")->required();
  kick->callback([&] { exit_code = run_command(line, line.running, kick_user, Needs::kStateDir); });

  CLI::App* const share = app.add_subcommand("share", "The shares of the configuration");
  share->require_subcommand(1);
  share->fallthrough();
  const auto share_command = [&](const char* name, const char* help,
                                 int (*command)(const ShareArguments&)) {
    CLI::App* const added = share->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command] {
      line.share.config_file = line.config_file;
      line.share.json = line.json;
      exit_code = command(line.share);
    });
    return added;
  };
  CLI::App* const add_to_config = share_command(
      "add", "Write a share into the configuration, and have the server read it", add_share);
  add_to_config->add_option("NAME", line.share.name, "The share")->required();
  add_to_config->add_option("PATH", line.share.path, "Its folder")->required();
  add_to_config
      ->add_option("--allow", line.share.allow,
                   "Who may use it: an account, or @ and a Unix group; with :ro, only read. May be "
                   "repeated; without it, whoever can log on")
      ->type_name("WHO")
      ->expected(1)
      ->take_all();
  add_to_config->add_flag("--read-only", line.share.read_only, "Refuse every change");
  add_to_config->add_flag("--encrypt", line.share.encrypt, "Serve it with encryption only");
  add_to_config->add_option("--comment", line.share.comment, "What clients show beside it")
      ->type_name("TEXT");
  add_to_config->add_option("--set", line.share.keys, "Another key of [[share]]; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
  add_to_config->add_flag("--create", line.share.create,
                          "Make the folder, for the first group of --allow, if it is not there");
  share_command("remove", "Take a share out of the configuration; its folder stays", remove_share)
      ->add_option("SHARE", line.share.name, "The share")
      ->required();
  CLI::App* const disconnect =
      share->add_subcommand("disconnect", "End what is connected to it; clients may connect again");
  disconnect->fallthrough();
  disconnect->add_option("SHARE", line.running.share, "The share")->required();
  disconnect->add_option("--user", line.running.user, "Only of this account")->type_name("USER");
  disconnect->callback(
      [&] { exit_code = run_command(line, line.running, disconnect_share, Needs::kStateDir); });

  CLI::App* const why =
      app.add_subcommand("why", "Walk from an account to a file, and say who lets it in or not");
  why->fallthrough();
  why->add_option("USER", line.why.user, "The account")->required();
  why->add_option("PATH", line.why.path, "SHARE, or SHARE/PATH below it")->required();
  why->add_option("WHAT", line.why.what, "read, write or delete")
      ->check(CLI::IsMember({"read", "write", "delete"}))
      ->capture_default_str();
  why->add_option("--from", line.why.from, "The client's address, for hosts")->type_name("ADDRESS");
  why->callback(
      [&] { exit_code = run_command(line, line.why, explain_access, Needs::kWholeConfig); });

  CLI::App* const import = app.add_subcommand(
      "import-samba", "Make a configuration of an smb.conf, and take over its accounts and SIDs");
  import->fallthrough();
  import->add_option("SMB_CONF", line.import.smb_conf, "What Samba is configured by")
      ->capture_default_str();
  import
      ->add_option("--write", line.import.write,
                   "Write the configuration there, and accounts and SIDs into the state folder; "
                   "without it, the configuration is printed and nothing is changed")
      ->type_name("FILE");
  import
      ->add_option("--state-dir", line.import.state_dir,
                   "The state folder of the server that is to be")
      ->type_name("FOLDER")
      ->capture_default_str();
  import->add_flag("--without-accounts", line.import.without_accounts,
                   "Leave the accounts and SIDs alone");
  import->callback([&] {
    line.import.json = line.json;
    exit_code = import_samba(line.import);
  });

  CLI::App* const interfaces = app.add_subcommand(
      "interfaces", "The addresses of this machine, and which of them clients are told of");
  interfaces->fallthrough();
  interfaces
      ->add_option("--client", line.interfaces.client,
                   "The client's address; without it, what holds for every client")
      ->type_name("ADDRESS");
  interfaces
      ->add_option("--connected-to", line.interfaces.connected_to,
                   "The address of this machine that the client uses")
      ->type_name("ADDRESS");
  interfaces->callback(
      [&] { exit_code = run_command(line, line.interfaces, interfaces_of, Needs::kWholeConfig); });

  CLI::App* const config = app.add_subcommand("config", "The configuration");
  config->require_subcommand(1);
  config->fallthrough();
  CLI::App* const check = config->add_subcommand("check", "Say what is wrong with it");
  check->fallthrough();
  check->callback([&] { exit_code = check_config(line); });
  CLI::App* const keys = config->add_subcommand("keys", "List its keys");
  keys->fallthrough();
  keys->callback(
      [&] { fmt::print("{}", line.json ? config::keys_as_json() : config::describe_keys()); });

  CLI::App* const completion =
      app.add_subcommand("completion", "Print what completes these commands in a shell");
  completion->fallthrough();
  completion->add_option("SHELL", line.completion, "bash or zsh")->required();
  completion->callback([&] { exit_code = complete(app, line); });

  const auto running_command = [&](CLI::App* group, const char* name, const char* help,
                                   CommandOn<RunningArguments> command,
                                   Needs needs = Needs::kStateDir) {
    CLI::App* const added = group->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command, needs] {
      exit_code = run_command(line, line.running, command, needs);
    });
    return added;
  };
  const auto takes_session = [&](CLI::App* command) {
    command->add_option("SESSION", line.running.session, "Its id, as braidctl sessions shows it")
        ->required();
    return command;
  };
  running_command(&app, "shares", "Show the shares, and whether their folders are there",
                  show_shares);
  CLI::App* const status = app.add_subcommand("status", "Say whether all is well, and what is not");
  status->fallthrough();
  status->callback([&] { exit_code = status_of(line); });
  const auto takes_selection = [&](CLI::App* command) {
    command->add_option("--user", line.running.user, "Only those of this account")
        ->type_name("USER");
    command->add_option("--share", line.running.share, "Only those of this share")
        ->type_name("SHARE");
    command->add_option("--sort", line.running.sort, "Sort by a key that --json shows")
        ->type_name("KEY");
  };
  takes_selection(running_command(&app, "sessions", "Show who is connected, over which channels",
                                  show_sessions));
  takes_selection(running_command(&app, "opens", "Show the open files", show_opens));
  takes_selection(
      running_command(&app, "locks", "Show the byte-range locks, held and waited for", show_locks));
  takes_selection(
      running_command(&app, "leases", "Show what clients may cache under a lease", show_leases));
  running_command(&app, "events", "Show what happened lately: the last lines of the workers' log",
                  show_events);
  running_command(&app, "metrics", "Print numbers for monitoring, as Prometheus reads them",
                  show_metrics);
  CLI::App* const announcing = app.add_subcommand(
      "announce",
      "Tell the network of the server, so that Windows, Macs and Linux show it, until it is ended");
  announcing->fallthrough();
  announcing->callback(
      [&] { exit_code = run_command(line, AnnounceArguments{}, announce, Needs::kWholeConfig); });
  CLI::App* const web = app.add_subcommand(
      "web", "Serve the metrics and a page that shows what happens, over HTTP, until it is ended");
  web->fallthrough();
  web->add_option("--listen", line.web.listen, "Its address and port")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  web->add_option("--token-file", line.web.token_file,
                  "Whoever looks has to know what is in it, and may end sessions and opens")
      ->type_name("FILE");
  web->callback([&] { exit_code = run_command(line, line.web, serve_web, Needs::kStateDir); });
  CLI::App* const reload_command = app.add_subcommand(
      "reload", "Have the server read its configuration again, if nothing is wrong with it");
  reload_command->fallthrough();
  reload_command->callback([&] { exit_code = reload_config(line); });
  running_command(&app, "upgrade",
                  "Have the installed program and the configuration take over from those that "
                  "run; clients keep their files",
                  upgrade, Needs::kWholeConfig);
  running_command(&app, "restart", "The same, for a changed configuration that waits for a restart",
                  upgrade, Needs::kWholeConfig);
  CLI::App* const session = app.add_subcommand("session", "One session of a running server");
  session->require_subcommand(1);
  session->fallthrough();
  takes_session(
      running_command(session, "close", "End it; its client may log on again", close_session));
  CLI::App* const open = app.add_subcommand("open", "One open file of a running server");
  open->require_subcommand(1);
  open->fallthrough();
  running_command(open, "close", "Close it; its client is not asked", close_open)
      ->add_option("OPEN", line.running.open, "Its id, as braidctl opens shows it")
      ->required();
  CLI::App* const channel = app.add_subcommand("channel", "One connection of a session");
  channel->require_subcommand(1);
  channel->fallthrough();
  takes_session(running_command(channel, "close",
                                "End it; the session goes on over its other channels",
                                close_channel))
      ->add_option("CHANNEL", line.running.channel, "Its number, as braidctl sessions shows it")
      ->required();

  CLI::App* const rdma = app.add_subcommand("rdma", "SMB Direct, over network cards with RDMA");
  rdma->require_subcommand(1);
  rdma->fallthrough();
  CLI::App* const rdma_check =
      rdma->add_subcommand("check", "Walk from the card to a client, and say what is missing");
  rdma_check->fallthrough();
  rdma_check->callback([&line, &exit_code] {
    exit_code = run_command(line, line.rdma, check_rdma, Needs::kWholeConfig);
  });

  CLI::App* const witness = app.add_subcommand(
      "witness", "The clients that are told when they are to use another address");
  witness->require_subcommand(1);
  witness->fallthrough();
  const auto witness_command = [&](CLI::App* group, const char* name, const char* help,
                                   CommandOn<WitnessArguments> command) {
    CLI::App* const added = group->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command] {
      exit_code = run_command(line, line.witness, command, Needs::kStateDir);
    });
    return added;
  };
  const auto takes_destination = [&](CLI::App* command) {
    command->add_option("ADDRESS", line.witness.address, "Where to go: an address in numbers")
        ->required();
    command->add_flag("--elsewhere", line.witness.elsewhere,
                      "It may be an address of another machine");
  };
  witness_command(witness, "list", "Show them", list_registrations);
  CLI::App* const move =
      witness_command(witness, "move", "Tell a client to use another address", move_clients);
  move->add_option("CLIENT", line.witness.client, "Its name, as braidctl witness list shows it")
      ->required();
  takes_destination(move);
  CLI::App* const share_move =
      witness_command(witness, "share-move",
                      "Tell all clients of a share to use another address for it", move_share);
  share_move->add_option("SHARE", line.witness.share, "The name of the share")->required();
  takes_destination(share_move);
  witness_command(witness, "end", "End a client's connection; it may register again",
                  end_connection)
      ->add_option("CONNECTION", line.witness.connection,
                   "Its number, as braidctl witness list shows it")
      ->required();
  CLI::App* const cluster =
      app.add_subcommand("cluster", "The cluster that this machine is a node of");
  cluster->require_subcommand(1);
  cluster->fallthrough();
  const auto cluster_command = [&](const char* name, const char* help,
                                   CommandOn<ClusterArguments> command) {
    CLI::App* const added = cluster->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command] {
      exit_code = run_command(line, line.cluster, command, Needs::kStateDir);
    });
    return added;
  };
  cluster_command("status", "Show its nodes, who serves, and who has which address", show_cluster);
  cluster_command("ready", "Succeed if this node serves; for CTDB's script", is_cluster_ready);
  CLI::App* const node =
      app.add_subcommand("node", "This machine as a node of a cluster, for maintenance");
  node->require_subcommand(1);
  node->fallthrough();
  const auto node_command = [&](const char* name, const char* help,
                                CommandOn<NodeArguments> command) {
    CLI::App* const added = node->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command] {
      exit_code = run_command(line, line.node, command, Needs::kStateDir);
    });
    return added;
  };
  CLI::App* const node_drain = node_command(
      "drain", "Have its clients go to other nodes, and wait until it is empty", drain_node);
  node_drain->add_option("--wait", line.node.wait_s, "How many seconds that may take")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  node_drain->add_flag("--end", line.node.end, "End what is left then");
  node_command("undrain", "Let it have addresses again", undrain_node);
  CLI::App* const address = app.add_subcommand("address", "One address of this machine");
  address->require_subcommand(1);
  address->fallthrough();
  CLI::App* const drain = witness_command(
      address, "drain", "Tell its clients to use another, wait for that, and end what is left",
      drain_address);
  drain->add_option("ADDRESS", line.witness.address, "The address that is to be free")->required();
  drain->add_option("--wait", line.witness.wait_s, "How many seconds they may take")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return complain(explain(app, error));
  }
  return exit_code;
}

}  // namespace
}  // namespace braid::braidctl

int main(int argc, char** argv) { return braid::braidctl::run(argc, argv); }
