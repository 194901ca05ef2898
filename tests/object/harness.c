/* What the test's program needs besides its main function. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net.h"

#define WORKERS 3

#define CHECK(is)                                                       \
    do {                                                                \
        if (!(is)) {                                                    \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #is);    \
            exit(1);                                                    \
        }                                                               \
    } while (0)

/* Memory whose end is followed by a page that cannot be accessed. */
static void *guarded(size_t bytes, size_t align) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (bytes + page - 1) / page * page;
    unsigned char *memory = mmap(NULL, whole + 2 * page, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK(mprotect(memory, page, PROT_NONE) == 0);
    CHECK(mprotect(memory + page + whole, page, PROT_NONE) == 0);
    return memory + page + (whole - bytes) / align * align;
}

static void load(const char *path, void *to, size_t bytes) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fread(to, 1, bytes, file) == bytes && fgetc(file) == EOF);
    fclose(file);
}

static void save(const char *path, const void *from, size_t bytes) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(from, 1, bytes, file) == bytes && fclose(file) == 0);
}

/* A loop whose threads take every third chunk, from the last to the first. */
struct share {
    net_body *body;
    void *context;
    uint32_t count, worker;
};

static void *work(void *argument) {
    struct share *share = argument;
    for (uint32_t i = share->count; i-- > 0;)
        if (i % WORKERS == share->worker) share->body(share->context, i, share->worker);
    return NULL;
}

static void in_threads(void *user, uint32_t count, net_body *body, void *context) {
    pthread_t threads[WORKERS];
    struct share shares[WORKERS];
    CHECK(user == NULL);
    for (uint32_t w = 0; w < WORKERS; w++) {
        shares[w] = (struct share){body, context, count, w};
        CHECK(pthread_create(&threads[w], NULL, work, &shares[w]) == 0);
    }
    for (uint32_t w = 0; w < WORKERS; w++) CHECK(pthread_join(threads[w], NULL) == 0);
}

