#include "apps/braidctl/password.h"

#include <termios.h>
#include <unistd.h>

#include <cstdio>

namespace braid::braidctl {
namespace {

// Longest password of [MS-SAMR] 2.2.6.21 "SAMPR_ENCRYPTED_USER_PASSWORD", 256 UTF-16 units, as
// UTF-8.
constexpr size_t kPasswordBytesMax = 768;

// Up to the end of the line or of the input. Byte by byte: what follows is not ours to swallow.
std::string read_line() {
  std::string line;
  char c;
  while (line.size() <= kPasswordBytesMax && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
    line += c;
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// Without echo, and with it again afterwards.
std::string ask(const std::string& prompt) {
  termios before{};
  ::tcgetattr(STDIN_FILENO, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  std::fprintf(stderr, "%s: ", prompt.c_str());
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  std::string line = read_line();
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  std::fputc('\n', stderr);
  return line;
}

}  // namespace

std::expected<std::string, std::string> read_password(const std::string& account) {
  std::string password;
  if (::isatty(STDIN_FILENO)) {
    password = ask("Password of " + account);
    if (password != ask("Once more")) {
      return std::unexpected("the two passwords differ; nothing was changed");
    }
  } else {
    password = read_line();
  }
  if (password.empty()) return std::unexpected("an empty password is not accepted");
  if (password.size() > kPasswordBytesMax) {
    return std::unexpected("the password is longer than 768 bytes");
  }
  return password;
}

}  // namespace braid::braidctl
