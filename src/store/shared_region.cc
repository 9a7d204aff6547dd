#include "store/shared_region.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

namespace braid::store {
namespace {

constexpr size_t kPage = 4096;

size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

bool make_locks(DeviceLocks& locks) {
  return std::ranges::all_of(locks.mutexes, RobustMutex::init);
}

}  // namespace

size_t SharedRegion::locks_begin() { return whole_pages(sizeof(Header)); }

size_t SharedRegion::buckets_begin() {
  return locks_begin() + kDevicesMax * whole_pages(sizeof(DeviceLocks));
}

size_t SharedRegion::arenas_begin(const RegionSizes& sizes) {
  return buckets_begin() + whole_pages(sizes.buckets * sizeof(Bucket));
}

Result<UniqueFd> SharedRegion::create(const RegionSizes& sizes, std::span<const uint32_t> lives) {
  if (sizes.workers == 0 || sizes.workers > kWorkersMax) return fail_os(EINVAL);
  RegionSizes rounded = sizes;
  rounded.arena_bytes = whole_pages(sizes.arena_bytes);
  const size_t head = arenas_begin(rounded);
  UniqueFd fd(::memfd_create("braid-records", MFD_CLOEXEC));
  if (!fd) return fail_last_os();
  if (::ftruncate(fd.get(), static_cast<off_t>(head + rounded.workers * rounded.arena_bytes)) !=
      0) {
    return fail_last_os();
  }
  void* const at = ::mmap(nullptr, head, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail_last_os();
  auto* const base = static_cast<uint8_t*>(at);
  auto* const header = new (base) Header();
  header->sizes = rounded;
  header->hash_key = random_sip_key();
  for (WorkerSlot& each : header->slots) each.lives = sizes.first_life;
  for (size_t i = 0; i < std::min(lives.size(), kWorkersMax); ++i) {
    header->slots[i].lives = lives[i];
  }
  // Those of a device are made when it comes; the last are for those that come too late.
  bool made =
      RobustMutex::init(header->devices_mutex) && make_locks(locks_at(base, kDevicesMax - 1));
  for (size_t i = 0; i < rounded.buckets; ++i) {
    auto* bucket = new (base + buckets_begin() + i * sizeof(Bucket)) Bucket();
    made = made && RobustMutex::init(bucket->mutex);
  }
  ::munmap(at, head);
  if (!made) return fail_os(ENOMEM);
  return fd;
}

Result<std::vector<uint32_t>> SharedRegion::lives(int fd, size_t workers) {
  std::vector<uint32_t> all(std::min(workers, kWorkersMax));
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t at =
        offsetof(Header, slots) + i * sizeof(WorkerSlot) + offsetof(WorkerSlot, lives);
    // Every worker has the same description of it, and so the same offset.
    const ssize_t size = ::pread(fd, &all[i], sizeof all[i], static_cast<off_t>(at));
    if (size < 0) return fail_last_os();
    if (size != sizeof all[i]) return fail(Error::malformed());
  }
  return all;
}

Result<SharedRegion> SharedRegion::map(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_last_os();
  const auto size = static_cast<size_t>(status.st_size);
  if (size < sizeof(Header)) return fail(Error::malformed());
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) return fail_last_os();
  SharedRegion region(static_cast<uint8_t*>(at), size);
  const RegionSizes& sizes = region.header().sizes;
  if (sizes.workers == 0 || sizes.workers > kWorkersMax ||
      size != arenas_begin(sizes) + sizes.workers * sizes.arena_bytes) {
    return fail(Error::malformed());
  }
  return region;
}

SharedRegion::SharedRegion(SharedRegion&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}

SharedRegion::~SharedRegion() {
  if (base_) ::munmap(base_, size_);
}

Bucket& SharedRegion::bucket(size_t index) const {
  return *reinterpret_cast<Bucket*>(base_ + buckets_begin() + index * sizeof(Bucket));
}

uint64_t SharedRegion::arena_begin(size_t worker) const {
  const RegionSizes& sizes = header().sizes;
  return arenas_begin(sizes) + worker * sizes.arena_bytes;
}

size_t SharedRegion::arena_of(uint64_t place) const {
  return (place - arena_begin(0)) / header().sizes.arena_bytes;
}

bool RobustMutex::init(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  if (::pthread_mutexattr_init(&attributes) != 0) return false;
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  const bool made = ::pthread_mutex_init(&mutex, &attributes) == 0;
  ::pthread_mutexattr_destroy(&attributes);
  return made;
}

void RobustMutex::lock(pthread_mutex_t& mutex) {
  // What a dead holder was about to do to a record is not pointed at by anything, or is done.
  if (::pthread_mutex_lock(&mutex) == EOWNERDEAD) ::pthread_mutex_consistent(&mutex);
}

Bucket& SharedRegion::bucket_of(const RecordKey& key) const {
  uint64_t seed;
  std::memcpy(&seed, header().hash_key.data(), sizeof seed);
  uint64_t hash = (std::hash<RecordKey>{}(key) ^ seed) * 0xff51afd7ed558ccdULL;
  hash ^= hash >> 32;
  return bucket(hash % buckets());
}

DeviceLocks& SharedRegion::locks_at(uint8_t* base, size_t index) {
  return *reinterpret_cast<DeviceLocks*>(base + locks_begin() + index * sizeof(DeviceLocks));
}

size_t SharedRegion::slot_of(uint64_t device) const {
  constexpr size_t kSlots = kDevicesMax - 1;
  for (size_t i = 0; i < kSlots; ++i) {
    const size_t at = (std::hash<uint64_t>{}(device) + i) % kSlots;
    const uint64_t there = header().devices[at];
    if (there == device + 1 || there == 0) return at;
  }
  return kSlots;
}

DeviceLocks& SharedRegion::locks_of(uint64_t device) const {
  size_t slot = slot_of(device);
  if (slot < kDevicesMax - 1 && header().devices[slot] == 0) {
    take_rank(LockRank::kLast);
    RobustMutex::lock(header().devices_mutex);
    slot = slot_of(device);
    // One that died with it may have made some: nobody has seen them.
    if (slot < kDevicesMax - 1 && header().devices[slot] == 0) {
      // As could be made when the region was.
      if (!make_locks(locks_at(base_, slot))) std::abort();
      header().devices[slot] = device + 1;
    }
    RobustMutex::unlock(header().devices_mutex);
    drop_rank(LockRank::kLast);
  }
  return locks_at(base_, slot);
}

}  // namespace braid::store
