#include "smb2/security/ntacl.h"

#include <gtest/gtest.h>

#include "smb2/security/posix_acl.h"
#include "smb2/security/smbd_captures_testing.h"

namespace braid::smb2 {
namespace {

using Tag = PosixAcl::Tag;

vfs::Attributes games_attributes(vfs::Kind kind) {
  vfs::Attributes attributes;
  attributes.kind = kind;
  attributes.mode = 0775;
  attributes.uid = 5;
  attributes.gid = 60;
  return attributes;
}

Bytes hash_of(const NtAcl& acl) {
  return {acl.system_acl_hash->begin(), acl.system_acl_hash->begin() + 32};
}

TEST(NtAcl, WhatSmbdStoredForAFileIsUnderstood) {
  const auto acl = NtAcl::decode(from_hex(kSmbdFileNtAcl));
  ASSERT_TRUE(acl) << acl.error().message();
  EXPECT_EQ(acl->version, 4);
  EXPECT_EQ(acl->hash_type, NtAcl::kHashSha256);
  EXPECT_EQ(acl->description, "posix_acl");
  const wire::SecurityDescriptor& descriptor = acl->descriptor;
  EXPECT_EQ(descriptor.owner->to_string(), "S-1-5-21-4040022718-3503208800-815962961-1010");
  EXPECT_EQ(descriptor.group->rid(), 513u);
  ASSERT_TRUE(descriptor.dacl);
  ASSERT_EQ(descriptor.dacl->aces.size(), 3u);
  EXPECT_EQ(descriptor.dacl->aces[0].mask, 0x001f01ffu);
  EXPECT_EQ(descriptor.dacl->aces[2].sid, wire::sids::kEveryone);
}

TEST(NtAcl, EncodesToTheBytesOfSmbdButForTheOrderWithinTheDescriptor) {
  const Bytes stored = from_hex(kSmbdFileNtAcl);
  auto acl = NtAcl::decode(stored);
  ASSERT_TRUE(acl);
  const Bytes written = acl->encode().value();
  ASSERT_EQ(written.size(), stored.size());
  constexpr size_t kDescriptorAt = 160;
  EXPECT_TRUE(std::equal(stored.begin(), stored.begin() + kDescriptorAt + 4, written.begin()));
  const auto again = NtAcl::decode(written);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->descriptor, acl->descriptor);
}

TEST(NtAcl, TheOldVersionsAreRead) {
  wire::SecurityDescriptor descriptor;
  descriptor.owner = wire::sids::kAdministrators;
  for (const uint16_t version : {1, 2, 3}) {
    Bytes bytes;
    wire::Writer w(bytes);
    w.u16(version);
    w.u16(version);
    w.u32(0x20000);
    if (version >= 2) w.u32(0x20004);
    if (version == 2) w.zeros(16);
    if (version == 3) {
      w.u16(1);
      w.zeros(64);
    }
    w.align(4);
    const auto base = static_cast<uint32_t>(w.position());
    EXPECT_TRUE(descriptor.encode(w));
    w.patch_u32(base + 4, base + 20);  // the owner's offset, the only one there is
    const auto acl = NtAcl::decode(bytes);
    ASSERT_TRUE(acl) << version << ": " << acl.error().message();
    EXPECT_EQ(acl->descriptor.owner, wire::sids::kAdministrators);
    EXPECT_FALSE(acl->system_acl_hash);
  }
}

TEST(NtAcl, CutAnywhereItFails) {
  const Bytes stored = from_hex(kSmbdFileNtAcl);
  for (size_t size = 0; size < stored.size(); ++size) {
    EXPECT_FALSE(NtAcl::decode(ByteView(stored).first(size))) << size;
  }
}

TEST(NtAcl, AnOffsetIntoWhatIsBeforeTheDescriptorFails) {
  Bytes stored = from_hex(kSmbdFileNtAcl);
  stored[164] = 20;  // the owner, counted from the descriptor and not from the attribute
  EXPECT_FALSE(NtAcl::decode(stored));
}

TEST(PosixAcl, TheHashOfAFileIsTheOneSmbdStored) {
  const auto access = PosixAcl::decode(from_hex(kSmbdAccessList));
  ASSERT_TRUE(access);
  const auto digest = system_acl_hash(games_attributes(vfs::Kind::kFile), *access, {});
  EXPECT_EQ(Bytes(digest.begin(), digest.end()), hash_of(*NtAcl::decode(from_hex(kSmbdFileNtAcl))));
}

TEST(PosixAcl, TheHashOfADirectoryWithADefaultListIsTheOneSmbdStored) {
  const auto list = PosixAcl::decode(from_hex(kSmbdAccessList));
  ASSERT_TRUE(list);
  const auto digest = system_acl_hash(games_attributes(vfs::Kind::kDirectory), *list, *list);
  EXPECT_EQ(Bytes(digest.begin(), digest.end()),
            hash_of(*NtAcl::decode(from_hex(kSmbdDirectoryNtAcl))));
}

TEST(PosixAcl, EncodesToTheBytesOfTheKernel) {
  const Bytes bytes = from_hex(kSmbdAccessList);
  EXPECT_EQ(PosixAcl::decode(bytes)->encode(), bytes);
}

TEST(PosixAcl, TheKernelTakesTheFirstClassAUserIsIn) {
  const PosixAcl acl = {{{Tag::kOwner, 4, 0},
                         {Tag::kUser, 7, 1000},
                         {Tag::kGroup, 2, 0},
                         {Tag::kNamedGroup, 4, 70},
                         {Tag::kMask, 6, 0},
                         {Tag::kOther, 1, 0}}};
  const auto attributes = games_attributes(vfs::Kind::kFile);
  EXPECT_EQ(kernel_permissions({5, 60, {}}, attributes, acl), 4u);
  EXPECT_EQ(kernel_permissions({1000, 60, {}}, attributes, acl), 6u);
  EXPECT_EQ(kernel_permissions({1001, 60, {70}}, attributes, acl), 6u);
  EXPECT_EQ(kernel_permissions({1001, 61, {}}, attributes, acl), 1u);
  EXPECT_EQ(kernel_permissions({0, 0, {}}, attributes, acl), 7u);
}

}  // namespace
}  // namespace braid::smb2
