#include "wire/dtyp/security_descriptor.h"

#include <gtest/gtest.h>

#include <set>

#include "base/hex_testing.h"
#include "wire/golden_testing.h"

namespace braid::wire {
namespace {

// O:S-1-5-21-1-2-3-1000 G:S-1-5-21-1-2-3-513 D:PAI(A;OICI;FA;;;S-1-5-21-1-2-3-1000)(D;;0x1;;;WD)
// S:(AU;SAFA;FA;;;WD), as Samba 4.17 packs it: owner, group, SACL, DACL.
constexpr char kSamba[] =
    "0100149414000000300000004c00000068000000"
    "010500000000000515000000010000000200000003000000e8030000"
    "01050000000000051500000001000000020000000300000001020000"
    "04001c000100000002c01400ff010000010100000000000100000000"
    "040040000200000000032400ff010000010500000000000515000000010000000200000003000000e8030000"
    "0100140001000000010100000000000100000000";

// D:(OA;CI;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;AU)
constexpr char kObjectAce[] =
    "0100048000000000000000000000000014000000040040000100000005023800000100000300000070952900"
    "6d24d011a76800aa006e0529ba7a96bfe60dd011a28500aa003049e201010000000000050b000000";

Bytes acl_bytes(const Acl& acl) {
  Bytes out;
  Writer w(out);
  acl.encode(w);
  return out;
}

TEST(SecurityDescriptor, SambaVectorDecodes) {
  const Result<SecurityDescriptor> sd = SecurityDescriptor::decode(unhex(kSamba));
  ASSERT_TRUE(sd);
  EXPECT_EQ(sd->control, 0x9414);
  EXPECT_EQ(sd->owner->to_string(), "S-1-5-21-1-2-3-1000");
  EXPECT_EQ(sd->group->to_string(), "S-1-5-21-1-2-3-513");
  ASSERT_TRUE(sd->dacl);
  ASSERT_EQ(sd->dacl->aces.size(), 2u);
  EXPECT_EQ(sd->dacl->revision, 4);
  EXPECT_EQ(sd->dacl->aces[0],
            allow(*sd->owner, 0x1ff, ace_flag::kObjectInherit | ace_flag::kContainerInherit));
  EXPECT_EQ(sd->dacl->aces[1], deny(sids::kEveryone, 1));
  ASSERT_TRUE(sd->sacl);
  EXPECT_EQ(sd->sacl->aces.at(0).type, AceType::kSystemAudit);
  EXPECT_EQ(sd->sacl->aces.at(0).flags, 0xc0);
}

TEST(SecurityDescriptor, EncodingDecodesToTheSame) {
  for (const char* vector : {kSamba, kObjectAce}) {
    const Result<SecurityDescriptor> sd = SecurityDescriptor::decode(unhex(vector));
    ASSERT_TRUE(sd);
    const Bytes encoded = sd->encode().value();
    EXPECT_EQ(encoded.size(), sd->encoded_size());
    EXPECT_EQ(SecurityDescriptor::decode(encoded), *sd);
  }
}

TEST(SecurityDescriptor, ObjectAceKeepsItsGuids) {
  const Bytes bytes = unhex(kObjectAce);
  const Result<SecurityDescriptor> sd = SecurityDescriptor::decode(bytes);
  ASSERT_TRUE(sd);
  EXPECT_FALSE(sd->owner);
  ASSERT_EQ(sd->dacl->aces.size(), 1u);
  const Ace& ace = sd->dacl->aces[0];
  EXPECT_EQ(ace.mask, 0x100u);
  EXPECT_EQ(ace.sid, sids::kAuthenticatedUsers);
  ASSERT_TRUE(ace.object);
  EXPECT_TRUE(ace.object->object_type);
  EXPECT_TRUE(ace.object->inherited_object_type);
  // Only a DACL: our order of parts is the sender's, so the bytes are the same.
  EXPECT_EQ(sd->encode().value(), bytes);
}

TEST(SecurityDescriptor, NullDaclIsNotAnEmptyDacl) {
  const Result<SecurityDescriptor> null =
      SecurityDescriptor::decode(unhex("0100048000000000000000000000000000000000"));
  ASSERT_TRUE(null);
  EXPECT_TRUE(null->has_null_dacl());
  const Result<SecurityDescriptor> empty = SecurityDescriptor::decode(
      unhex("0100048000000000000000000000000014000000 0200080000000000"));
  ASSERT_TRUE(empty);
  EXPECT_FALSE(empty->has_null_dacl());
  ASSERT_TRUE(empty->dacl);
  EXPECT_TRUE(empty->dacl->aces.empty());
}

TEST(SecurityDescriptor, DaclWithoutPresentBitIsIgnored) {
  const Result<SecurityDescriptor> sd =
      SecurityDescriptor::decode(unhex("01000080000000000000000000000000ffffffff"));
  ASSERT_TRUE(sd);
  EXPECT_FALSE(sd->dacl);
  EXPECT_FALSE(sd->has_null_dacl());
}

TEST(SecurityDescriptor, OffsetsOutsideAreRefused) {
  // DACL past the end, owner past the end, owner inside the header, DACL near 2^32.
  for (const char* vector :
       {"0100048000000000000000000000000015000000", "0100008014000000000000000000000000000000",
        "0100008004000000000000000000000000000000", "01000480000000000000000000000000f0ffffff"}) {
    EXPECT_FALSE(SecurityDescriptor::decode(unhex(vector))) << vector;
  }
}

TEST(SecurityDescriptor, AbsoluteFormIsMalformed) {
  EXPECT_EQ(SecurityDescriptor::decode(unhex("0100000000000000000000000000000000000000")).error(),
            Error::malformed());
}

// A folder's inherited entries and those that came with the file, say, are more than either.
TEST(SecurityDescriptor, ListThatIsTooLongIsNotEncoded) {
  SecurityDescriptor sd;
  sd.owner = sids::kAdministrators;
  sd.dacl.emplace();
  const Ace entry = allow(sids::kAdministrators, 1);
  const size_t most = (Acl::kSizeMax - Acl::kHeaderSize) / entry.encoded_size();
  sd.dacl->aces.assign(most, entry);
  const auto encoded = sd.encode();
  ASSERT_TRUE(encoded);
  EXPECT_EQ(SecurityDescriptor::decode(*encoded).value().dacl, sd.dacl);
  sd.dacl->aces.push_back(entry);
  EXPECT_EQ(sd.encode().error(), Error(NtStatus::kInvalidAcl));
  std::swap(sd.dacl, sd.sacl);
  EXPECT_EQ(sd.encode().error(), Error(NtStatus::kInvalidAcl));
}

TEST(Acl, CountLargerThanTheBytesIsMalformed) {
  const Bytes bytes = unhex("02000800ffff0000");
  Reader r(bytes);
  EXPECT_EQ(Acl::decode(r).error(), Error::malformed());
}

TEST(Acl, SizeLargerThanTheBytesIsTruncated) {
  const Bytes bytes = unhex("02001000000000000000");
  Reader r(bytes);
  EXPECT_EQ(Acl::decode(r).error(), Error::truncated());
}

TEST(Acl, AceWhoseSidOverrunsItIsRefused) {
  // AceSize 20, SID with two subauthorities needs 24.
  const Bytes bytes = unhex("02001c0001000000 00001400 ff011f00 0102000000000005 20000000");
  Reader r(bytes);
  EXPECT_FALSE(Acl::decode(r));
}

TEST(Acl, AceSizesBelowTheHeaderOrOddAreMalformed) {
  for (const char* vector : {"0200180001000000 00000000 00000000 00000000 00000000",
                             "0200180001000000 00000600 00000000 00000000 00000000"}) {
    const Bytes bytes = unhex(vector);
    Reader r(bytes);
    EXPECT_EQ(Acl::decode(r).error(), Error::malformed()) << vector;
  }
}

TEST(Acl, UnknownAndCallbackEntriesKeepTheirBytes) {
  // Type 0x20, not known; type 9 with a condition after the SID.
  const Bytes bytes = unhex(
      "0200340002000000"
      "20020c00 deadbeef 01020304"
      "09002000 89001200 0102000000000005 20000000 20020000 61727478 00000000");
  Reader r(bytes);
  const Result<Acl> acl = Acl::decode(r);
  ASSERT_TRUE(acl);
  EXPECT_EQ(acl->aces[0].rest, unhex("deadbeef01020304"));
  EXPECT_EQ(acl->aces[1].sid, sids::kAdministrators);
  EXPECT_EQ(acl->aces[1].rest, unhex("6172747800000000"));
  EXPECT_EQ(acl_bytes(*acl), bytes);
}

TEST(Acl, MoreThan64KibIsInvalid) {
  Acl acl;
  acl.aces.assign(3300, allow(sids::kEveryone, 1));
  EXPECT_EQ(acl.check().error(), Error(NtStatus::kInvalidAcl));
  acl.aces.resize(3000);
  EXPECT_TRUE(acl.check());
}

TEST(GoldenDtyp, SecurityDescriptor) {
  SecurityDescriptor sd;
  sd.resource_manager_control = 0x21;
  sd.control = sd_control::kSelfRelative | sd_control::kSaclPresent | sd_control::kDaclPresent;
  sd.owner = sids::kAdministrators;
  sd.group = sids::kUsers;
  Ace audit = allow(sids::kEveryone, 0x14131211, 0xC0);
  audit.type = AceType::kSystemAudit;
  sd.sacl = Acl{2, {audit}};
  Ace object = allow(sids::kAuthenticatedUsers, 0x24232221, 0x02);
  object.type = AceType::kAccessAllowedObject;
  object.object = AceObjectTypes{id_from<Guid>(0xA0), {}};
  Ace inherited = allow(sids::kAnonymous, 0x34333231, 0x04);
  inherited.type = AceType::kAccessDeniedObject;
  inherited.object = AceObjectTypes{{}, id_from<Guid>(0xB0)};
  sd.dacl = Acl{4, {object, inherited}};
  golden<SecurityDescriptor>(
      sd,
      "01 21 1480 88000000 98000000 14000000 30000000"
      "02 (00) [1C]00 0100 (0000) 02 C0 1400 11121314 0101000000000001 00000000"
      "04 (00) [58]00 0200 (0000)"
      "05 02 2800 21222324 01[000000] A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 0101000000000005 0B000000"
      "06 04 2800 31323334 02[000000] B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF 0101000000000005 07000000"
      "0102000000000005 20000000 20020000 0102000000000005 20000000 21020000");
  EXPECT_EQ(sd.encoded_size(), sd.encode().value().size());
}

TEST(GoldenDtyp, SidAndAcl) {
  golden<Sid>(Sid{0x010203040506, {0x14131211, 0x24232221}},
              "01 02 010203040506 11121314 21222324");
  golden<Ace>(deny(Sid{5, {0x24232221}}, 0x14131211, 0x12),
              "01 12 1400 11121314 0101000000000005 21222324");
  golden<Acl>(Acl{3, {allow(Sid{5, {0x24232221}}, 0x14131211, 0x12)}},
              "03 (00) [1C]00 0100 (0000) 00 12 1400 11121314 0101000000000005 21222324");
}

TEST(Acl, RevisionsAndSizesAreTakenUpToTheirBounds) {
  const auto decoded = [](std::string_view hex) {
    const Bytes bytes = unhex(hex);
    Reader r(bytes);
    return Acl::decode(r);
  };
  for (const char* good : {"0200080000000000", "0300080000000000", "0400080000000000"}) {
    EXPECT_TRUE(decoded(good)) << good;
  }
  for (const char* bad : {"0100080000000000", "0500080000000000", "0200070000000000"}) {
    EXPECT_EQ(decoded(bad).error(), Error::malformed()) << bad;
  }
  // An entry of a header alone, and one byte short of room for two.
  EXPECT_EQ(decoded("02000C0001000000 20000400").value().aces.size(), 1u);
  EXPECT_EQ(decoded("02000F0002000000 20000400 200004").error(), Error::malformed());
  EXPECT_EQ(decoded("02000C0001000000 20000000").error(), Error::malformed());
}

TEST(Acl, SizesBesideTheBoundAreToldApart) {
  Acl acl;
  Ace fill;
  fill.type = static_cast<AceType>(0x20);  // header and bytes alone
  fill.rest = Bytes(Acl::kSizeMax - Acl::kHeaderSize - 4 - 3, 1);
  acl.aces = {fill};
  ASSERT_EQ(acl.encoded_size(), 0xfffcu);
  EXPECT_TRUE(acl.check());
  acl.aces[0].rest.resize(acl.aces[0].rest.size() + 1);
  ASSERT_EQ(acl.encoded_size(), 0x10000u);
  EXPECT_EQ(acl.check().error(), Error(NtStatus::kInvalidAcl));
}

TEST(Ace, KindsAreThoseOfTheirTypes) {
  // [MS-DTYP] 2.4.4.1 "ACE_HEADER": those with a mask and a SID, and of them those with GUIDs.
  const std::set<int> object = {0x05, 0x06, 0x07, 0x08, 0x0B, 0x0C, 0x0F, 0x10};
  for (int type = 0; type < 0x100; ++type) {
    Ace ace;
    ace.type = static_cast<AceType>(type);
    EXPECT_EQ(ace.is_object(), object.contains(type)) << type;
    EXPECT_EQ(ace.has_sid(), type <= 0x13 && type != 0x04) << type;
  }
}

TEST(SecurityDescriptor, PartRightBehindTheHeaderIsTakenAndOneWithinItRefused) {
  const std::string sid = "0101 000000000005 12000000";
  EXPECT_EQ(SecurityDescriptor::decode(unhex("01000080 14000000 00000000 00000000 00000000" + sid))
                .value()
                .owner,
            sids::kLocalSystem);
  EXPECT_EQ(SecurityDescriptor::decode(unhex("01000080 13000000 00000000 00000000 00000000" + sid))
                .error(),
            Error::malformed());
}

// [MS-DTYP] 2.4.6: an ACL that is there is said to be, whatever the control says.
TEST(SecurityDescriptor, ListsThatAreThereAreSaidToBe) {
  SecurityDescriptor sd = SecurityDescriptor::decode(unhex(kSamba)).value();
  sd.control = 0;
  for (const bool has_sacl : {true, false}) {
    if (!has_sacl) sd.sacl.reset();
    Bytes out;
    Writer w(out);
    ASSERT_TRUE(sd.encode(w));
    const auto back = SecurityDescriptor::decode(out);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->sacl.has_value(), has_sacl);
    EXPECT_TRUE(back->dacl.has_value());
    EXPECT_EQ((back->control & sd_control::kSaclPresent) != 0, has_sacl);
  }
}

}  // namespace
}  // namespace braid::wire
