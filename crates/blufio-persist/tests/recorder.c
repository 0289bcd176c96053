/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Records every change that a process makes to blufio.db and blufio.db-wal, with every sync and every
 * acknowledgement between them, so that a test can rebuild what a power cut at any point would leave behind.
 * On request it also makes a sync or some writes of the log fail.
 *
 * Record: kind, file (32 bits each), offset, length (64 bits each), then the bytes of a write.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { FILES_MAX = 4096 };
enum { NONE = 0, MAIN = 1, LOG = 2, ACKNOWLEDGEMENTS = 3 };
enum { WRITE = 1, TRUNCATE = 2, SYNC = 3 };

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static unsigned char files[FILES_MAX];
static int record_fd = -1;
static long syncs, writes;

static long number(const char *name) {
    const char *value = getenv(name);
    return value ? atol(value) : -1;
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static int file_of(int fd) { return fd >= 0 && fd < FILES_MAX ? files[fd] : NONE; }

static void raw_write(const void *bytes, size_t length) {
    static ssize_t (*write_)(int, const void *, size_t);
    if (!write_) write_ = real("write");
    const char *at = bytes;
    while (length > 0) {
        ssize_t done = write_(record_fd, at, length);
        if (done <= 0) abort();
        at += done;
        length -= (size_t)done;
    }
}

static void record(uint32_t kind, int file, uint64_t offset, uint64_t length, const void *bytes) {
    if (record_fd < 0) {
        static int (*open_)(const char *, int, ...);
        if (!open_) open_ = real("open");
        const char *path = getenv("BLUFIO_RECORD");
        if (!path) return;
        record_fd = open_(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        if (record_fd < 0) abort();
    }
    struct { uint32_t kind, file; uint64_t offset, length; } head = {kind, (uint32_t)file, offset, length};
    raw_write(&head, sizeof head);
    if (bytes) raw_write(bytes, (size_t)length);
}

static int ends_with(const char *path, const char *end) {
    size_t all = strlen(path), tail = strlen(end);
    return all >= tail && strcmp(path + all - tail, end) == 0;
}

static int opened(const char *path, int fd) {
    if (fd < 0 || fd >= FILES_MAX) return fd;
    files[fd] = ends_with(path, "/blufio.db")       ? MAIN
                : ends_with(path, "/blufio.db-wal") ? LOG
                : ends_with(path, "/acknowledgements") ? ACKNOWLEDGEMENTS
                                                       : NONE;
    return fd;
}

#define OPEN(NAME)                                                  \
    int NAME(const char *path, int flags, ...) {                    \
        static int (*real_)(const char *, int, ...);                \
        if (!real_) real_ = real(#NAME);                            \
        va_list list;                                               \
        va_start(list, flags);                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list);                                               \
        return opened(path, real_(path, flags, mode));              \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                                \
    int NAME(int folder, const char *path, int flags, ...) {        \
        static int (*real_)(int, const char *, int, ...);           \
        if (!real_) real_ = real(#NAME);                            \
        va_list list;                                               \
        va_start(list, flags);                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list);                                               \
        return opened(path, real_(folder, path, flags, mode));      \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    static int (*real_)(int);
    if (!real_) real_ = real("close");
    if (fd >= 0 && fd < FILES_MAX) files[fd] = NONE;
    return real_(fd);
}

static int refuses_write(int file) {
    long from = number("BLUFIO_FAIL_WRITES_FROM");
    if (file != LOG || from < 0) return 0;
    writes++;
    if (writes < from || writes >= from + number("BLUFIO_FAIL_WRITES")) return 0;
    errno = ENOSPC;
    return 1;
}

#define PWRITE(NAME, OFFSET)                                        \
    ssize_t NAME(int fd, const void *bytes, size_t length, OFFSET offset) { \
        static ssize_t (*real_)(int, const void *, size_t, OFFSET); \
        if (!real_) real_ = real(#NAME);                            \
        int file = file_of(fd);                                     \
        if (file == NONE) return real_(fd, bytes, length, offset);  \
        pthread_mutex_lock(&order);                                 \
        ssize_t done = refuses_write(file) ? -1 : real_(fd, bytes, length, offset); \
        if (done > 0) record(WRITE, file, (uint64_t)offset, (uint64_t)done, bytes); \
        pthread_mutex_unlock(&order);                               \
        return done;                                                \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *bytes, size_t length) {
    static ssize_t (*real_)(int, const void *, size_t);
    if (!real_) real_ = real("write");
    int file = file_of(fd);
    if (file == NONE) return real_(fd, bytes, length);
    pthread_mutex_lock(&order);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = refuses_write(file) ? -1 : real_(fd, bytes, length);
    if (done > 0) record(WRITE, file, (uint64_t)offset, (uint64_t)done, bytes);
    pthread_mutex_unlock(&order);
    return done;
}

#define TRUNCATION(NAME, OFFSET)                                    \
    int NAME(int fd, OFFSET length) {                               \
        static int (*real_)(int, OFFSET);                           \
        if (!real_) real_ = real(#NAME);                            \
        int file = file_of(fd);                                     \
        if (file == NONE) return real_(fd, length);                 \
        pthread_mutex_lock(&order);                                 \
        int outcome = real_(fd, length);                            \
        if (outcome == 0) record(TRUNCATE, file, (uint64_t)length, 0, NULL); \
        pthread_mutex_unlock(&order);                               \
        return outcome;                                             \
    }
TRUNCATION(ftruncate, off_t)
TRUNCATION(ftruncate64, off64_t)

#define SYNCHRONISATION(NAME)                                       \
    int NAME(int fd) {                                              \
        static int (*real_)(int);                                   \
        if (!real_) real_ = real(#NAME);                            \
        int file = file_of(fd);                                     \
        if (file == NONE) return real_(fd);                         \
        pthread_mutex_lock(&order);                                 \
        int fails = file == LOG && ++syncs == number("BLUFIO_FAIL_SYNC"); \
        int outcome = fails ? -1 : real_(fd);                       \
        if (fails) errno = EIO;                                     \
        if (outcome == 0) record(SYNC, file, 0, 0, NULL);           \
        pthread_mutex_unlock(&order);                               \
        return outcome;                                             \
    }
SYNCHRONISATION(fsync)
SYNCHRONISATION(fdatasync)
