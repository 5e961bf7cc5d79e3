// SPDX-License-Identifier: Apache-2.0
//
// faulty_fs is preloaded into a program (LD_PRELOAD) and makes the file system fail at one chosen call. It counts the
// calls that change files below $FAULTY_FS_PATH; at number $FAULTY_FS_AT it does what $FAULTY_FS_MODE says:
//   kill    the process ends before the call, as by kill -9
//   torn    a write puts half of its bytes down, any other call happens; then the process ends
//   enospc  this call and each later one that needs room fails with ENOSPC
//   eio     this call alone fails with EIO
// $FAULTY_CLOCK_STEP_S is added to the time of day once more with each question for it: below zero, the clock goes
// backwards.
// $FAULTY_FS_LOG names a file that gets one line a call: "number call path", and "- ack" for a write to standard
// output.
//
// Threads: the counter is atomic.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum Fault { kNone, kBefore, kTorn, kNoSpace, kIoError };

static atomic_long calls;

#define REAL(name)               \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void Log(long number, const char* call, const char* path) {
  static int fd = -1;
  const char* file = getenv("FAULTY_FS_LOG");
  if (file == NULL) return;
  if (fd < 0) fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  char line[PATH_MAX + 64];
  const int size = number > 0 ? snprintf(line, sizeof(line), "%ld %s %s\n", number, call, path)
                              : snprintf(line, sizeof(line), "- %s\n", call);
  if (size > 0) syscall(SYS_write, fd, line, (size_t)size);
}

// Counts the call if it is on a watched path; `needs_room` calls fail on a full disk.
static enum Fault Count(const char* call, const char* path, int needs_room) {
  const char* watched = getenv("FAULTY_FS_PATH");
  if (watched == NULL || path == NULL || strncmp(path, watched, strlen(watched)) != 0) return kNone;
  const long number = atomic_fetch_add(&calls, 1) + 1;
  Log(number, call, path);
  const char* at_text = getenv("FAULTY_FS_AT");
  const char* mode = getenv("FAULTY_FS_MODE");
  if (at_text == NULL || mode == NULL) return kNone;
  const long at = atol(at_text);
  if (strcmp(mode, "enospc") == 0) return number >= at && needs_room ? kNoSpace : kNone;
  if (number != at) return kNone;
  if (strcmp(mode, "kill") == 0) return kBefore;
  if (strcmp(mode, "torn") == 0) return kTorn;
  return strcmp(mode, "eio") == 0 ? kIoError : kNone;
}

static enum Fault CountFd(const char* call, int fd, int needs_room) {
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof(path) - 1);
  if (size < 0) return kNone;
  path[size] = '\0';
  return Count(call, path, needs_room);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  REAL(clock_gettime);
  static atomic_long questions;
  const int result = real(clock, time);
  const char* step = clock == CLOCK_REALTIME ? getenv("FAULTY_CLOCK_STEP_S") : NULL;
  if (step != NULL) time->tv_sec += (atomic_fetch_add(&questions, 1) + 1) * atol(step);
  return result;
}

static void Die(void) { _exit(137); }

// True if the call must not happen; errno is set.
static int Fails(enum Fault fault) {
  if (fault == kBefore) Die();
  if (fault == kNoSpace) errno = ENOSPC;
  if (fault == kIoError) errno = EIO;
  return fault == kNoSpace || fault == kIoError;
}

ssize_t write(int fd, const void* data, size_t size) {
  REAL(write);
  if (fd == STDOUT_FILENO) Log(0, "ack", "");
  const enum Fault fault = CountFd("write", fd, 1);
  if (Fails(fault)) return -1;
  const ssize_t done = real(fd, data, fault == kTorn ? size / 2 : size);
  if (fault == kTorn) Die();
  return done;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  REAL(pwrite64);
  const enum Fault fault = CountFd("pwrite", fd, 1);
  if (Fails(fault)) return -1;
  const ssize_t done = real(fd, data, fault == kTorn ? size / 2 : size, offset);
  if (fault == kTorn) Die();
  return done;
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

// The rest either happens or does not.
#define ONE_CALL(type, name, parameters, arguments, count) \
  type name parameters {                                   \
    REAL(name);                                            \
    const enum Fault fault = count;                        \
    if (Fails(fault)) return -1;                           \
    const type result = real arguments;                    \
    if (fault == kTorn) Die();                             \
    return result;                                         \
  }

ONE_CALL(int, fsync, (int fd), (fd), CountFd("fsync", fd, 0))
ONE_CALL(int, fdatasync, (int fd), (fd), CountFd("fsync", fd, 0))
ONE_CALL(int, ftruncate64, (int fd, off64_t size), (fd, size), CountFd("ftruncate", fd, 0))
ONE_CALL(int, rename, (const char* from, const char* to), (from, to), Count("rename", from, 0))
ONE_CALL(int, unlink, (const char* path), (path), Count("unlink", path, 0))
ONE_CALL(int, rmdir, (const char* path), (path), Count("rmdir", path, 0))
ONE_CALL(int, mkdir, (const char* path, mode_t mode), (path, mode), Count("mkdir", path, 1))

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int unlinkat(int folder, const char* name, int flags) {
  REAL(unlinkat);
  const enum Fault fault =
      folder == AT_FDCWD || name[0] == '/' ? Count("unlink", name, 0) : CountFd("unlink", folder, 0);
  if (Fails(fault)) return -1;
  const int result = real(folder, name, flags);
  if (fault == kTorn) Die();
  return result;
}

// Only making a file counts.
static int OpenCounted(const char* path, int flags, mode_t mode) {
  enum Fault fault = kNone;
  struct stat info;
  if ((flags & O_CREAT) != 0 && stat(path, &info) != 0) fault = Count("create", path, 1);
  if (Fails(fault)) return -1;
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  if (fault == kTorn) Die();
  return fd;
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return OpenCounted(path, flags, mode);
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return OpenCounted(path, flags, mode);
}
