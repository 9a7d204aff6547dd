#include "auth/user_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace braid::auth {
namespace {

constexpr size_t kNonceSize = 12;
constexpr size_t kHashSize = 16;
constexpr size_t kSealedSize = kNonceSize + kHashSize + crypto::kSignatureSize;

std::string to_hex(ByteView bytes) {
  std::string text;
  for (uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Error::malformed());
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  Bytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return fail(Error::malformed());
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

std::string seal_user_line(const User& user, const crypto::CipherKey& key) {
  std::string flags;
  if (user.is_disabled) flags += 'D';
  if (user.is_admin) flags += 'A';
  if (user.is_removed) flags += 'R';
  const std::string open_part = user.name + ":" + user.unix_user + ":" + flags;

  crypto::Nonce nonce{};
  crypto::random_bytes(MutableByteView(nonce).first(kNonceSize));
  const auto hash = crypto::Secret::padded(user.nt_hash.reveal(), kHashSize);
  Bytes sealed(hash.reveal().begin(), hash.reveal().end());
  const MutableByteView parts[] = {sealed};
  const crypto::Tag tag = key.seal(nonce, as_bytes(open_part), parts);
  return open_part + ":" + to_hex(ByteView(nonce).first(kNonceSize)) + to_hex(sealed) + to_hex(tag);
}

Result<User> open_user_line(std::string_view line, const crypto::CipherKey& key) {
  std::array<std::string_view, 4> fields;
  std::string_view rest = line;
  for (size_t i = 0; i < fields.size(); ++i) {
    const size_t end = rest.find(':');
    if ((end == std::string_view::npos) != (i + 1 == fields.size())) {
      return fail(Error::malformed());
    }
    fields[i] = rest.substr(0, end);
    if (end != std::string_view::npos) rest.remove_prefix(end + 1);
  }
  User user;
  user.name = fields[0];
  user.unix_user = fields[1];
  for (char flag : fields[2]) {
    if (flag == 'D') {
      user.is_disabled = true;
    } else if (flag == 'A') {
      user.is_admin = true;
    } else if (flag == 'R') {
      user.is_removed = true;
    } else {
      return fail(Error::malformed());
    }
  }
  BRAID_TRY(Bytes sealed, from_hex(fields[3]));
  if (sealed.size() != kSealedSize) return fail(Error::malformed());
  crypto::Nonce nonce{};
  std::copy_n(sealed.begin(), kNonceSize, nonce.begin());
  const std::string_view open_part = line.substr(0, line.size() - fields[3].size() - 1);
  const auto hash = MutableByteView(sealed).subspan(kNonceSize, kHashSize);
  BRAID_CHECK(
      key.open(nonce, as_bytes(open_part), hash, ByteView(sealed).subspan(kNonceSize + kHashSize)));
  user.nt_hash = crypto::Secret(hash);
  crypto::wipe(hash);
  return user;
}

}  // namespace braid::auth
