// persistent FILE HALF_BYTES: a file that is locked and half written while its server is killed,
// and written to its end by the same descriptor afterwards. Each half is bytes of one sequence, so
// the other side knows the whole. Says "half FID" and waits for FILE.go, then "whole FID"; FID is
// FileId.Persistent as the kernel has it.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char* what) {
  fprintf(stderr, "FAIL %s: %s\n", what, strerror(errno));
  exit(1);
}

// xorshift64*, as persistent_test.py makes it.
static uint64_t next(uint64_t* state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717u;
}

static void write_half(int fd, size_t bytes, uint64_t* state) {
  uint64_t piece[8192];
  while (bytes > 0) {
    for (size_t i = 0; i < sizeof piece / sizeof *piece; ++i) piece[i] = next(state);
    const size_t size = bytes < sizeof piece ? bytes : sizeof piece;
    for (size_t done = 0; done < size;) {
      const ssize_t got = write(fd, (char*)piece + done, size - done);
      if (got < 0) fail("write");
      done += (size_t)got;
    }
    bytes -= size;
  }
  if (fsync(fd) != 0) fail("fsync");
}

// Of the one file that is open below the mount.
static void tell_id(const char* what, const char* name) {
  FILE* const file = fopen("/proc/fs/cifs/open_files", "r");
  char line[1024];
  if (!file) fail("open_files");
  while (fgets(line, sizeof line, file)) {
    char tree[32], session[32], id[32];
    if (*line == '#' || !strstr(line, name) ||
        sscanf(line, "%31s %31s %31s", tree, session, id) != 3)
      continue;
    printf("%s %s\n", what, id);
  }
  fclose(file);
  fflush(stdout);
}

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const char* const path = arguments[1];
  const size_t half = strtoull(arguments[2], NULL, 10);
  const char* const name = strrchr(path, '/') + 1;
  uint64_t state = 1;
  const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
  if (fd < 0) fail("open");
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 50};
  if (fcntl(fd, F_SETLK, &lock) != 0) fail("lock");
  write_half(fd, half, &state);
  tell_id("half", name);
  char go[256];
  snprintf(go, sizeof go, "%s.go", path);
  while (access(go, F_OK) != 0) usleep(100000);
  write_half(fd, half, &state);
  tell_id("whole", name);
  while (access(go, F_OK) == 0) usleep(100000);
  if (close(fd) != 0) fail("close");
  return 0;
}
