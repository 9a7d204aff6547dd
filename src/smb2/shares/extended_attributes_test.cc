#include "smb2/shares/extended_attributes.h"

#include <gtest/gtest.h>

#include "vfs/memory/memory_volume.h"
#include "vfs/path.h"

namespace braid::smb2 {
namespace {

using wire::FullEa;

class ExtendedAttributes : public testing::Test {
 protected:
  void SetUp() override {
    const auto name = vfs::parse_path("file");
    ASSERT_TRUE(name);
    const auto place = volume_->lookup(server_credentials(), name->path);
    ASSERT_TRUE(place);
    auto made = volume_->create(server_credentials(), std::get<vfs::Missing>(*place),
                                {.access = {true, true}});
    ASSERT_TRUE(made);
    file_ = std::move(*made);
  }

  std::vector<FullEa> load() { return load_eas(*file_).value_or(std::vector<FullEa>{}); }

  std::unique_ptr<vfs::Volume> volume_ = vfs::make_memory_volume();
  std::unique_ptr<vfs::File> file_;
};

TEST_F(ExtendedAttributes, AreKeptAsUserAttributes) {
  ASSERT_TRUE(store_eas(*file_, {{.name = "Note", .value = {1, 2}}}));
  EXPECT_EQ(file_->get_xattr("user.Note").value_or(Bytes{}), (Bytes{1, 2}));
  EXPECT_EQ(load(), (std::vector<FullEa>{{.name = "Note", .value = {1, 2}}}));
}

TEST_F(ExtendedAttributes, NamesMatchWithoutRegardToCase) {
  ASSERT_TRUE(store_eas(*file_, {{.name = "Note", .value = {1}}}));
  ASSERT_TRUE(store_eas(*file_, {{.name = "NOTE", .value = {2}}}));
  EXPECT_EQ(load(), (std::vector<FullEa>{{.name = "Note", .value = {2}}}));
  ASSERT_TRUE(store_eas(*file_, {{.name = "note"}}));
  EXPECT_TRUE(load().empty());
}

TEST_F(ExtendedAttributes, BookKeepingIsNeitherShownNorSet) {
  for (const char* name : {"DOSATTRIB", "DosStream.s:$DATA", "braid.stream.1", "NTACL"}) {
    ASSERT_TRUE(file_->set_xattr("user." + std::string(name), Bytes{1}));
    const auto done = store_eas(*file_, {{.name = name, .value = {2}}});
    EXPECT_FALSE(done) << name;
  }
  EXPECT_TRUE(load().empty());
  EXPECT_EQ(ea_size_of(*file_).value(), 0u);
}

TEST_F(ExtendedAttributes, AListWithAFaultChangesNothing) {
  const auto done =
      store_eas(*file_, {{.name = "good", .value = {1}}, {.name = "b*d", .value = {1}}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), Error(NtStatus::kInvalidEaName));
  EXPECT_TRUE(load().empty());
}

TEST_F(ExtendedAttributes, TheirSumIsLimited) {
  ASSERT_TRUE(store_eas(*file_, {{.name = "a", .value = Bytes(40'000)}}));
  const auto done = store_eas(*file_, {{.name = "b", .value = Bytes(40'000)}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), Error(NtStatus::kEaTooLarge));
  EXPECT_EQ(load().size(), 1u);
}

}  // namespace
}  // namespace braid::smb2
