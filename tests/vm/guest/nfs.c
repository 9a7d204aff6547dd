// Numbered records through two mounts of one folder: what one has written the other reads.
//
//   nfs make FOLDER COUNT UID GID    files file0 and so on, with record 0
//   nfs mount SOURCE TARGET OPTIONS  NFSv4, by what the kernel takes
//   nfs turns ONE OTHER COUNT ROUNDS JOBS   one writes, the other reads; how often was it an old one
//   nfs wait ONE OTHER COUNT ROUNDS JOBS    the same, but it reads until it is the new one; how long
//   nfs locks ONE OTHER ROUNDS JOBS         both have a file open, and add to its record under a lock
//
// JOBS processes share the rounds, each with files of its own: in most of a round somebody waits until
// another gives way.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kSize = 64, kPatienceS = 60, kMostJobs = 64, kSayEveryS = 30 };

static void die(const char *what, const char *name) {
  printf("nfs: %s %s: %s\n", what, name, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t state = 1;

static uint64_t random_number(void) {
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

// What one job has seen; by the two directions or sides.
struct result {
  unsigned long rounds, stale[2];
  double longest[2];
};

struct task {
  char **args;
  int waits;
  unsigned long rounds, number, jobs;  // of this job
  struct result *result;
};

static void turns(const struct task *task) {
  const unsigned long own = strtoul(task->args[2], NULL, 10) / task->jobs;
  struct result *const result = task->result;
  for (unsigned long round = 1; round <= task->rounds; ++round) {
    const unsigned long number = random_number() % own * task->jobs + task->number;
    const int direction = round % 2;
    const char *writer = task->args[direction], *reader = task->args[!direction];
    read_from(reader, number);  // into its cache, as far as it may
    write_to(writer, number, round);
    const double since = now();
    uint64_t seen;
    while ((seen = read_from(reader, number)) != round) {
      if (!task->waits) break;
      if (now() - since > kPatienceS) die("it stays old", reader);
    }
    result->stale[direction] += seen != round;
    const double took = now() - since;
    if (task->waits && took > result->longest[direction]) result->longest[direction] = took;
    ++result->rounds;
  }
}

static void lock(int file, short type) {
  struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = kSize};
  if (fcntl(file, F_SETLKW, &range) != 0) die("lock", "");
}

static void locks(const struct task *task) {
  const int files[2] = {open_in(task->args[0], task->number, O_RDWR), open_in(task->args[1], task->number, O_RDWR)};
  lock(files[0], F_WRLCK);
  put_through(files[0], 0);
  lock(files[0], F_UNLCK);
  for (unsigned long round = 0; round < task->rounds; ++round) {
    const int side = (int)(random_number() % 2), file = files[side];
    lock(file, F_WRLCK);
    task->result->stale[side] += get(file) != round;
    put_through(file, round + 1);
    lock(file, F_UNLCK);
    ++task->result->rounds;
  }
  close(files[0]);
  close(files[1]);
}

// Runs `work` in as many processes as asked for; what they have seen, together.
static struct result share(void (*work)(const struct task *), char **args, const char *rounds, const char *jobs,
                           int waits) {
  const unsigned long count = strtoul(jobs, NULL, 10), all = strtoul(rounds, NULL, 10);
  if (count == 0 || count > kMostJobs) {
    printf("nfs: %s jobs\n", jobs);
    exit(2);
  }
  struct result *const results =
      mmap(NULL, kMostJobs * sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (results == MAP_FAILED) die("mmap", "");
  const double since = now();
  for (unsigned long job = 0; job < count; ++job) {
    const pid_t child = fork();
    if (child < 0) die("fork", "");
    if (child > 0) continue;
    state = job + 1;
    const struct task task = {.args = args,
                              .waits = waits,
                              .rounds = all / count + (job < all % count),
                              .number = job,
                              .jobs = count,
                              .result = results + job};
    work(&task);
    exit(0);
  }
  struct result sum = {0};
  int failed = 0;
  double said = since;
  for (unsigned long ended = 0; ended < count;) {
    int status = 0;
    const pid_t child = waitpid(-1, &status, WNOHANG);
    if (child < 0 || (child > 0 && status != 0)) failed = 1;
    ended += child != 0;
    if (child == 0) usleep(100000);
    if (now() - said < kSayEveryS) continue;
    said = now();
    unsigned long done = 0;
    for (unsigned long job = 0; job < count; ++job) done += results[job].rounds;
    printf("%lu of %lu rounds after %.0f s\n", done, all, said - since);
  }
  for (unsigned long job = 0; job < count; ++job) {
    sum.rounds += results[job].rounds;
    for (int side = 0; side < 2; ++side) {
      sum.stale[side] += results[job].stale[side];
      if (results[job].longest[side] > sum.longest[side]) sum.longest[side] = results[job].longest[side];
    }
  }
  if (failed || sum.rounds != all) {
    printf("nfs: a job failed; %lu of %lu rounds\n", sum.rounds, all);
    exit(1);
  }
  printf("%lu rounds by %lu jobs, %.1f ms each: ", all, count, (now() - since) * 1000 / (double)all);
  return sum;
}

static int say_stale(struct result sum, const char *first, const char *other) {
  printf("%lu stale %s, %lu stale %s\n", sum.stale[0], first, sum.stale[1], other);
  return sum.stale[0] + sum.stale[1] != 0;
}

int main(int count, char **args) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count == 6 && strcmp(args[1], "make") == 0) return make(args + 2);
  if (count == 5 && strcmp(args[1], "mount") == 0) {
    if (mount(args[2], args[3], "nfs4", 0, args[4]) != 0) die("mount", args[2]);
    return 0;
  }
  if (count == 7 && strcmp(args[1], "turns") == 0)
    return say_stale(share(turns, args + 2, args[5], args[6], 0), "of the first's", "of the other's");
  if (count == 7 && strcmp(args[1], "wait") == 0) {
    const struct result sum = share(turns, args + 2, args[5], args[6], 1);
    printf("old for %.1f ms at most by what the first wrote, %.1f ms by the other\n", sum.longest[0] * 1000,
           sum.longest[1] * 1000);
    return 0;
  }
  if (count == 6 && strcmp(args[1], "locks") == 0)
    return say_stale(share(locks, args + 2, args[4], args[5], 0), "for the first", "for the other");
  return 2;
}
