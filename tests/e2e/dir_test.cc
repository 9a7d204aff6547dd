// QUERY_DIRECTORY.
#include <fmt/format.h>
#include <algorithm>

#include <set>

#include "e2e.h"
#include "wire/fscc/file_attributes.h"

namespace braid::e2e {
namespace {

using wire::FileInfoClass;
using wire::QueryDirectoryFlags;

// A new directory of `count` files f0000, f0001, ...
Task<Result<client::FilePtr>> make_directory(client::TreePtr tree, std::string name, int count) {
  (void)co_await tree->mkdir(name);
  for (int i = 0; i < count; ++i) {
    BRAID_CO_CHECK(co_await tree->write_file(name + "\\" + fmt::format("f{:04}", i),
                                             Bytes(static_cast<size_t>(i))));
  }
  co_return co_await tree->open_directory(name);
}

std::set<std::string> names_of(const std::vector<wire::DirectoryEntry>& entries) {
  std::set<std::string> names;
  for (const auto& entry : entries) EXPECT_TRUE(names.insert(entry.file_name).second);
  return names;
}

BRAID_E2E(Dir, EveryClassListsEverything) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto directory, co_await make_directory(tree, name_of_test(), 100));
  for (const auto info_class :
       {FileInfoClass::kDirectory, FileInfoClass::kFullDirectory, FileInfoClass::kBothDirectory,
        FileInfoClass::kNames, FileInfoClass::kIdBothDirectory, FileInfoClass::kIdFullDirectory}) {
    E2E_TRY(const auto entries, co_await directory->list("*", info_class, 4096));
    const auto names = names_of(entries);
    EXPECT_EQ(names.size(), 102u);
    EXPECT_TRUE(names.contains(".") && names.contains("..") && names.contains("f0099"));
    for (const auto& entry : entries) {
      if (info_class == FileInfoClass::kNames || entry.file_name[0] == '.') continue;
      EXPECT_EQ(entry.end_of_file, std::stoul(entry.file_name.substr(1)));
      EXPECT_FALSE(entry.file_attributes & wire::file_attribute::kDirectory);
      EXPECT_GT(entry.last_write_time.ticks, kUnixEpochTicks);
    }
  }
}

BRAID_E2E(Dir, PatternsSelect) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto directory, co_await make_directory(tree, name_of_test(), 25));
  E2E_TRY(const auto tens, co_await directory->list("F001?"));
  EXPECT_EQ(tens.size(), 10u);
  E2E_TRY(const auto one, co_await directory->list("f0007"));
  EXPECT_EQ(one.size(), 1u);
  E2E_FAILS(NtStatus::kNoSuchFile,
            co_await directory->query_directory(FileInfoClass::kNames, "nothing*",
                                                QueryDirectoryFlags::kReopen));
}

BRAID_E2E(Dir, SingleEntriesAndRestart) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto directory, co_await make_directory(tree, name_of_test(), 5));
  std::set<std::string> seen;
  for (int i = 0; i < 7; ++i) {
    E2E_TRY(const Bytes buffer,
            co_await directory->query_directory(FileInfoClass::kNames, "*",
                                                QueryDirectoryFlags::kReturnSingleEntry));
    E2E_TRY(const auto entries, wire::decode_directory_entries(FileInfoClass::kNames, buffer));
    EXPECT_EQ(entries.size(), 1u);
    seen.merge(names_of(entries));
  }
  EXPECT_EQ(seen.size(), 7u);
  E2E_FAILS(NtStatus::kNoMoreFiles, co_await directory->query_directory(FileInfoClass::kNames));
  E2E_TRY(const Bytes again, co_await directory->query_directory(
                                 FileInfoClass::kNames, "*", QueryDirectoryFlags::kRestartScans));
  E2E_TRY(const auto entries, wire::decode_directory_entries(FileInfoClass::kNames, again));
  EXPECT_EQ(entries.size(), 7u);
}

BRAID_E2E(Dir, FileIsNotADirectoryAndClassIsChecked) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test(), to_bytes("x")));
  E2E_TRY(const auto file, co_await tree->open(name_of_test()));
  const auto of_file = co_await file->query_directory(FileInfoClass::kNames);
  EXPECT_FALSE(of_file);
  // Samba answers STATUS_NOT_SUPPORTED here.
  if (server().is_braid) E2E_FAILS(NtStatus::kInvalidParameter, of_file);
  E2E_TRY(const auto root, co_await tree->open_directory());
  E2E_FAILS(NtStatus::kInvalidInfoClass, co_await root->query_directory(FileInfoClass::kBasic));
}

BRAID_E2E(Mkdir, OnlyEmptyDirectoriesGo) {
  E2E_TRY(const auto tree, co_await env.mount());
  const std::string name = name_of_test();
  E2E_OK(co_await tree->mkdir(name));
  E2E_OK(co_await tree->write_file(name + "\\x", to_bytes("x")));
  E2E_FAILS(NtStatus::kDirectoryNotEmpty, co_await tree->unlink(name));
  E2E_OK(co_await tree->unlink(name + "\\x"));
  E2E_OK(co_await tree->unlink(name));
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await tree->open_directory(name));
}

}  // namespace
}  // namespace braid::e2e
