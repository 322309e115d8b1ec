/* A library to be preloaded: calls of the system on files below one folder are counted, and made to fail on demand.
 *
 * FAULTS_ROOT names the folder. A program arms one fault by `faults_arm(kind, nth, error, mode)`:
 *
 *   FAIL   the nth call of the kind fails with the error, and does nothing
 *   EVER   and so do all later ones of the kind, as on a disk that is full
 *   TORN   the nth write writes the first half of its bytes, and fails then
 *   SHORT  the nth write writes the first half of its bytes, and says so
 *   DEAD   the process is as good as killed in its nth call (of any kind: ANY): a write still writes the first half of
 *          its bytes; from then on no call on these files does anything
 *
 * `faults_trace(path)` writes down what reaches the files, to know what a power cut may take back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN, READ, WRITE, RENAME, FSYNC, MKDIR, LINK, KINDS, ANY = KINDS };
enum { FAIL, TORN, SHORT, DEAD, EVER };
enum { MOST = 65536 };

static char root[PATH_MAX];
static size_t length;
static char *names[MOST]; /* of the open files below the folder */
static long counts[KINDS], all;
static volatile int armed, dead;
static int kind_, error_, mode_;
static long nth_, injected;
static int trace = -1;

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("FAULTS_ROOT");
  if (given && realpath(given, root)) length = strlen(root);
}

static int absolute(const char *path, char *out) {
  if (path[0] == '/') return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
  char here[PATH_MAX];
  return getcwd(here, sizeof here) && snprintf(out, PATH_MAX, "%s/%s", here, path) < PATH_MAX;
}

static int below(const char *path) {
  char whole[PATH_MAX];
  if (!length || !path || !absolute(path, whole)) return 0;
  return !strncmp(whole, root, length) && whole[length] == '/';
}

static const char *named(int fd) { return fd >= 0 && fd < MOST ? names[fd] : NULL; }

static void note(const char *what, const char *first, const char *second) {
  if (trace < 0 || dead) return;
  char line[3 * PATH_MAX];
  int size = snprintf(line, sizeof line, "%s\t%s\t%s\n", what, first, second ? second : "");
  ssize_t (*put)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  if (put(trace, line, size) < 0) abort();
}

/* -1: the call must fail now; 1: a write must write the first half alone; 0: it goes on. */
static int due(int kind) {
  long nth = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_SEQ_CST);
  long nth_of_all = __atomic_add_fetch(&all, 1, __ATOMIC_SEQ_CST);
  if (dead) { errno = EIO; return -1; }
  if (!armed || (kind_ != ANY && kind_ != kind)) return 0;
  long place = kind_ == ANY ? nth_of_all : nth;
  if (mode_ == EVER ? place < nth_ : place != nth_) return 0;
  armed = mode_ == EVER;
  if (place == nth_) __atomic_add_fetch(&injected, 1, __ATOMIC_SEQ_CST);
  if (mode_ == DEAD) dead = kind == WRITE ? 2 : 1; /* 2: half a write is still to come */
  if (kind == WRITE && mode_ != FAIL && mode_ != EVER) return 1;
  errno = error_;
  return -1;
}

void faults_arm(int kind, long nth, int error, int mode) {
  memset(counts, 0, sizeof counts);
  all = injected = 0;
  kind_ = kind, nth_ = nth, error_ = error, mode_ = mode, dead = 0;
  armed = nth > 0;
}
void faults_disarm(void) { armed = dead = 0; }
long faults_count(int kind) { return kind == ANY ? all : counts[kind]; }
long faults_injected(void) { return injected; }
void faults_trace(const char *path) {
  REAL(open);
  if (trace >= 0) { REAL(close); real(trace); }
  trace = path ? real(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644) : -1;
}

#define OPENS(name)                                                                     \
  int name(const char *path, int flags, ...) {                                          \
    REAL(name);                                                                         \
    mode_t mode = 0;                                                                    \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                \
      va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more);   \
    }                                                                                   \
    int ours = below(path) && !(flags & O_DIRECTORY);                                   \
    if (ours && due(OPEN) < 0) return -1;                                               \
    int fd = real(path, flags, mode);                                                   \
    if (fd >= 0 && fd < MOST) {                                                         \
      free(names[fd]); names[fd] = NULL;                                                \
      if (ours) {                                                                       \
        char whole[PATH_MAX];                                                           \
        names[fd] = strdup(absolute(path, whole) ? whole : path);                       \
        if (flags & (O_CREAT | O_TRUNC)) note("write", names[fd], NULL);                \
      }                                                                                 \
    }                                                                                   \
    return fd;                                                                          \
  }
