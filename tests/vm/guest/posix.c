// posix.c: what a POSIX file system does, asked in a folder of one and printed a line for each
// answer. Run in two folders, the difference of the two texts is the difference of the two.
//
//   posix FOLDER
//
// Every line is "what: answer"; an answer is "ok", a number or the name of an error. Nothing in it
// depends on the folder, the time or the machine.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *answer(long result) {
  static char text[32];
  if (result < 0) return strerrorname_np(errno);
  if (result == 0) return "ok";
  snprintf(text, sizeof text, "%ld", result);
  return text;
}

#define SAY(what, call) \
  do {                  \
    errno = 0;          \
    const long result_ = (long)(call); \
    printf("%s: %s\n", what, answer(result_)); \
  } while (0)

static int make(const char *name, const char *text) {
  const int file = open(name, O_CREAT | O_EXCL | O_RDWR, 0666);
  if (file < 0) return -1;
  const int written = write(file, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
  close(file);
  return written;
}

static long mode_of(const char *name) {
  struct stat st;
  return lstat(name, &st) == 0 ? (long)(st.st_mode & 07777) : -1;
}

static const char *kind_of(const char *name) {
  struct stat st;
  if (lstat(name, &st) != 0) return strerrorname_np(errno);
  return S_ISREG(st.st_mode)    ? "file"
         : S_ISDIR(st.st_mode)  ? "folder"
         : S_ISLNK(st.st_mode)  ? "link"
         : S_ISFIFO(st.st_mode) ? "fifo"
         : S_ISSOCK(st.st_mode) ? "socket"
         : S_ISCHR(st.st_mode)  ? "character device"
                                : "block device";
}

static void say_mode(const char *what, const char *name) {
  const long mode = mode_of(name);
  if (mode < 0) {
    printf("%s: %s\n", what, strerrorname_np(errno));
  } else {
    printf("%s: %04lo\n", what, mode);
  }
}

static long links(const char *name) {
  struct stat st;
  return lstat(name, &st) == 0 ? (long)st.st_nlink : -1;
}

static ino_t number(const char *name) {
  struct stat st;
  return lstat(name, &st) == 0 ? st.st_ino : 0;
}

static void modes(void) {
  umask(022);
  SAY("make 0666 with umask 022", close(open("m", O_CREAT | O_EXCL | O_RDWR, 0666)));
  say_mode("its mode", "m");
  umask(077);
  SAY("make 0777 with umask 077", close(open("m7", O_CREAT | O_EXCL | O_RDWR, 0777)));
  say_mode("its mode", "m7");
  umask(0);
  SAY("make 0600 with umask 0", close(open("m6", O_CREAT | O_EXCL | O_RDWR, 0600)));
  say_mode("its mode", "m6");
  SAY("folder 0750", mkdir("d750", 0750));
  say_mode("its mode", "d750");
  SAY("folder 02775", mkdir("d2775", 0775) == 0 ? chmod("d2775", 02775) : -1);
  say_mode("its mode", "d2775");
  const int all[] = {0644, 0640, 0755, 0700, 0400, 04755, 02755, 01644};
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    char what[40];
    snprintf(what, sizeof what, "chmod %04o", all[i]);
    SAY(what, chmod("m", (mode_t)all[i]));
    say_mode("its mode", "m");
  }
  SAY("chmod back", chmod("m", 0644));
  umask(022);
}

static void links_and_names(void) {
  SAY("make a", make("a", "of a"));
  SAY("link a to b", link("a", "b"));
  SAY("links of a", links("a"));
  printf("a and b are one: %s\n", number("a") == number("b") && number("a") ? "yes" : "no");
  SAY("link over b", link("m", "b"));
  SAY("rename a to b", rename("a", "b"));
  printf("a after that: %s\n", kind_of("a"));
  SAY("remove b", unlink("b"));
  SAY("links of a after that", links("a"));
  SAY("symbolic link", symlink("a", "s"));
  char target[300];
  memset(target, 0, sizeof target);
  SAY("length of its target", readlink("s", target, sizeof target));
  printf("its target: %s\n", target);
  SAY("dangling link", symlink("../no/where", "dangling"));
  SAY("open it", open("dangling", O_RDONLY));
  memset(target, 0, sizeof target);
  SAY("length of its target", readlink("dangling", target, sizeof target));
  SAY("link that leads to a folder", symlink("d750", "sd"));
  SAY("make a file through it", make("sd/inside", "x"));
  printf("where it is: %s\n", kind_of("d750/inside"));
  SAY("absolute link", symlink("/etc/passwd", "absolute"));
  SAY("length of its target", readlink("absolute", target, sizeof target));
  SAY("link to itself", symlink("loop", "loop"));
  SAY("open it", open("loop", O_RDONLY));
  SAY("O_NOFOLLOW of a link", open("s", O_RDONLY | O_NOFOLLOW));
  SAY("make 'Case'", make("Case", "1"));
  SAY("make 'case'", make("case", "22"));
  struct stat st;
  SAY("size of 'Case'", stat("Case", &st) == 0 ? st.st_size : -1);
  SAY("size of 'case'", stat("case", &st) == 0 ? st.st_size : -1);
  SAY("rename 'Case' to 'CASE'", rename("Case", "CASE"));
  printf("'Case' after that: %s\n", kind_of("Case"));
  const char *odd[] = {"with:colon", "a*b?c", "back\\slash", "quo\"te", "<pipe|>", "ends with dot.",
                       "ends with space ", "\xc3\xa4\xc3\xb6", "tab\there", "CON", "new\nline"};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; ++i) {
    char what[64];
    snprintf(what, sizeof what, "odd name %zu", i);
    SAY(what, make(odd[i], "x"));
    printf("it is a: %s\n", kind_of(odd[i]));
  }
  char name[300];
  memset(name, 'n', sizeof name);
  name[255] = 0;
  SAY("name of 255 bytes", make(name, "x"));
  name[255] = 'n';
  name[256] = 0;
  SAY("name of 256 bytes", make(name, "x"));
  size_t count = 0;
  DIR *const listing = opendir(".");
  while (listing && readdir(listing)) ++count;
  if (listing) closedir(listing);
  printf("names in the folder: %zu\n", count);
}

