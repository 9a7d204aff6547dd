// braidctl: the administrator's program.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/braidctl/interfaces.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/users.h"
#include "config/config.h"
#include "config/keys.h"

namespace braid::braidctl {
namespace {

struct CommandLine {
  std::string config_file = "/etc/braid/braid.toml";
  UserArguments user;
  InterfacesArguments interfaces;
};

using UserCommand = int (*)(const config::Config&, const UserArguments&);

int complain_all(const config::Problems& problems) {
  for (const auto& problem : problems) complain(problem.text());
  return kCannotDo;
}

// Users can be managed while a share's disk is away, so paths are not looked at.
int run_user_command(const CommandLine& line, UserCommand command) {
  const auto text = config::read_file(line.config_file);
  if (!text) return complain(text.error().text());
  const auto config = config::parse(*text, line.config_file);
  if (!config) return complain_all(config.error());
  return command(**config, line.user);
}

int run_interfaces(const CommandLine& line) {
  const auto text = config::read_file(line.config_file);
  if (!text) return complain(text.error().text());
  const auto config = config::parse(*text, line.config_file);
  if (!config) return complain_all(config.error());
  InterfacesArguments arguments = line.interfaces;
  arguments.json = line.user.json;
  return show_interfaces((*config)->server, arguments);
}

int check_config(const CommandLine& line) {
  const auto config = config::load(line.config_file);
  if (!config) return complain_all(config.error());
  if (line.user.json) {
    fmt::print("{{\"ok\": true, \"shares\": {}}}\n", (*config)->shares.size());
  } else {
    fmt::print("{}: {} shares, no problems\n", line.config_file, (*config)->shares.size());
  }
  return 0;
}

int run(int argc, char** argv) {
  CommandLine line;
  int exit_code = 0;
  CLI::App app("Manages a braid server.", "braidctl");
  app.set_version_flag("--version", "braid " BRAID_VERSION);
  app.add_option("-c,--config", line.config_file, "The configuration of the server")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--json", line.user.json, "Print JSON");
  app.require_subcommand(1);
  app.fallthrough();

  CLI::App* const user = app.add_subcommand("user", "The accounts clients log on with");
  user->require_subcommand(1);
  user->fallthrough();
  const auto user_command = [&](const char* name, const char* help, UserCommand command) {
    CLI::App* const added = user->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&line, &exit_code, command] { exit_code = run_user_command(line, command); });
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
                              add_user));
  add->add_option("--unix-user", line.user.unix_user,
                  "The Unix user it acts as; by default the one of the same name")
      ->type_name("USER");
  add->add_flag("--admin", line.user.admin, "May ask the server about other users' sessions");
  user_command("list", "Show the accounts", list_users);
  takes_name(user_command("remove", "Remove an account", remove_user));
  takes_name(user_command("password", "Change a password", change_password));
  takes_name(user_command("disable", "Refuse an account without removing it", disable_user));
  takes_name(user_command("enable", "Accept a disabled account again", enable_user));

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
  interfaces->callback([&] { exit_code = run_interfaces(line); });

  CLI::App* const config = app.add_subcommand("config", "The configuration");
  config->require_subcommand(1);
  config->fallthrough();
  CLI::App* const check = config->add_subcommand("check", "Say what is wrong with it");
  check->fallthrough();
  check->callback([&] { exit_code = check_config(line); });
  CLI::App* const keys = config->add_subcommand("keys", "List its keys");
  keys->fallthrough();
  keys->callback(
      [&] { fmt::print("{}", line.user.json ? config::keys_as_json() : config::describe_keys()); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kCannotDo;
  }
  return exit_code;
}

}  // namespace
}  // namespace braid::braidctl

int main(int argc, char** argv) { return braid::braidctl::run(argc, argv); }