OPENS(open)
OPENS(open64)

#define OPENATS(name)                                                                   \
  int name(int at, const char *path, int flags, ...) {                                  \
    REAL(name);                                                                         \
    mode_t mode = 0;                                                                    \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                \
      va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more);   \
    }                                                                                   \
    int ours = (at == AT_FDCWD || path[0] == '/') && below(path) && !(flags & O_DIRECTORY); \
    if (ours && due(OPEN) < 0) return -1;                                               \
    int fd = real(at, path, flags, mode);                                               \
    if (fd >= 0 && fd < MOST) {                                                         \
      free(names[fd]); names[fd] = ours ? strdup(path) : NULL;                          \
    }                                                                                   \
    return fd;                                                                          \
  }
OPENATS(openat)
OPENATS(openat64)

int close(int fd) {
  REAL(close);
  if (named(fd)) { free(names[fd]); names[fd] = NULL; }
  return real(fd);
}

#define READS(name, PARAMETERS, ARGUMENTS)           \
  ssize_t name PARAMETERS {                          \
    REAL(name);                                      \
    if (named(fd) && due(READ) < 0) return -1;       \
    return real ARGUMENTS;                           \
  }
READS(read, (int fd, void *to, size_t size), (fd, to, size))
READS(pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
READS(pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at))

#define WRITES(name, PARAMETERS, WHOLE, HALF)                        \
  ssize_t name PARAMETERS {                                          \
    REAL(name);                                                      \
    if (!named(fd)) return real WHOLE;                               \
    int what = due(WRITE);                                           \
    if (what < 0) return -1;                                         \
    if (!what) { note("write", names[fd], NULL); return real WHOLE; } \
    int mode = mode_;                                                \
    ssize_t done = size > 1 ? real HALF : 0;                         \
    if (dead) { dead = 0; note("write", names[fd], NULL); dead = 1; } \
    else note("write", names[fd], NULL);                             \
    if (mode == SHORT && done > 0) return done;                      \
    errno = mode == DEAD ? EIO : error_;                             \
    return -1;                                                       \
  }
WRITES(write, (int fd, const void *from, size_t size), (fd, from, size), (fd, from, size / 2))
WRITES(pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), (fd, from, size / 2, at))
WRITES(pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), (fd, from, size / 2, at))

#define SYNCS(name)                                                \
  int name(int fd) {                                               \
    REAL(name);                                                    \
    if (named(fd) && due(FSYNC) < 0) return -1;                    \
    int done = real(fd);                                           \
    if (named(fd) && !done) note("sync", names[fd], NULL);         \
    return done;                                                   \
  }
SYNCS(fsync)
SYNCS(fdatasync)

int rename(const char *from, const char *to) {
  REAL(rename);
  if (below(to) && due(RENAME) < 0) return -1;
  int done = real(from, to);
  if (below(to) && !done) note("rename", from, to);
  return done;
}
int renameat(int a, const char *from, int b, const char *to) {
  REAL(renameat);
  if (below(to) && due(RENAME) < 0) return -1;
  return real(a, from, b, to);
}
int link(const char *from, const char *to) {
  REAL(link);
  if (below(to) && due(LINK) < 0) return -1;
  return real(from, to);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  REAL(linkat);
  if (below(to) && due(LINK) < 0) return -1;
  return real(a, from, b, to, flags);
}
int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  if (below(path) && due(MKDIR) < 0) return -1;
  return real(path, mode);
}
int mkdirat(int at, const char *path, mode_t mode) {
  REAL(mkdirat);
  if (below(path) && due(MKDIR) < 0) return -1;
  return real(at, path, mode);
}

/* What is not counted; a killed process does it no more. */
#define ENDED(path) if (dead && below(path)) { errno = EIO; return -1; }
int unlink(const char *path) {
  REAL(unlink);
  ENDED(path)
  int done = real(path);
  if (below(path) && !done) note("unlink", path, NULL);
  return done;
}
int rmdir(const char *path) { REAL(rmdir); ENDED(path) return real(path); }
int truncate(const char *path, off_t size) { REAL(truncate); ENDED(path) return real(path, size); }
int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  if (dead && named(fd)) { errno = EIO; return -1; }
  return real(fd, size);
}
