// Streams, extended attributes, quotas and change notifications.
#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/fscc/captured_testing.h"
#include "wire/fscc/full_ea.h"
#include "wire/fscc/notify.h"
#include "wire/fscc/quota.h"
#include "wire/fscc/stream_information.h"

namespace braid::wire {
namespace {

TEST(Streams, CapturedListRoundTrips) {
  const Bytes bytes = unhex(captured::kStream);
  const auto streams = decode_streams(bytes);
  ASSERT_TRUE(streams);
  ASSERT_EQ(streams->size(), 2u);
  EXPECT_EQ((*streams)[0].stream_name, ":strm:$DATA");
  EXPECT_EQ((*streams)[0].stream_size, 3u);
  EXPECT_EQ((*streams)[1].stream_name, "::$DATA");
  EXPECT_EQ(encode_streams(*streams, SIZE_MAX).bytes, bytes);
  const EncodedList cut = encode_streams(*streams, bytes.size() - 1);
  EXPECT_EQ(cut.count, 1u);
  EXPECT_EQ(decode_streams(cut.bytes)->size(), 1u);
}

// Two attributes as smbclient's setea and the section's layout have them: "AB" = 010203, "CDE" =
// 04.
constexpr char kEas[] =
    "10000000 00 02 0300 414200 010203 0000"
    "00000000 80 03 0100 43444500 04";

TEST(FullEa, ListRoundTrips) {
  const Bytes bytes = unhex(kEas);
  const auto eas = decode_full_eas(bytes);
  ASSERT_TRUE(eas);
  ASSERT_EQ(eas->size(), 2u);
  EXPECT_EQ((*eas)[0], (FullEa{0, "AB", {1, 2, 3}}));
  EXPECT_EQ((*eas)[1], (FullEa{FullEa::kNeedEa, "CDE", {4}}));
  size_t count = 0;
  EXPECT_EQ(encode_full_eas(*eas, SIZE_MAX, &count), bytes);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(ea_size(*eas), 4u + (4 + 2 + 1 + 3) + (4 + 3 + 1 + 1));
}

TEST(FullEa, FaultsAreEaListInconsistentAndSayWhere) {
  // Value beyond the entry in the second; offset not a multiple of 4; name without terminator.
  size_t where = 99;
  Bytes bytes = unhex(kEas);
  bytes[16 + 6] = 200;
  EXPECT_EQ(decode_full_eas(bytes, &where).error(), Error(NtStatus::kEaListInconsistent));
  EXPECT_EQ(where, 16u);
  bytes = unhex(kEas);
  bytes[0] = 0x11;
  EXPECT_EQ(decode_full_eas(bytes).error(), Error(NtStatus::kEaListInconsistent));
  bytes = unhex(kEas);
  bytes[10] = 'x';
  EXPECT_EQ(decode_full_eas(bytes).error(), Error(NtStatus::kEaListInconsistent));
}

TEST(FullEa, NamesOfAQueryRoundTrip) {
  const std::vector<std::string> names = {"A", "LONGER.NAME", ""};
  EXPECT_EQ(*decode_ea_names(encode_ea_names(names)), names);
  EXPECT_EQ(decode_ea_names(unhex("00000000 05 4142")).error(),
            Error(NtStatus::kEaListInconsistent));
}

TEST(FullEa, NamesWithForbiddenCharactersAreInvalid) {
  EXPECT_TRUE(validate_ea_name("SETFILELEN"));
  EXPECT_FALSE(validate_ea_name(""));
  EXPECT_FALSE(validate_ea_name("a:b"));
  EXPECT_FALSE(validate_ea_name("a\x01"));
  EXPECT_FALSE(validate_ea_name(std::string(255, 'a')));
}

TEST(Quota, ListRoundTrips) {
  FileQuotaInformation a;
  a.quota_used = 5;
  a.sid = Sid{5, {21, 1, 2, 3, 1000}};
  FileQuotaInformation b;
  b.quota_limit = 1 << 20;
  b.sid = sids::kAdministrators;
  const Bytes bytes = encode_quotas({a, b}, SIZE_MAX);
  EXPECT_EQ(*decode_quotas(bytes), (std::vector{a, b}));
  EXPECT_EQ(*decode_quota_sids(encode_quota_sids({a.sid, b.sid})), (std::vector{a.sid, b.sid}));
}

// The layout of [MS-FSCC] 2.4.41: BUILTIN\\Administrators without limits, then S-1-22-1-1000.
constexpr char kQuotas[] =
    "38000000 10000000 0000000000000000 0020000000000000 ffffffffffffffff ffffffffffffffff"
    "01020000 00000005 20000000 20020000"
    "00000000 10000000 0080c0d1a1b2d901 0100000000000000 0000100000000000 0000200000000000"
    "01020000 00000016 01000000 e8030000";

TEST(Quota, BytesAreThoseOfTheSpecification) {
  const Bytes bytes = unhex(kQuotas);
  const auto quotas = decode_quotas(bytes);
  ASSERT_TRUE(quotas);
  ASSERT_EQ(quotas->size(), 2u);
  EXPECT_EQ((*quotas)[0].sid, sids::kAdministrators);
  EXPECT_EQ((*quotas)[0].quota_used, 0x2000u);
  EXPECT_EQ((*quotas)[0].quota_limit, FileQuotaInformation::kNoLimit);
  EXPECT_EQ((*quotas)[1].sid, sids::kUnixUsers.with_rid(1000));
  EXPECT_EQ((*quotas)[1].quota_threshold, 1u << 20);
  EXPECT_EQ((*quotas)[1].quota_limit, 1u << 21);
  EXPECT_EQ(encode_quotas(*quotas, SIZE_MAX), bytes);
  size_t count = 0;
  EXPECT_EQ(encode_quotas(*quotas, bytes.size() - 1, &count).size(), 56u);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(size_t{FileQuotaInformation::kSizeMin}, 52u);
}

TEST(Quota, CutOrMisalignedListsAreRefused) {
  const Bytes bytes = unhex(kQuotas);
  for (size_t size = 1; size < bytes.size(); ++size) {
    const auto cut = decode_quotas(ByteView(bytes).first(size));
    ASSERT_FALSE(cut) << size;
    EXPECT_TRUE(cut.error() == Error::truncated() || cut.error() == Error::malformed()) << size;
  }
  Bytes misaligned = bytes;
  misaligned[0] = 0x3c;
  EXPECT_EQ(decode_quotas(misaligned).error(), Error::malformed());
  Bytes backwards = bytes;
  backwards[0] = 0x08;
  EXPECT_EQ(decode_quotas(backwards).error(), Error::truncated());
}

TEST(Quota, SidLengthThatDoesNotMatchTheSidIsRefused) {
  EXPECT_EQ(decode_quota_sids(unhex("00000000 0c000000 0102000000000005 20000000")).error(),
            Error::truncated());
  EXPECT_EQ(
      decode_quota_sids(unhex("00000000 10000000 0101000000000005 20000000 00000000")).error(),
      Error::malformed());
}

TEST(Notify, ListIsAlignedToFour) {
  const std::vector<FileNotifyInformation> changes = {{FileAction::kRenamedOldName, "a"},
                                                      {FileAction::kRenamedNewName, "dir\\b"}};
  const Bytes bytes = encode_notify(changes, SIZE_MAX);
  EXPECT_EQ(bytes, unhex("10000000 04000000 02000000 6100 0000"
                         "00000000 05000000 0a000000 6400690072005c006200"));
  EXPECT_EQ(*decode_notify(bytes), changes);
  EXPECT_LE(bytes.size(), notify_entry_size(2) + notify_entry_size(10));
  EXPECT_TRUE(encode_notify(changes, bytes.size() - 1).empty());
}

// The layouts of [MS-FSCC] 2.4.49 and 2.4.41 with a value of its own in each field; every cut that
// leaves an entry begun is refused.
TEST(Lists, BytesAreThoseOfTheSections) {
  const Bytes streams = unhex(
      "20000000 04000000 1112131415161718 2122232425262728 61006200 00000000"
      "00000000 02000000 3132333435363738 4142434445464748 6300");
  const auto decoded = decode_streams(streams);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded,
            (std::vector<FileStreamInformation>{{0x1817161514131211, 0x2827262524232221, "ab"},
                                                {0x3837363534333231, 0x4847464544434241, "c"}}));
  EXPECT_EQ(encode_streams(*decoded, streams.size()).bytes, streams);
  EXPECT_EQ(encode_streams(*decoded, SIZE_MAX).count, 2u);
  for (size_t size = 1; size < streams.size(); ++size) {
    const auto cut = decode_streams(ByteView(streams).first(size));
    ASSERT_FALSE(cut) << size;
    // Below that the list itself is broken.
    EXPECT_EQ(cut.error(), size >= 36 ? Error::truncated() : Error::malformed()) << size;
  }
  EXPECT_EQ(decode_streams(ByteView(streams).subspan(32, 20)).error(), Error::truncated());

