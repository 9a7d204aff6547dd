#include "apps/braidd/pending_list.h"

#include <algorithm>
#include <cerrno>

namespace braid::braidd {
namespace {

size_t header_size_of(Service service) {
  return service == Service::kSmb ? kTransportHeaderBytes : kPduHeaderBytes;
}

// Receives into `into` from `got` on. False: the connection is over.
bool receive(int socket, MutableByteView into, size_t& got) {
  while (got < into.size()) {
    const ssize_t count = ::recv(socket, into.data() + got, into.size() - got, MSG_DONTWAIT);
    if (count > 0) {
      got += static_cast<size_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
  }
  return true;
}

}  // namespace

std::optional<uint64_t> PendingList::add(UniqueFd socket, const PeerAddress& address,
                                         Clock::Instant now, Service service) {
  if (shares_.held_by(address) >= limits_.pending_per_address_max) return std::nullopt;
  while (!shares_.take(address)) {
    const auto own = std::ranges::find(entries_, address, &Entry::address);
    if (own == entries_.end() && entries_.empty()) return std::nullopt;
    erase(own == entries_.end() ? entries_.begin() : own);
  }
  const uint64_t key = ++next_key_;
  const auto deadline =
      now + std::chrono::duration_cast<Clock::Instant::duration>(limits_.first_frame_time);
  entries_.push_back(Entry{.key = key,
                           .socket = std::move(socket),
                           .address = address,
                           .deadline = deadline,
                           .service = service,
                           .frame = {}});
  by_key_.emplace(key, std::prev(entries_.end()));
  return key;
}

PendingList::Progress PendingList::read(uint64_t key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return Progress::kDropped;
  const Progress progress = fill(*found->second);
  if (progress == Progress::kDropped) erase(found->second);
  return progress;
}

PendingList::Progress PendingList::fill(Entry& entry) {
  const size_t header_size = header_size_of(entry.service);
  if (entry.header_got < header_size) {
    const auto header = MutableByteView(entry.header).first(header_size);
    if (!receive(entry.socket.get(), header, entry.header_got)) return Progress::kDropped;
    if (entry.header_got < header_size) return Progress::kWaiting;
    if (!begin_frame(entry)) return Progress::kDropped;
  }
  if (!receive(entry.socket.get(), entry.frame.view(), entry.frame_got)) return Progress::kDropped;
  return entry.frame_got == entry.frame.size() ? Progress::kComplete : Progress::kWaiting;
}

bool PendingList::begin_frame(Entry& entry) const {
  const size_t bytes_max = limits_.first_frame_bytes_max;
  if (entry.service == Service::kSmb) {
    const auto header = ByteView(entry.header).first(kTransportHeaderBytes);
    const auto length = decode_transport_header(header, bytes_max);
    if (length) entry.frame = Buffer(*length);
    return length.has_value();
  }
  const auto length = decode_bind_header(entry.header, bytes_max);
  if (!length) return false;
  entry.frame = Buffer(*length);
  std::ranges::copy(entry.header, entry.frame.data());
  entry.frame_got = entry.header.size();
  return true;
}

PendingList::Complete PendingList::take(uint64_t key) {
  const auto found = by_key_.find(key)->second;
  Complete complete{std::move(found->socket), std::move(found->frame), found->service};
  erase(found);
  return complete;
}

std::vector<PendingList::Read> PendingList::take_all() {
  std::vector<Read> all;
  for (Entry& entry : entries_) {
    // That of a PDU stands in its frame, too.
    const bool is_in_frame = entry.service != Service::kSmb && entry.frame_got > 0;
    const size_t of_header = is_in_frame ? 0 : entry.header_got;
    Bytes got(entry.header.begin(), entry.header.begin() + static_cast<std::ptrdiff_t>(of_header));
    const ByteView of_frame = entry.frame.view().first(entry.frame_got);
    got.insert(got.end(), of_frame.begin(), of_frame.end());
    if (got.size() > kLinkMessageMax) continue;
    all.push_back({std::move(entry.socket), std::move(got), entry.service});
  }
  clear();
  return all;
}

bool PendingList::resume(uint64_t key, ByteView got) {
  const auto found = by_key_.find(key)->second;
  Entry& entry = *found;
  const size_t header_size = header_size_of(entry.service);
  entry.header_got = std::min(got.size(), header_size);
  std::ranges::copy(got.first(entry.header_got), entry.header.begin());
  if (entry.header_got < header_size) return true;
  got = got.subspan(header_size);
  if (!begin_frame(entry) || got.size() > entry.frame.size() - entry.frame_got) {
    erase(found);
    return false;
  }
  std::ranges::copy(got, entry.frame.data() + entry.frame_got);
  entry.frame_got += got.size();
  return true;
}

size_t PendingList::expire(Clock::Instant now) {
  size_t count = 0;
  while (!entries_.empty() && entries_.front().deadline <= now) {
    drop_oldest();
    ++count;
  }
  return count;
}

void PendingList::drop_oldest() {
  if (!entries_.empty()) erase(entries_.begin());
}

void PendingList::clear() {
  while (!entries_.empty()) drop_oldest();
}

std::optional<Clock::Instant> PendingList::next_deadline() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.front().deadline;
}

int PendingList::fd(uint64_t key) const { return by_key_.at(key)->socket.get(); }

void PendingList::erase(Entries::iterator entry) {
  shares_.give_back(entry->address);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace braid::braidd
