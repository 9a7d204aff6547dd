// Which files a worker can reach at all, whatever it is made to do: Landlock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace braid::braidd {

// The folders that hold every share: the first component of each path, /srv for /srv/data. Not the
// share itself, nor the folder above it: a rule belongs to the folder that is there now, and
// Landlock does not see it any more once a disk is mounted over it. So a share that comes back with
// its disk, or has another folder in its place, stays within reach, and so does one that a reload
// adds in the same place.
//
// Nothing when that cannot be said: a share directly in "/", one whose folder is not there, and one
// whose first component is a mount point, or leads there by a link; those may be mounted later.
std::optional<std::vector<std::string>> roots_of_shares(const config::Config& config);

struct Places {
  std::vector<std::string> roots;  // of shares
  std::string keytab;              // where its path leads; empty where there is none
};
// The same with the keytab, and nothing as well when a disk does not answer in time.
// REQUIRES: one thread.
std::optional<Places> places_in_time(const config::Config& config);

// For good, for this thread and those it starts later. The process reaches
// - the roots of its shares, or every file if that cannot be said;
// - `state_dir`, and /tmp and /var/tmp, where Kerberos remembers tickets that it has seen;
// - to read, the keytab's folder and what the name services and Kerberos read: /etc, /usr, /run;
// - the rest of the lists in file_access.cc, and what the environment names for Kerberos.
// It runs no program, makes no device and asks nothing of one, anywhere.
//
// Without Landlock, and with its first version, which refuses every move from folder to folder, all
// stays as it was; a line says so to who looks for it.
// `reads_config`: the configuration's folder, too, for a process that has no supervisor to do that.
void confine_to_files_of(const config::Config& config, bool reads_config);

// For the process with the network cards: the devices of RDMA, and to read what their libraries and
// the kernel say of them. Without Landlock its user alone keeps it from files.
void confine_to_cards();

}  // namespace braid::braidd
