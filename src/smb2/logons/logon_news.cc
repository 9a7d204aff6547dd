#include "smb2/logons/logon_news.h"

#include <string>
#include <utility>

#include "base/printable.h"
#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {
namespace {

// Names are cut to what an account or an address can be.
constexpr size_t kNameMax = 512;

}  // namespace

void LogonMessage::encode(wire::Writer& w) const {
  w.value(news);
  encode_text(cut_text(claim.address, kNameMax), w);
  encode_text(cut_text(claim.account, kNameMax), w);
}

Result<LogonMessage> LogonMessage::decode(wire::Reader& r) {
  using News = auth::LogonPenalties::News;
  LogonMessage message;
  message.news = r.as<News>();
  r.expect(message.news <= News::kFailedNotAfterAll);
  message.claim.address = decode_text(r);
  message.claim.account = decode_text(r);
  return r.finish(std::move(message));
}

LogonNews::LogonNews(auth::LogonPenalties& penalties, OtherWorkers& workers) : workers_(workers) {
  workers.on_told(store::Topic::kLogons, [&penalties](ByteView bytes) {
    wire::Reader r(bytes);
    if (const auto told = LogonMessage::decode(r)) penalties.hear(told->claim, told->news);
  });
}

void LogonNews::tell(const auth::LogonClaim& claim, auth::LogonPenalties::News news) {
  if (!workers_.any()) return;
  workers_.tell(store::Topic::kLogons, bytes_of(LogonMessage{claim, news}));
}

}  // namespace braid::smb2
