#include "smb2/opens/preserved_open_codec.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/identity.h"
#include "smb2/opens/open_values_testing.h"
#include "vfs/posix/posix_volume.h"

namespace braid::smb2 {
namespace {

class PreservedOpenCodec : public testing::Test {
 protected:
  PreservedOpenCodec() {
    char name[] = "/tmp/preserved_open_codec_test.XXXXXX";
    root_ = ::mkdtemp(name);
    std::ofstream(root_ + "/file") << "content";
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->real_path = root_;
    share->read_only = false;
    share->volume = vfs::open_posix_volume(root_).value();
    share_ = share;
    shares_ =
        std::make_unique<ShareTable>(std::vector<std::shared_ptr<const Share>>{std::move(share)});
  }
  ~PreservedOpenCodec() override {
    EXPECT_TRUE(assume(server_credentials()));  // it acted as who has the open
    std::filesystem::remove_all(root_);
  }

  PreservedOpen filled() {
    vfs::Path path;
    EXPECT_TRUE(path.append("file"));
    const vfs::Found found = *share_->volume->find(server_credentials(), path);
    PreservedOpen open;
    Filler filler;
    filler.fill<OpenValues>(open);
    filler.fill(open.changes);
    open.attributes.is_directory = false;
    open.attributes.is_stream = false;
    open.share = share_;
    open.file =
        share_->volume->open(server_credentials(), found, {.access = {.read = true, .write = true}})
            .value();
    open.attributes.file_key = open.file->key();
    open.size = 7;
    open.write_time = {99};
    return open;
  }

  std::string root_;
  std::shared_ptr<const Share> share_;
  std::unique_ptr<ShareTable> shares_;
};

TEST_F(PreservedOpenCodec, EveryValueComesBack) {
  const PreservedOpen open = filled();
  UniqueFd descriptor(::fcntl(descriptor_of(open), F_DUPFD_CLOEXEC, 0));
  const auto back = decode_preserved_open(encode(open), std::move(descriptor), *shares_);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(first_other<OpenValues>(open, *back), 0u);
  EXPECT_EQ(first_other(open.changes, back->changes), 0u);
  EXPECT_EQ(back->size, open.size);
  EXPECT_EQ(back->write_time, open.write_time);
  EXPECT_EQ(back->share, share_);
}

TEST_F(PreservedOpenCodec, EveryValueSurvivesTheOpen) {
  PreservedOpen open = filled();
  PreservedOpen same = filled();
  auto tree = std::make_shared<TreeConnect>(TreeId{}, share_, 0);
  const auto live = restore(std::move(same), nullptr, std::move(tree));
  const PreservedOpen back = preserve(*live);
  EXPECT_EQ(first_other<OpenValues>(open, back), 0u);
  EXPECT_EQ(first_other(open.changes, back.changes), 0u);
  EXPECT_EQ(back.share, share_);
}

TEST_F(PreservedOpenCodec, NoPartOfItIsTakenForTheWhole) {
  const PreservedOpen open = filled();
  const Bytes whole = encode(open);
  for (size_t size = 0; size < whole.size(); ++size) {
    UniqueFd descriptor(::fcntl(descriptor_of(open), F_DUPFD_CLOEXEC, 0));
    EXPECT_FALSE(
        decode_preserved_open(ByteView(whole).first(size), std::move(descriptor), *shares_))
        << size;
  }
}

}  // namespace
}  // namespace braid::smb2
