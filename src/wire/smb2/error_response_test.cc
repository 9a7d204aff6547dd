#include "wire/smb2/error_response.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/header.h"

namespace braid::wire {
namespace {

TEST(ErrorResponse, EmptyOneSendsOneByteOfErrorData) {
  Bytes out;
  Writer w(out);
  ErrorResponse{}.encode(w);
  EXPECT_EQ(out, unhex("0900 00 00 00000000 00"));
  EXPECT_TRUE(decode_payload<ErrorResponse>(out)->default_data().empty());
}

TEST(ErrorResponse, BufferTooSmallHasBothForms) {
  Bytes bare;
  Writer bare_writer(bare);
  encode_buffer_too_small(bare_writer, 0x1234, ErrorDataForm::kBare);
  EXPECT_EQ(bare, unhex("0900 00 00 04000000 34120000"));
  Bytes context;
  Writer context_writer(context);
  encode_buffer_too_small(context_writer, 0x1234, ErrorDataForm::kContext);
  EXPECT_EQ(context, unhex("0900 01 00 0C000000 04000000 00000000 34120000"));
  for (const Bytes& body : {bare, context}) {
    const ByteView data = decode_payload<ErrorResponse>(body)->default_data();
    EXPECT_EQ(Bytes(data.begin(), data.end()), unhex("34120000"));
  }
}

// [MS-SMB2] 2.2.2.2.1.1 "Handling the Symbolic Link Error Response", the absolute example.
TEST(SymbolicLinkErrorResponse, ExampleHasTheLengthsOfTheSpecification) {
  SymbolicLinkErrorResponse link;
  link.unparsed_path_length = 0x2E;
  link.substitute_name = R"(\??\D:\DonHall\MiscDocuments\PDocs)";
  link.print_name = R"(D:\DonHall\MiscDocuments\PDocs)";
  Bytes out;
  Writer w(out);
  link.encode(w);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 28),
            unhex("98000000 53594D4C 0C0000A0 8C00 2E00 0000 4400 4400 3C00 00000000"));
  EXPECT_EQ(out.size(), 0x98u + 4);
  Reader r(out);
  const auto again = SymbolicLinkErrorResponse::decode(r);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->substitute_name, link.substitute_name);
  EXPECT_EQ(again->print_name, link.print_name);
}

TEST(SymbolicLinkErrorResponse, TravelsInsideAContext) {
  SymbolicLinkErrorResponse link;
  link.flags = SymbolicLinkErrorResponse::kFlagRelative;
  link.substitute_name = "target";
  Bytes out;
  Writer w(out);
  encode_symbolic_link_error(w, link, ErrorDataForm::kContext);
  const auto response = decode_payload<ErrorResponse>(out);
  ASSERT_TRUE(response);
  ASSERT_EQ(response->error_contexts.size(), 1u);
  Reader r(response->default_data());
  EXPECT_EQ(SymbolicLinkErrorResponse::decode(r)->substitute_name, "target");
}

TEST(ErrorResponse, ContextsStartAtMultiplesOfEight) {
  const Bytes data = unhex("0102030405");
  ErrorResponse response;
  response.error_contexts = {{ErrorId::kShareRedirect, data}, {ErrorId::kDefault, data}};
  Bytes out;
  Writer w(out);
  response.encode(w);
  const auto again = decode_payload<ErrorResponse>(out);
  ASSERT_TRUE(again);
  ASSERT_EQ(again->error_contexts.size(), 2u);
  EXPECT_EQ(again->error_contexts[1].error_context_data.size(), data.size());
}

TEST(ErrorResponse, ContextLongerThanTheDataIsMalformed) {
  EXPECT_EQ(decode_payload<ErrorResponse>(unhex("0900 01 00 08000000 01000000 00000000")).error(),
            Error::malformed());
  EXPECT_EQ(decode_payload<ErrorResponse>(unhex("0900 02 00 08000000 00000000 00000000")).error(),
            Error::malformed());
}

}  // namespace
}  // namespace braid::wire
