#include "smb2/opens/preserved_open_codec.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "auth/identity.h"
#include "runtime/identity.h"
#include "vfs/posix/posix_volume.h"

namespace braid::smb2 {
namespace {

// Another value for each, so that none is taken for another or for one that was never set.
struct Filler {
  uint8_t next = 0;

  void fill(bool& value) { value = true; }
  void fill(filestate::Durability& value) { value = filestate::Durability::kResilient; }
  void fill(vfs::TimeRule& value) {
    value = ++next % 2 == 0 ? vfs::TimeRule::kKept : vfs::TimeRule::kMoves;
  }
  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void fill(T& value) {
    value = static_cast<T>(++next);
  }
  template <class Tag>
  void fill(Id128<Tag>& id) {
    id.bytes.fill(++next);
  }
  void fill(FileId& id) { id = {++next, ++next}; }
  void fill(filestate::UserId& user) { fill(user.value); }
  void fill(std::chrono::milliseconds& time) { time = std::chrono::milliseconds(++next); }
  void fill(std::shared_ptr<const auth::Identity>& user) {
    auto identity = std::make_shared<auth::Identity>();
    identity->uid = ++next;
    identity->user_sid = wire::Sid(5, {21, ++next});
    user = std::move(identity);
  }
  void fill(Credentials& credentials) {
    credentials = std::make_shared<const UnixCredentials>(
        UnixCredentials{.uid = ++next, .gid = ++next, .groups = {++next, ++next}});
  }
  void fill(vfs::Path& path) { EXPECT_TRUE(path.append("name " + std::to_string(++next))); }
  template <class T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <HasMembers Values>
  void fill(Values& values) {
    std::apply([this](auto&... each) { (this->fill(each), ...); }, members(values));
  }
};

template <class T>
bool same(const T& one, const T& other);
bool same(const std::shared_ptr<const auth::Identity>& one,
          const std::shared_ptr<const auth::Identity>& other) {
  return one && other && one->is_same_user(*other);
}
bool same(const Credentials& one, const Credentials& other) {
  return one && other && *one == *other;
}
bool same(const vfs::Path& one, const vfs::Path& other) { return one.text() == other.text(); }

// The place of the first that differs, counted from 1; 0: none does.
template <HasMembers Values>
size_t first_other(const Values& one, const Values& other) {
  size_t place = 0, found = 0;
  const auto look = [&](const auto& a, const auto& b) {
    ++place;
    if (found == 0 && !same(a, b)) found = place;
  };
  std::apply(
      [&](const auto&... a) {
        std::apply([&](const auto&... b) { (look(a, b), ...); }, members(other));
      },
      members(one));
  return found;
}

template <class T>
bool same(const T& one, const T& other) {
  if constexpr (HasMembers<const T>) {
    return first_other(one, other) == 0;
  } else if constexpr (requires { one.has_value(); }) {
    return one.has_value() && other.has_value() && same(*one, *other);
  } else {
    return one == other;
  }
}

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