  const Bytes quotas = unhex(
      "00000000 10000000 1112131415161718 2122232425262728 3132333435363738 4142434445464748"
      "0102000000000005 20000000 20020000");
  EXPECT_EQ(decode_quotas(quotas).value(),
            (std::vector<FileQuotaInformation>{{{0x1817161514131211},
                                                0x2827262524232221,
                                                0x3837363534333231,
                                                0x4847464544434241,
                                                sids::kAdministrators}}));
  EXPECT_EQ(encode_quotas(decode_quotas(quotas).value(), quotas.size()), quotas);
}

TEST(Notify, CutsAreRefusedAndNamesAreWhole) {
  const Bytes bytes = unhex("00000000 05000000 04000000 61006200");
  EXPECT_EQ(decode_notify(bytes).value(),
            (std::vector<FileNotifyInformation>{{FileAction::kRenamedNewName, "ab"}}));
  for (size_t size = 4; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_notify(ByteView(bytes).first(size)).error(), Error::truncated()) << size;
  }
  EXPECT_EQ(decode_notify(unhex("00000000 05000000 03000000 61006200")).error(),
            Error::malformed());
  // Up to the next multiple of four.
  for (const size_t name : {0u, 2u, 4u}) {
    EXPECT_EQ(notify_entry_size(name), name == 0 ? 12u : 16u) << name;
  }
}

