// CREATE: dispositions, kinds, names, sharing.
#include "e2e.h"
#include "wire/fscc/file_attributes.h"

namespace braid::e2e {
namespace {

using wire::Access;
using wire::CreateAction;
using wire::CreateDisposition;
using wire::CreateOptions;
using wire::ShareAccess;

Task<void> remove(client::TreePtr tree, std::string name) {
  const auto gone = co_await tree->unlink(std::move(name));
  if (!gone) EXPECT_EQ(gone.error(), Error(NtStatus::kObjectNameNotFound));
}

// The status of a CREATE, or what it did.
Task<std::string> attempt(client::TreePtr tree, std::string name, CreateDisposition disposition) {
  constexpr const char* kActions[] = {"superseded", "opened", "created", "overwritten"};
  const auto file = co_await tree->open(std::move(name), kReadWriteDelete, disposition);
  if (!file) co_return file.error().message();
  const auto action = static_cast<size_t>((*file)->created().create_action);
  (void)co_await (*file)->close();
  co_return kActions[action];
}

BRAID_E2E(Create, DispositionsOnMissingAndExistingFiles) {
  E2E_TRY(const auto tree, co_await env.mount());
  struct Case {
    CreateDisposition disposition;
    std::string_view missing;
    std::string_view existing;
  };
  const std::vector<Case> cases = {
      {CreateDisposition::kSupersede, "created", "superseded"},
      {CreateDisposition::kOpen, "STATUS_OBJECT_NAME_NOT_FOUND", "opened"},
      {CreateDisposition::kCreate, "created", "STATUS_OBJECT_NAME_COLLISION"},
      {CreateDisposition::kOpenIf, "created", "opened"},
      {CreateDisposition::kOverwrite, "STATUS_OBJECT_NAME_NOT_FOUND", "overwritten"},
      {CreateDisposition::kOverwriteIf, "created", "overwritten"},
  };
  const std::string name = name_of_test();
  for (const Case& c : cases) {
    co_await remove(tree, name);
    EXPECT_EQ(co_await attempt(tree, name, c.disposition), c.missing);
    E2E_OK(co_await tree->write_file(name, to_bytes("x")));
    // Samba answers "overwritten" for FILE_SUPERSEDE.
    if (!server().is_braid && c.disposition == CreateDisposition::kSupersede) continue;
    EXPECT_EQ(co_await attempt(tree, name, c.disposition), c.existing);
  }
}

BRAID_E2E(Create, FileAndDirectoryAreToldApart) {
  E2E_TRY(const auto tree, co_await env.mount());
  const std::string folder = name_of_test(".d");
  const std::string plain = name_of_test(".f");
  co_await remove(tree, folder);
  E2E_OK(co_await tree->mkdir(folder));
  E2E_OK(co_await tree->write_file(plain, to_bytes("x")));
  E2E_FAILS(NtStatus::kFileIsADirectory,
            co_await tree->open(folder, Access::kFileReadData, CreateDisposition::kOpen,
                                CreateOptions::kNonDirectoryFile));
  E2E_FAILS(NtStatus::kNotADirectory, co_await tree->open_directory(plain));
  E2E_FAILS(NtStatus::kObjectNameCollision, co_await tree->mkdir(folder));
  E2E_TRY(const auto opened, co_await tree->open_directory(folder));
  EXPECT_TRUE(opened->created().file_attributes & wire::file_attribute::kDirectory);
  E2E_OK(co_await opened->close());
}

BRAID_E2E(Create, MissingFolderIsAPathNotFound) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_FAILS(NtStatus::kObjectPathNotFound, co_await tree->open(name_of_test("\\x\\y")));
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await tree->open(name_of_test()));
}

BRAID_E2E(Create, NamesAreMatchedWithoutCaseAndKept) {
  E2E_TRY(const auto tree, co_await env.mount());
  const std::string name = name_of_test(".\xC3\x84rger \xF0\x9F\x98\x80");  // with a surrogate pair
  E2E_OK(co_await tree->write_file(name, to_bytes("content")));
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  E2E_TRY(const Bytes back, co_await tree->read_file(upper));
  EXPECT_EQ(as_text(back), "content");
  E2E_TRY(const auto root, co_await tree->open_directory());
  E2E_TRY(const auto entries, co_await root->list(name_of_test(".*")));
  EXPECT_EQ(entries.size(), 1u);
  if (!entries.empty()) EXPECT_EQ(entries[0].file_name, name);
}

BRAID_E2E(Create, BadNamesAreRefused) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_FAILS(NtStatus::kInvalidParameter, co_await tree->open("\\leading"));
  E2E_FAILS(NtStatus::kObjectNameInvalid, co_await tree->open("star*"));
  E2E_FAILS(NtStatus::kObjectNameInvalid, co_await tree->open("quest?ion"));
  for (const char* name : {"..", "..\\x", "a\\..\\..\\..\\etc\\passwd"}) {
    EXPECT_FALSE(co_await tree->open(name)) << name;
  }
  EXPECT_FALSE(co_await tree->open(std::string(300, 'x')));
  EXPECT_FALSE(co_await tree->open(std::string("a\0b", 3)));
}

BRAID_E2E(Sharemode, ConflictIsASharingViolation) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test(), to_bytes("x")));
  wire::CreateRequest exclusive;
  exclusive.desired_access = Access::kFileReadData;
  exclusive.share_access = ShareAccess::kRead;
  exclusive.name = name_of_test();
  E2E_TRY(const auto first, co_await tree->create(exclusive));
  E2E_FAILS(NtStatus::kSharingViolation,
            co_await tree->open(name_of_test(), Access::kFileWriteData));
  E2E_TRY(const auto second, co_await tree->open(name_of_test(), Access::kFileReadData));
  E2E_OK(co_await second->close());
  E2E_OK(co_await first->close());
  E2E_OK(co_await tree->open(name_of_test(), Access::kFileWriteData));
}

BRAID_E2E(DeleteOnClose, LastCloseDeletes) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test(), to_bytes("x")));
  E2E_TRY(const auto first,
          co_await tree->open(name_of_test(), Access::kDelete, CreateDisposition::kOpen,
                              CreateOptions::kDeleteOnClose));
  E2E_TRY(const auto second, co_await tree->open(name_of_test(), Access::kFileReadData));
  E2E_OK(co_await first->close());
  E2E_FAILS(NtStatus::kDeletePending, co_await tree->open(name_of_test()));
  E2E_OK(co_await second->close());
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await tree->open(name_of_test()));
}

BRAID_E2E(Maxfid, ManyOpensOfOneConnection) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test(), to_bytes("x")));
  std::vector<client::FilePtr> files;
  for (int i = 0; i < 1000; ++i) {
    E2E_TRY(auto file, co_await tree->open(name_of_test()));
    files.push_back(std::move(file));
  }
  for (const auto& file : files) E2E_OK(co_await file->close());
}

}  // namespace
}  // namespace braid::e2e
