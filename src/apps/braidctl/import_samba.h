// braidctl import-samba
#pragma once

#include <string>

namespace braid::braidctl {

struct ImportArguments {
  std::string smb_conf = "/etc/samba/smb.conf";
  std::string write;  // the configuration; empty: it is printed, and nothing is changed
  std::string state_dir = "/var/lib/braid";
  bool without_accounts = false;
  bool json = false;
};

// Gives the exit code: 0, or 2 after one line on stderr, and then nothing is written. Runs Samba's
// pdbedit and net for accounts and SIDs.
int import_samba(const ImportArguments& arguments);

}  // namespace braid::braidctl
