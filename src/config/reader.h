// Reader: walks the TOML tree along the key tables and collects everything that is wrong.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/keys.h"

namespace braid::config {

// Made for one parse() and used up by it. Thread: one.
class Reader {
 public:
  Reader(std::string file, Checks checks) : file_(std::move(file)), checks_(checks) {}

  // The configuration; of no use when problems() is not empty.
  Snapshot read(std::string_view text);
  // As salvage() of salvage.h says.
  Snapshot salvage(std::string_view text);
  // In order of line.
  const Problems& problems() const { return problems_; }

 private:
  static uint64_t id_of(std::string_view text);
  // Hides the TOML library, which costs seconds to compile, from everyone but reader.cc.
  struct Tree;

  void add(uint32_t line, std::string message);
  // All at once, at the end: one that does not answer holds up the others no further.
  void check_paths();
  void check_server(const Server& server);
  void check_listen(const Server& server);
  void check_cluster(const Server& server);
  void check_witness(const Server& server);
  // Line of a key of [server]; of the section for one that is not given.
  uint32_t line_in_server(std::string_view key) const;

  std::string file_;
  Checks checks_;
  Problems problems_;
  std::map<std::string_view, uint32_t> server_lines_;  // of the keys that are given
  uint32_t server_line_ = 0;
  std::vector<uint32_t> guest_lines_;                        // of shares that let guests in
  std::vector<uint32_t> encrypt_lines_;                      // of shares that insist on encryption
  std::vector<std::pair<uint32_t, uint32_t>> file_systems_;  // of each share, with its line
  std::vector<uint32_t> scale_out_lines_;                    // of shares with scale_out
  std::vector<uint32_t> limited_lines_;                      // of shares with max_connections
  std::vector<uint32_t> strict_lines_;                // of shares with local_access = "strict"
  std::vector<uint32_t> local_locks_lines_;           // of shares with local_locks
  std::vector<uint32_t> continuous_lines_;            // of shares with persistent handles
  std::map<std::string, uint32_t> continuous_paths_;  // theirs, and the lines
  struct NamedPath {
    uint32_t line = 0;
    std::string_view key;
    std::string path;
    PathRule rule{};
  };
  std::vector<NamedPath> paths_;  // to be looked at
};

}  // namespace braid::config
