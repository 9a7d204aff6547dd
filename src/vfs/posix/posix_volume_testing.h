// The posix Volume that tests look at, on a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vfs/posix/posix_volume.h"

namespace braid::vfs {

namespace fs = std::filesystem;

class Posix : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/braid-posix-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    share_ = folder_ + "/share";
    fs::create_directory(share_);
    fs::permissions(folder_, fs::perms(0755));
    fs::permissions(share_, fs::perms(0777));
    auto volume = open_posix_volume(share_);
    ASSERT_TRUE(volume) << volume.error().message();
    volume_ = *std::move(volume);
  }
  void TearDown() override {
    ASSERT_TRUE(assume(server_credentials()));
    volume_.reset();
    fs::remove_all(folder_);
  }

  static Path path(std::string_view text) { return parse_path(text).value().path; }
  static Credentials user(uid_t uid) {
    return std::make_shared<const UnixCredentials>(UnixCredentials{uid, uid, {}});
  }
  Result<Found> look(std::string_view text, const Credentials& who) {
    return volume_->find(who, path(text), {.pin_parent = true});
  }
  Result<Found> look(std::string_view text) { return look(text, server_credentials()); }
  Missing missing(std::string_view text, const Credentials& who = server_credentials()) {
    return std::get<Missing>(volume_->lookup(who, path(text)).value());
  }
  Link link_in(std::string_view text) {
    return std::get<Link>(volume_->lookup(server_credentials(), path(text)).value());
  }
  // What local programs do, as the server.
  void mode(const std::string& name, unsigned bits) {
    ASSERT_TRUE(assume(server_credentials()));
    fs::permissions(share_ + "/" + name, fs::perms(bits));
  }
  void outside(const std::string& name, std::string_view text = "x") {
    ASSERT_TRUE(assume(server_credentials()));
    std::ofstream(share_ + "/" + name) << text;
  }
  void set_xattr(const std::string& file, const char* name, std::string_view value) {
    ASSERT_TRUE(assume(server_credentials()));
    ASSERT_EQ(::setxattr((share_ + "/" + file).c_str(), name, value.data(), value.size(), 0), 0);
  }
  std::string get_xattr(const std::string& file, const char* name) {
    EXPECT_TRUE(assume(server_credentials()));
    std::string value(1000, '\0');
    const ssize_t size =
        ::getxattr((share_ + "/" + file).c_str(), name, value.data(), value.size());
    value.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return value;
  }

  // Of the stream "s" when it is large.
  static const char* marker_name() {
    return can_switch_identity() ? "trusted.braid.stream.s" : "user.braid.stream.s";
  }
  Result<std::unique_ptr<File>> open_s(const std::string& file, const Credentials& who,
                                       const StreamHow& how = {}) {
    BRAID_TRY(const auto found, look(file, who));
    BRAID_TRY(const auto base, volume_->open(who, found, {}));
    return base->open_stream("s", how);
  }
  // A file with a stream that is too large to be an attribute.
  void make_large(const std::string& file, const Credentials& who) {
    auto base = volume_->create(who, missing(file, who), {.access = {.write = true}}).value();
    auto stream =
        base->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
            .value();
    ASSERT_TRUE(stream->write(0, as_bytes(std::string(100'000, 'x'))));
    ASSERT_TRUE(assume(server_credentials()));
  }
  std::vector<std::string> side_files() {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(share_ + "/.braid")) {
      if (entry.is_regular_file()) paths.push_back(entry.path().string().substr(share_.size() + 1));
    }
    return paths;
  }

  std::string folder_;
  std::string share_;
  std::unique_ptr<Volume> volume_;
};

}  // namespace braid::vfs
