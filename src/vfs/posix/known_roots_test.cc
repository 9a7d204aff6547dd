// Streams of files that are in several shares, and those whose side file is nowhere.
#include "vfs/posix/known_roots.h"

#include <fcntl.h>

#include "vfs/posix/posix_volume_testing.h"
#include "vfs/posix/stream_marker.h"

namespace braid::vfs {
namespace {

// Two shares, "inner" below the other one.
class KnownRoots : public Posix {
 protected:
  void SetUp() override {
    Posix::SetUp();
    fs::create_directory(share_ + "/inner");
    fs::permissions(share_ + "/inner", fs::perms(0777));
    inner_ = open_posix_volume(share_ + "/inner").value();
    know_both();
  }
  void TearDown() override {
    set_known_roots({});
    inner_.reset();
    Posix::TearDown();
  }
  void know_both() { set_known_roots({share_, share_ + "/absent", share_ + "/inner"}); }

  static std::unique_ptr<File> file_of(Volume& volume, std::string_view text) {
    const auto found = volume.find(server_credentials(), path(text), {.pin_parent = true});
    return volume.open(server_credentials(), found.value(), {.access = {.write = true}}).value();
  }
  static size_t size_in(Volume& volume, std::string_view text) {
    const auto stream = file_of(volume, text)->open_stream("s", {});
    if (!stream) return 0;
    return (*stream)->stat()->size;
  }
  static Result<std::unique_ptr<File>> create_s(Volume& volume, std::string_view text) {
    return file_of(volume, text)
        ->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true});
  }
  void rename(std::string_view from, const Place& to) {
    const auto found = look(from).value();
    ASSERT_TRUE(
        volume_->rename(server_credentials(), found.place, found.attributes.key, to, false));
  }

  std::unique_ptr<Volume> inner_;
};

TEST_F(KnownRoots, StreamIsThereInEveryShareOfItsFile) {
  make_large("inner\\f", server_credentials());
  EXPECT_EQ(size_in(*inner_, "f"), 100'000u);
  EXPECT_TRUE(create_s(*inner_, "f").error().is_os(EEXIST));
  ASSERT_EQ(file_of(*inner_, "f")->streams()->size(), 1u);
  EXPECT_EQ(file_of(*inner_, "f")->streams()->at(0).size, 100'000u);
  // What one changes the other sees.
  auto stream = file_of(*inner_, "f")->open_stream("s", {.write = true}).value();
  ASSERT_TRUE(stream->truncate(70'000));
  EXPECT_EQ(size_in(*volume_, "inner\\f"), 70'000u);
  EXPECT_EQ(side_files().size(), 1u);
  ASSERT_TRUE(file_of(*inner_, "f")->remove_stream("s"));
  EXPECT_TRUE(side_files().empty()) << "the side file goes from the share that has it";
}

// By way of the outer share, and back.
TEST_F(KnownRoots, StreamGoesAlongWithItsFile) {
  outside("inner/f");
  ASSERT_TRUE(create_s(*inner_, "f").value()->write(0, as_bytes(std::string(100'000, 'x'))));
  ASSERT_TRUE(fs::exists(share_ + "/inner/.braid"));
  rename("inner\\f", missing("moved").place);
  EXPECT_EQ(size_in(*volume_, "moved"), 100'000u);
  rename("moved", missing("inner\\g").place);
  EXPECT_EQ(size_in(*inner_, "g"), 100'000u);
  EXPECT_EQ(size_in(*volume_, "inner\\g"), 100'000u);
}

TEST_F(KnownRoots, StreamThatIsNowhereStaysUntilItIsEnded) {
  set_known_roots({});
  make_large("inner\\f", server_credentials());
  const auto refused = [&](const auto& result) {
    ASSERT_FALSE(result);
    EXPECT_TRUE(is_lost(result.error())) << result.error().message();
  };
  auto file = file_of(*inner_, "f");
  refused(file->open_stream("s", {}));
  refused(file->open_stream("S", {.write = true}));
  refused(create_s(*inner_, "f"));
  refused(file->open_stream("s", {.disposition = StreamHow::Disposition::kOpenOrCreate}));
  refused(file->rename_stream("s", "t", true));
  ASSERT_TRUE(file->open_stream("t", {.disposition = StreamHow::Disposition::kCreate}));
  refused(file->rename_stream("t", "s", true));
  ASSERT_TRUE(file->remove_stream("t"));
  ASSERT_EQ(file->streams()->size(), 1u);
  EXPECT_EQ(file->streams()->at(0).name, "s");
  // Nor one that gets no room is there in its place.
  constexpr uint64_t kTooMuch = uint64_t{1} << 62;
  EXPECT_FALSE(file->open_stream("s", {.disposition = StreamHow::Disposition::kOpenOrCreate,
                                       .write = true,
                                       .truncate = true,
                                       .allocation = kTooMuch}));
  // Nothing of it has gone.
  know_both();
  EXPECT_EQ(size_in(*inner_, "f"), 100'000u);
  set_known_roots({});
  ASSERT_TRUE(file->open_stream(
      "S",
      {.disposition = StreamHow::Disposition::kOpenOrCreate, .write = true, .truncate = true}));
  EXPECT_EQ(file->streams()->at(0).size, 0u);
  ASSERT_TRUE(create_s(*volume_, "inner\\f").error().is_os(EEXIST));
}

TEST_F(KnownRoots, StreamThatIsNowhereCanBeRemoved) {
  set_known_roots({});
  make_large("inner\\f", server_credentials());
  auto file = file_of(*inner_, "f");
  ASSERT_TRUE(file->remove_stream("s"));
  EXPECT_TRUE(file->streams()->empty());
  EXPECT_TRUE(create_s(*inner_, "f"));
}

}  // namespace
}  // namespace braid::vfs