static void open_files(void) {
  SAY("make u", make("u", "still here"));
  const int file = open("u", O_RDWR);
  SAY("unlink it while it is open", unlink("u"));
  printf("its name: %s\n", kind_of("u"));
  char data[20] = "";
  SAY("read from it", pread(file, data, sizeof data, 0));
  SAY("write to it", pwrite(file, "more", 4, 10));
  struct stat st;
  SAY("its size", fstat(file, &st) == 0 ? st.st_size : -1);
  SAY("its links", fstat(file, &st) == 0 ? (long)st.st_nlink : -1);
  SAY("make another of that name", make("u", "new"));
  SAY("close it", close(file));
  SAY("size of the other", stat("u", &st) == 0 ? st.st_size : -1);

  SAY("make r", make("r", "renamed"));
  SAY("make t", make("t", "target"));
  const int renamed = open("r", O_RDWR), target = open("t", O_RDWR);
  SAY("rename over an open file", rename("r", "t"));
  memset(data, 0, sizeof data);
  SAY("read what was replaced", pread(target, data, sizeof data, 0));
  printf("it was: %s\n", data);
  memset(data, 0, sizeof data);
  SAY("read what was renamed", pread(renamed, data, sizeof data, 0));
  printf("it was: %s\n", data);
  close(renamed);
  close(target);

  SAY("folder with an open file", mkdir("f1", 0755));
  SAY("a file in it", make("f1/x", "x"));
  const int inside = open("f1/x", O_RDONLY);
  SAY("rename the folder", rename("f1", "f2"));
  SAY("read on", pread(inside, data, 1, 0));
  close(inside);
  SAY("remove a folder that is not empty", rmdir("f2"));
  SAY("rename a folder over an empty one", mkdir("f3", 0755) == 0 ? rename("f2", "f3") : -1);
  SAY("rename a folder over one that is not", mkdir("f4", 0755) == 0 ? rename("f4", "f3") : -1);
  SAY("rename a file over a folder", rename("t", "f3"));
  SAY("rename a folder into itself", rename("f3", "f3/below"));
  SAY("make v", make("v", "v"));
  SAY("exchange", renameat2(AT_FDCWD, "t", AT_FDCWD, "v", RENAME_EXCHANGE));
  SAY("rename to a name that is there, not replacing it",
      renameat2(AT_FDCWD, "t", AT_FDCWD, "v", RENAME_NOREPLACE));
}