TEST(FullEa, CutsAreRefusedAndNamesHaveTheirEnd) {
  const Bytes bytes = unhex("00000000 80 03 0200 43444500 0405");
  EXPECT_EQ(decode_full_eas(bytes).value(), (std::vector{FullEa{0x80, "CDE", {4, 5}}}));
  for (size_t size = 1; size < bytes.size(); ++size) {
    size_t where = 99;
    EXPECT_EQ(decode_full_eas(ByteView(bytes).first(size), &where).error(),
              Error(NtStatus::kEaListInconsistent))
        << size;
    EXPECT_EQ(where, 0u) << size;
  }
  EXPECT_EQ(decode_ea_names(unhex("00000000 02 4142 01")).error(),
            Error(NtStatus::kEaListInconsistent));
  EXPECT_EQ(decode_ea_names(unhex("02000000 02 4142 00")).error(),
            Error(NtStatus::kEaListInconsistent));
  EXPECT_EQ(encode_ea_names({"AB", "C"}), unhex("08000000 02 4142 00 00000000 01 43 00"));
  EXPECT_EQ(ea_size({}), 0u);
  EXPECT_TRUE(validate_ea_name(std::string(254, 'a')));
  EXPECT_TRUE(validate_ea_name(" "));
  EXPECT_EQ(validate_ea_name("\x1F").error(), Error(NtStatus::kInvalidEaName));
  for (const char c : std::string_view("\\/:*?\"<>|,+=[];")) {
    EXPECT_EQ(validate_ea_name(std::string("a") + c).error(), Error(NtStatus::kInvalidEaName)) << c;
  }
}

}  // namespace
}  // namespace braid::wire
