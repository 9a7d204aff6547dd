// braidctl completion ...: what a shell needs to complete commands, from the table of them.
#pragma once

#include <string>
#include <vector>

namespace braid::braidctl {

// What may stand behind the words of a command.
struct CompletionRow {
  std::string command;             // " share add"; empty: nothing before it
  std::vector<std::string> words;  // commands and options
  std::string names;               // "shares" or "users": what its names are; empty: none
};

// Scripts to be sourced. `rows`: a row for each command that the shell is to know.
std::string bash_completion(const std::vector<CompletionRow>& rows);
std::string zsh_completion(const std::vector<CompletionRow>& rows);

}  // namespace braid::braidctl
