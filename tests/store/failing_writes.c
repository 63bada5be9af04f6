/* Preloaded into a test: the Nth write to a file of a store's tables fails, or is cut short and then fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int writes, failing, halves;

/* Fail the Nth write from now on, after half of it where half is not 0; none where n is 0. */
void fail_at(int n, int half) { atomic_store(&writes, 0); atomic_store(&halves, half); atomic_store(&failing, n); }
int writes_seen(void) { return atomic_load(&writes); }

static int is_table_file(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, ".lance/") != NULL;
}

ssize_t write(int descriptor, const void *data, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (is_table_file(descriptor)) {
        int seen = atomic_fetch_add(&writes, 1) + 1, failed = atomic_load(&failing);
        if (failed && seen == failed) {
            if (atomic_load(&halves) && count > 1) { atomic_store(&failing, failed + 1); return real(descriptor, data, count / 2); }
            errno = EIO;
            return -1;
        }
    }
    return real(descriptor, data, count);
}
