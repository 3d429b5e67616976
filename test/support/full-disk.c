/*
 * A disk that is full at the n-th call that takes room, for every process below: LD_PRELOAD.
 * FULL_BELOW: the folder whose files count. FULL_COUNTER: a file of 8 bytes, the calls so far in all processes.
 * FULL_AT: the first call that fails, from 1; 0: none. FULL_CALLS: how many fail from there on; 0: all.
 * What stdio writes within libc cannot be replaced, so fwrite, fflush and fclose stand for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static int64_t *counter(void)
{
    static int64_t *shared;
    if (shared == NULL) {
        const char *path = getenv("FULL_COUNTER");
        const int file = path == NULL ? -1 : REAL(open)(path, O_RDWR);
        if (file < 0) {
            return NULL;
        }
        void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        shared = memory == MAP_FAILED ? NULL : memory;
    }
    return shared;
}

static long setting(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : atol(text);
}

/* Whether this call takes room that is not there. */
static int fails(void)
{
    int64_t *shared = counter();
    if (shared == NULL) {
        return 0;
    }
    const int64_t number = __atomic_add_fetch(shared, 1, __ATOMIC_SEQ_CST);
    const long at = setting("FULL_AT");
    const long calls = setting("FULL_CALLS");
    if (at == 0 || number < at || (calls != 0 && number >= at + calls)) {
        return 0;
    }
    errno = ENOSPC;
    return 1;
}

static int counts_path(const char *path)
{
    const char *below = getenv("FULL_BELOW");
    char cwd[4096];
    if (below == NULL || path == NULL) {
        return 0;
    }
    if (path[0] != '/') {
        return getcwd(cwd, sizeof cwd) != NULL && strncmp(cwd, below, strlen(below)) == 0;
    }
    return strncmp(path, below, strlen(below)) == 0;
}

static int counts_file(int file)
{
    char link[64];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) {
        return 0;
    }
    path[length] = '\0';
    return path[0] == '/' && counts_path(path);
}

static int full_path(const char *path) { return counts_path(path) && fails(); }
static int full_file(int file) { return counts_file(file) && fails(); }
static int full_new(const char *path, int flags)
{
    return (flags & O_CREAT) != 0 && access(path, F_OK) != 0 && full_path(path);
}

#define OPEN(name)                                     \
    int name(const char *path, int flags, ...)         \
    {                                                  \
        va_list rest;                                  \
        va_start(rest, flags);                         \
        const mode_t mode = va_arg(rest, mode_t);      \
        va_end(rest);                                  \
        return full_new(path, flags) ? -1 : REAL(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                    \
    FILE *name(const char *path, const char *mode)     \
    {                                                  \
        const int is_new = mode[0] != 'r' && access(path, F_OK) != 0; \
        return is_new && full_path(path) ? NULL : REAL(name)(path, mode); \
    }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int file, const void *bytes, size_t count)
{
    return full_file(file) ? -1 : REAL(write)(file, bytes, count);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at)
{
    return full_file(file) ? -1 : REAL(pwrite)(file, bytes, count, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at)
{
    return full_file(file) ? -1 : REAL(pwrite64)(file, bytes, count, at);
}
ssize_t writev(int file, const struct iovec *parts, int count)
{
    return full_file(file) ? -1 : REAL(writev)(file, parts, count);
}
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
    return full_file(fileno(file)) ? 0 : REAL(fwrite)(bytes, size, count, file);
}
int fclose(FILE *file)
{
    const int is_full = (fcntl(fileno(file), F_GETFL) & O_ACCMODE) != O_RDONLY && full_file(fileno(file));
    const int result = REAL(fclose)(file);
    if (is_full) {
        errno = ENOSPC;
    }
    return is_full ? EOF : result;
}
int fsync(int file) { return full_file(file) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return full_file(file) ? -1 : REAL(fdatasync)(file); }
int ftruncate(int file, off_t bytes) { return full_file(file) ? -1 : REAL(ftruncate)(file, bytes); }
int ftruncate64(int file, off64_t bytes) { return full_file(file) ? -1 : REAL(ftruncate64)(file, bytes); }
int mkdir(const char *path, mode_t mode) { return full_path(path) ? -1 : REAL(mkdir)(path, mode); }
char *mkdtemp(char *path) { return full_path(path) ? NULL : REAL(mkdtemp)(path); }
int rename(const char *from, const char *to) { return full_path(to) ? -1 : REAL(rename)(from, to); }
int link(const char *from, const char *to) { return full_path(to) ? -1 : REAL(link)(from, to); }
int symlink(const char *to, const char *path) { return full_path(path) ? -1 : REAL(symlink)(to, path); }