static void special_files(void) {
  SAY("fifo", mkfifo("fifo", 0640));
  printf("it is a: %s\n", kind_of("fifo"));
  say_mode("its mode", "fifo");
  SAY("open it to write, with no reader", open("fifo", O_WRONLY | O_NONBLOCK));
  const int reader = open("fifo", O_RDONLY | O_NONBLOCK);
  SAY("open it to read", reader < 0 ? -1 : 0);
  const int writer = open("fifo", O_WRONLY | O_NONBLOCK);
  SAY("open it to write", writer < 0 ? -1 : 0);
  char byte = 0;
  SAY("write", write(writer, "x", 1));
  SAY("read", read(reader, &byte, 1));
  close(reader);
  close(writer);
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
  SAY("bind a socket", bind(server, (struct sockaddr *)&address, sizeof address));
  printf("it is a: %s\n", kind_of("socket"));
  close(server);
  SAY("socket by mknod", mknod("socket2", S_IFSOCK | 0600, 0));
  printf("it is a: %s\n", kind_of("socket2"));
  SAY("character device", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  printf("it is a: %s\n", kind_of("null"));
  SAY("block device", mknod("disk", S_IFBLK | 0600, makedev(8, 0)));
  printf("it is a: %s\n", kind_of("disk"));
  SAY("rename a fifo", rename("fifo", "fifo2"));
  printf("it is a: %s\n", kind_of("fifo2"));
  SAY("link a fifo", link("fifo2", "fifo3"));
  SAY("remove a fifo", unlink("fifo2"));
  SAY("remove a socket", unlink("socket"));
}

static int lock(int file, short type, off_t start, off_t length) {
  struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(file, F_OFD_SETLK, &range);
}

static void locks(void) {
  SAY("make l", make("l", "0123456789"));
  const int one = open("l", O_RDWR), two = open("l", O_RDWR);
  SAY("lock 0..4", lock(one, F_WRLCK, 0, 5));
  SAY("lock 5..9 by another", lock(two, F_WRLCK, 5, 5));
  SAY("lock 4..5 by another", lock(two, F_WRLCK, 4, 2));
  SAY("read through the lock", pwrite(two, "x", 1, 0));
  SAY("unlock 2..4", lock(one, F_UNLCK, 2, 3));
  SAY("lock 2..4 by another", lock(two, F_WRLCK, 2, 3));
  SAY("share 0..1", lock(one, F_RDLCK, 0, 2));
  SAY("share 0..1 by another", lock(two, F_RDLCK, 0, 2));
  SAY("lock behind the end", lock(one, F_WRLCK, (off_t)1 << 62, 5));
  close(two);
  SAY("lock all, the other gone", lock(one, F_WRLCK, 0, 0));
  close(one);
  const int third = open("l", O_RDWR), fourth = open("l", O_RDWR);
  SAY("flock", flock(third, LOCK_EX | LOCK_NB));
  SAY("flock by another", flock(fourth, LOCK_EX | LOCK_NB));
  SAY("unlock", flock(third, LOCK_UN));
  SAY("flock by another", flock(fourth, LOCK_SH | LOCK_NB));
  close(third);
  close(fourth);
}

static void data(void) {
  const int file = open("h", O_CREAT | O_EXCL | O_RDWR, 0644);
  SAY("write behind a hole", pwrite(file, "end", 3, 1 << 20));
  struct stat st;
  SAY("size", fstat(file, &st) == 0 ? st.st_size : -1);
  char byte = 'x';
  SAY("read in the hole", pread(file, &byte, 1, 4096));
  printf("it reads as: %d\n", byte);
  SAY("extend", ftruncate(file, 2 << 20));
  SAY("cut", ftruncate(file, 10000));
  char *const map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  SAY("mmap", map == MAP_FAILED ? -1 : 0);
  if (map != MAP_FAILED) {
    memcpy(map + 100, "mapped", 6);
    SAY("msync", msync(map, 8192, MS_SYNC));
    char seen[7] = "";
    SAY("read what was mapped", pread(file, seen, 6, 100));
    printf("it is: %s\n", seen);
    SAY("write what is mapped", pwrite(file, "WRITTEN", 7, 200));
    printf("the map has: %.7s\n", map + 200);
    munmap(map, 8192);
  }
  SAY("append", close(open("h", O_WRONLY | O_APPEND)));
  close(file);
  const struct timespec times[2] = {{1000000000, 123456700}, {1100000000, 765432100}};
  SAY("set times", utimensat(AT_FDCWD, "h", times, 0));
  SAY("stat", stat("h", &st));
  printf("times: %ld.%09ld %ld.%09ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
         (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  const struct timespec link_times[2] = {{1000000001, 0}, {1100000001, 0}};
  SAY("set times of a link", utimensat(AT_FDCWD, "s", link_times, AT_SYMLINK_NOFOLLOW));
  SAY("extended attribute", setxattr("h", "user.x", "value", 5, 0));
  char value[10];
  SAY("its length", getxattr("h", "user.x", value, sizeof value));
  SAY("none", getxattr("h", "user.none", value, sizeof value));
  SAY("open with O_EXCL what is there", open("h", O_CREAT | O_EXCL | O_RDWR, 0644));
  SAY("open a folder to write", open("d750", O_RDWR));
  SAY("a file as a folder", open("h/x", O_RDONLY));
  SAY("what is not there", open("none", O_RDONLY));
}

static void sticky(void) {
  SAY("sticky folder", mkdir("sticky", 0777) == 0 ? chmod("sticky", 01777) : -1);
  say_mode("its mode", "sticky");
  SAY("a file in it", make("sticky/x", "x"));
  SAY("remove it", unlink("sticky/x"));
}

int main(int argc, char **argv) {
  if (argc != 2 || chdir(argv[1]) != 0) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  modes();
  links_and_names();
  open_files();
  special_files();
  locks();
  data();
  sticky();
  return 0;
}
