#include "apps/braidctl/completion.h"

#include <fmt/format.h>

namespace braid::braidctl {
namespace {

// Which of the words before make a command: options and names are none.
std::string cases_of_commands(const std::vector<CompletionRow>& rows) {
  std::string known;
  for (const CompletionRow& row : rows) {
    if (row.command.empty()) continue;
    known += fmt::format("{}\"{}\"", known.empty() ? "" : "|", row.command);
  }
  return fmt::format("case \"$command $word\" in {}) command=\"$command $word\";; esac", known);
}

// `begin` and `end` around the words.
std::string cases_of_words(const std::vector<CompletionRow>& rows, std::string_view begin,
                           std::string_view end) {
  std::string text = "  case \"$command\" in\n";
  for (const CompletionRow& row : rows) {
    std::string words;
    for (const std::string& word : row.words) words += (words.empty() ? "" : " ") + word;
    if (!row.names.empty()) {
      words += fmt::format(" $(braidctl completion {} 2>/dev/null)", row.names);
    }
    text += fmt::format("    \"{}\") {}{}{};;\n", row.command, begin, words, end);
  }
  return text + "  esac\n";
}

}  // namespace

std::string bash_completion(const std::vector<CompletionRow>& rows) {
  return "# Completion of braidctl for bash; made by braidctl completion bash.\n"
         "_braidctl() {\n"
         "  local command=\"\" word words=\"\"\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n    " +
         cases_of_commands(rows) + "\n  done\n" + cases_of_words(rows, "words=\"", "\"") +
         "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -o default -F _braidctl braidctl\n";
}

std::string zsh_completion(const std::vector<CompletionRow>& rows) {
  return "#compdef braidctl\n"
         "# Completion of braidctl for zsh; made by braidctl completion zsh.\n"
         "_braidctl() {\n"
         "  local command=\"\" word\n"
         "  local -a names\n"
         "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n    " +
         cases_of_commands(rows) + "\n  done\n" + cases_of_words(rows, "names=(", ")") +
         "  compadd -a names || _files\n"
         "}\n"
         "compdef _braidctl braidctl\n";
}

}  // namespace braid::braidctl
