// Numbered records through two mounts of one folder: what one has written the other reads.
//
//   nfs make FOLDER COUNT UID GID    files file0 and so on, with record 0
//   nfs mount SOURCE TARGET OPTIONS  NFSv4, by what the kernel takes
//   nfs turns ONE OTHER COUNT ROUNDS   one writes, the other reads; it says how often an old one was read
//   nfs wait ONE OTHER COUNT ROUNDS    the same, and it reads until the new one is there; it says how long that took
//   nfs locks ONE OTHER ROUNDS       both have one file open, and add to its record under a lock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

enum { kSize = 64, kPatienceS = 60 };

static void die(const char *what, const char *name) {
  printf("nfs: %s %s: %s\n", what, name, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t random_number(void) {
  static uint64_t state = 1;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 2685821657736338717u >> 8;
}

static int open_in(const char *folder, unsigned long number, int flags) {
  char path[200];
  snprintf(path, sizeof path, "%s/file%lu", folder, number);
  const int file = open(path, flags, 0644);
  if (file < 0) die("open", path);
  return file;
}

static void put(int file, uint64_t value) {
  char record[kSize];
  memset(record, '.', sizeof record);
  memcpy(record, &value, sizeof value);
  if (pwrite(file, record, sizeof record, 0) != sizeof record) die("write", "");
}

// Linux 6.12 writes late by SMB, also without a lease, and does not look to that when it unlocks.
static void put_through(int file, uint64_t value) {
  put(file, value);
  if (fsync(file) != 0) die("fsync", "");
}

static uint64_t get(int file) {
  char record[kSize];
  uint64_t value = 0;
  if (pread(file, record, sizeof record, 0) != sizeof record) die("read", "");
  memcpy(&value, record, sizeof value);
  return value;
}

static void write_to(const char *folder, unsigned long number, uint64_t value) {
  const int file = open_in(folder, number, O_RDWR);
  put(file, value);
  if (close(file) != 0) die("close", folder);
}

static uint64_t read_from(const char *folder, unsigned long number) {
  const int file = open_in(folder, number, O_RDONLY);
  const uint64_t value = get(file);
  close(file);
  return value;
}

static int make(char **args) {
  const unsigned long count = strtoul(args[1], NULL, 10);
  for (unsigned long number = 0; number < count; ++number) {
    const int file = open_in(args[0], number, O_RDWR | O_CREAT);
    put(file, 0);
    if (fchown(file, (uid_t)atoi(args[2]), (gid_t)atoi(args[3])) != 0) die("chown", args[0]);
    close(file);
  }
  return 0;
}

static int turns(char **args, int waits) {
  const unsigned long count = strtoul(args[2], NULL, 10), rounds = strtoul(args[3], NULL, 10);
  unsigned long stale = 0;
  double longest[2] = {0, 0};
  for (unsigned long round = 1; round <= rounds; ++round) {
    const unsigned long number = random_number() % count;
    const int direction = round % 2;
    const char *writer = args[direction], *reader = args[!direction];
    read_from(reader, number);  // into its cache, as far as it may
    write_to(writer, number, round);
    const double since = now();
    uint64_t seen;
    while ((seen = read_from(reader, number)) != round) {
      if (!waits) break;
      if (now() - since > kPatienceS) die("it stays old", reader);
    }
    stale += seen != round;
    if (waits && now() - since > longest[direction]) longest[direction] = now() - since;
  }
  if (waits)
    printf("turns: %lu rounds, old for %.1f ms at most by what the first wrote, %.1f ms by the other\n", rounds,
           longest[0] * 1000, longest[1] * 1000);
  else
    printf("turns: %lu rounds, %lu stale\n", rounds, stale);
  return stale != 0;
}

static void lock(int file, short type) {
  struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = kSize};
  if (fcntl(file, F_SETLKW, &range) != 0) die("lock", "");
}

static int locks(char **args) {
  const unsigned long rounds = strtoul(args[2], NULL, 10);
  const int files[2] = {open_in(args[0], 0, O_RDWR), open_in(args[1], 0, O_RDWR)};
  unsigned long stale[2] = {0, 0};
  lock(files[0], F_WRLCK);
  put_through(files[0], 0);
  lock(files[0], F_UNLCK);
  for (unsigned long round = 0; round < rounds; ++round) {
    const int side = (int)(random_number() % 2), file = files[side];
    lock(file, F_WRLCK);
    stale[side] += get(file) != round;
    put_through(file, round + 1);
    lock(file, F_UNLCK);
  }
  close(files[0]);
  close(files[1]);
  printf("locks: %lu rounds, %lu stale for the first, %lu for the other\n", rounds, stale[0], stale[1]);
  return stale[0] + stale[1] != 0;
}

int main(int count, char **args) {
  if (count == 6 && strcmp(args[1], "make") == 0) return make(args + 2);
  if (count == 5 && strcmp(args[1], "mount") == 0) {
    if (mount(args[2], args[3], "nfs4", 0, args[4]) != 0) die("mount", args[2]);
    return 0;
  }
  if (count == 6 && strcmp(args[1], "turns") == 0) return turns(args + 2, 0);
  if (count == 6 && strcmp(args[1], "wait") == 0) return turns(args + 2, 1);
  if (count == 5 && strcmp(args[1], "locks") == 0) return locks(args + 2);
  return 2;
}
