// churn FILE SEED OPERATIONS: writes, truncates, maps and reads one file at random and compares it with
// a copy in memory after every step. Exit status 1: they differ, and it says where.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kMost = 512 * 1024 };
static unsigned char expected[kMost], seen[kMost];
static size_t size;

static void die(const char* what, int step) {
  printf("churn: step %d: %s: %s\n", step, what, strerror(errno));
  exit(1);
}

static void differs(size_t at, int step) {
  printf("churn: step %d: byte %zu of %zu differs\n", step, at, size);
  exit(1);
}

int main(int count, char** words) {
  if (count != 4) return 2;
  srandom((unsigned)atoi(words[2]));
  int file = open(words[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0) die("open", 0);
  for (int step = 1; step <= atoi(words[3]); ++step) {
    size_t at = (size_t)random() % kMost, length = (size_t)random() % (64 * 1024) + 1;
    if (at + length > kMost) length = kMost - at;
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        for (size_t i = 0; i < length; ++i) seen[i] = (unsigned char)random();
        if (pwrite(file, seen, length, (off_t)at) != (ssize_t)length) die("write", step);
        memcpy(expected + at, seen, length);
        if (at + length > size) size = at + length;
        break;
      }
      case 3: {
        if (ftruncate(file, (off_t)at) != 0) die("truncate", step);
        if (at < size) memset(expected + at, 0, size - at);
        size = at;
        break;
      }
      case 4: {
        if (size == 0) break;
        unsigned char* map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map == MAP_FAILED) die("mmap", step);
        at %= size;
        length = length < size - at ? length : size - at;
        memset(map + at, step, length);
        memset(expected + at, step, length);
        if (munmap(map, size) != 0) die("munmap", step);
        break;
      }
      case 5: {
        close(file);
        file = open(words[1], O_RDWR);
        if (file < 0) die("open again", step);
        break;
      }
      default: {
        if (at >= size) break;
        length = length < size - at ? length : size - at;
        if (pread(file, seen, length, (off_t)at) != (ssize_t)length) die("read", step);
        for (size_t i = 0; i < length; ++i) {
          if (seen[i] != expected[at + i]) differs(at + i, step);
        }
      }
    }
  }
  if (lseek(file, 0, SEEK_END) != (off_t)size) die("the size", 0);
  if (pread(file, seen, size, 0) != (ssize_t)size) die("the last read", 0);
  for (size_t i = 0; i < size; ++i) {
    if (seen[i] != expected[i]) differs(i, 0);
  }
  return 0;
}
