#include "rpc/verification_trailer.h"

#include <algorithm>
#include <array>

namespace braid::rpc {
namespace {

constexpr std::array<uint8_t, 8> kSignature = {0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71};
constexpr uint16_t kCommandMask = 0x3fff;
constexpr uint16_t kEnd = 0x4000;
constexpr uint16_t kMustProcess = 0x8000;
// All three commands take 84 bytes. Where stub data ends is not known before its call runs, so the
// trailer is looked for from the end; further in front there is data of the call's own.
constexpr size_t kSearchedMax = 1024;

enum class Command : uint16_t { kBitmask1 = 1, kPcontext = 2, kHeader2 = 3 };
constexpr uint32_t kClientSupportsHeaderSigning = 1;

bool agrees(Command command, wire::Reader& r, const VerifiedRequest& request) {
  switch (command) {
    case Command::kBitmask1:
      return (r.u32() & kClientSupportsHeaderSigning) == 0 || request.header_signing;
    case Command::kPcontext: {
      // Little-endian, whatever the request is.
      DrepReader syntaxes(r, wire::ByteOrder::kLittle);
      r.skip(2 * SyntaxId::kSize);
      const SyntaxId abstract = SyntaxId::decode(syntaxes);
      const SyntaxId transfer = SyntaxId::decode(syntaxes);
      return abstract == request.abstract_syntax && transfer == request.transfer_syntax;
    }
    case Command::kHeader2: {
      const auto type = r.as<PduType>();
      r.skip(3);
      const uint32_t drep = r.u32();
      const uint32_t call_id = r.u32();
      const uint16_t context_id = r.u16();
      const uint16_t opnum = r.u16();
      return type == PduType::kRequest && drep == request.drep && call_id == request.call_id &&
             context_id == request.context_id && opnum == request.opnum;
    }
  }
  return true;
}

// Malformed: the bytes only looked like a trailer. What contradicts is read to its end before.
Result<void> check_commands(wire::Reader r, const VerifiedRequest& request) {
  bool all_agree = true;
  for (;;) {
    const uint16_t head = r.u16();
    const uint16_t length = r.u16();
    wire::Reader body(r.bytes(length));
    if (!r.ok()) return fail(r.error());
    const auto command = static_cast<Command>(head & kCommandMask);
    const bool is_known = command >= Command::kBitmask1 && command <= Command::kHeader2;
    if (is_known) {
      all_agree = agrees(command, body, request) && all_agree;
      if (!body.ok() || body.remaining() != 0) return fail(Error::malformed());
    } else if ((head & kMustProcess) != 0) {
      all_agree = false;
    }
    if ((head & kEnd) != 0) break;
  }
  if (!all_agree) return fail(NtStatus::kAccessDenied);
  return {};
}

}  // namespace

Result<void> check_verification_trailer(ByteView stub, const VerifiedRequest& request) {
  const size_t first = stub.size() > kSearchedMax ? (stub.size() - kSearchedMax + 3) / 4 * 4 : 0;
  for (size_t at = stub.size() / 4 * 4 + 4; at > first;) {
    at -= 4;
    const ByteView here = stub.subspan(std::min(at, stub.size()));
    if (here.size() < kSignature.size()) continue;
    if (!std::equal(kSignature.begin(), kSignature.end(), here.begin())) continue;
    const auto checked = check_commands(wire::Reader(here, kSignature.size()), request);
    if (checked || checked.error() == Error(NtStatus::kAccessDenied)) return checked;
  }
  return {};
}

}  // namespace braid::rpc
