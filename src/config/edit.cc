#include "config/edit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>

namespace braid::config {
namespace {

std::string why_failed(int error_number) { return std::generic_category().message(error_number); }

std::string_view trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t\r\n");
  if (begin == line.npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r\n") - begin + 1);
}

// Each with its end.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end == text.npos ? end : end + 1));
    text.remove_prefix(lines.back().size());
  }
  return lines;
}

std::string joined(const std::vector<std::string_view>& lines) {
  std::string text;
  for (const std::string_view line : lines) text += line;
  return text;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

std::string with_share(std::string_view text, const std::vector<KeyLine>& keys) {
  std::string out(text);
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  if (!out.empty() && !out.ends_with("\n\n")) out += '\n';
  out += "[[share]]\n";
  for (const auto& [key, value] : keys) out += fmt::format("{} = {}\n", key, value);
  return out;
}

std::expected<std::string, std::string> without_share(std::string_view text,
                                                      std::string_view name) {
  const auto where = lines_of_share(text, name);
  if (!where) return std::unexpected(fmt::format("there is no share {}", name));
  std::vector<std::string_view> lines = lines_of(text);
  const std::string_view heading = trimmed(lines.at(where->begin - 1));
  if (!heading.starts_with("[[")) {
    return std::unexpected(fmt::format(
        "share {} does not begin with a line [[share]]; take it out with an editor", name));
  }
  size_t end = std::min<size_t>(where->end - 1, lines.size());
  while (trimmed(lines[end - 1]).empty() || trimmed(lines[end - 1]).starts_with('#')) --end;
  size_t begin = where->begin - 1;
  // One blank line between what was before and behind it.
  const bool has_blank_before = begin > 0 && trimmed(lines[begin - 1]).empty();
  if (has_blank_before && (end == lines.size() || trimmed(lines[end]).empty())) --begin;
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(begin),
              lines.begin() + static_cast<std::ptrdiff_t>(end));
  return joined(lines);
}

std::expected<FileChange, Problem> FileChange::begin(const std::string& file) {
  std::string target = file;
  if (const std::unique_ptr<char, decltype(&std::free)> real(::realpath(file.c_str(), nullptr),
                                                             &std::free);
      real) {
    target = real.get();
  } else if (errno != ENOENT) {
    return std::unexpected(Problem{file, 0, "cannot be changed: " + why_failed(errno)});
  }
  const size_t slash = target.rfind('/');
  const std::string folder = slash == target.npos ? "."
                             : slash == 0         ? "/"
                                                  : target.substr(0, slash);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) {
    return std::unexpected(
        Problem{file, 0, fmt::format("cannot be changed: {}: {}", folder, why_failed(errno))});
  }
  return FileChange(file, std::move(target), std::move(fd));
}

std::expected<std::string, Problem> FileChange::text() const {
  if (::access(target_.c_str(), F_OK) != 0 && errno == ENOENT) return std::string();
  return read_file(file_);
}

std::optional<Problem> FileChange::replace(std::string_view text) {
  const auto failed = [&](int error) {
    return Problem{file_, 0,
                   fmt::format("cannot be written: {}; nothing was changed{}", why_failed(error),
                               error == EACCES ? "; run it as root (sudo)" : "")};
  };
  struct stat before{};
  const bool is_there = ::stat(target_.c_str(), &before) == 0;
  const std::string beside = fmt::format("{}.{}.new", target_, ::getpid());
  UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return failed(errno);
  bool done = ::fchmod(fd.get(), is_there ? before.st_mode & 07777 : 0644) == 0;
  if (done && is_there) {
    struct stat now{};
    done = ::fstat(fd.get(), &now) == 0 &&
           ((now.st_uid == before.st_uid && now.st_gid == before.st_gid) ||
            ::fchown(fd.get(), before.st_uid, before.st_gid) == 0);
  }
  done = done && write_all(fd.get(), text) && ::fsync(fd.get()) == 0 &&
         std::rename(beside.c_str(), target_.c_str()) == 0;
  if (!done) {
    const int error = errno;
    ::unlink(beside.c_str());
    return failed(error);
  }
  ::fsync(folder_.get());
  return std::nullopt;
}

}  // namespace braid::config
