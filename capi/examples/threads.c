/* One model for many threads: each runs it on its own pictures, and none waits for another.
 *
 * cc -std=c11 -pthread threads.c $(pkg-config --cflags --libs resnetc) -o threads
 * ./threads resnet20-fashion-mnist.onnx
 */
#include <pthread.h>
#include <resnetc.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, PICTURES = 8 };

typedef struct {
    resnetc_model *model;
    int number;
    float best[PICTURES];
    int failed;
} job;

/* The largest score of each picture. */
static void *work(void *argument) {
    job *mine = argument;
    const resnetc_port *in = resnetc_model_input(mine->model, 0, NULL);
    const resnetc_port *out = resnetc_model_output(mine->model, 0, NULL);
    float *pixels = malloc(in->bytes);
    float *scores = malloc(out->bytes);
    mine->failed = pixels == NULL || scores == NULL;
    for (int picture = 0; picture < PICTURES && !mine->failed; picture++) {
        for (size_t i = 0; i < in->elements; i++) {
            pixels[i] = (float)((i + (size_t)(mine->number * PICTURES + picture)) % 29) / 32.0f;
        }
        resnetc_source source = {pixels, in->bytes, RESNETC_TYPE_F32};
        resnetc_target target = {scores, out->bytes, RESNETC_TYPE_F32};
        resnetc_error *error = NULL;
        if (resnetc_run_once(mine->model, &source, 1, &target, 1, &error) != RESNETC_STATUS_OK) {
            fprintf(stderr, "error: %s\n", resnetc_error_message(error));
            resnetc_error_free(error);
            mine->failed = 1;
            break;
        }
        mine->best[picture] = scores[0];
        for (size_t i = 1; i < out->elements; i++) {
            mine->best[picture] = scores[i] > mine->best[picture] ? scores[i] : mine->best[picture];
        }
    }
    free(pixels);
    free(scores);
    resnetc_model_free(mine->model);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: threads MODEL\n");
        return 2;
    }
    resnetc_error *error = NULL;
    resnetc_model *model = NULL;
    /* Runs of one picture share no work, so each run uses one thread. */
    resnetc_options *options = resnetc_options_new();
    resnetc_options_set_number(options, "threads", 1, NULL);
    resnetc_options_set(options, "numerics", "exact", NULL);
    resnetc_status status = resnetc_load(argv[1], options, &model, &error);
    resnetc_options_free(options);
    if (status != RESNETC_STATUS_OK) {
        fprintf(stderr, "error: %s\n", resnetc_error_message(error));
        resnetc_error_free(error);
        return 1;
    }
    static job jobs[THREADS];
    pthread_t threads[THREADS];
    int started = 0;
    for (; started < THREADS; started++) {
        /* Each thread has a handle of its own, so nobody needs to know which one ends last. */
        jobs[started].model = resnetc_model_clone(model);
        jobs[started].number = started;
        if (pthread_create(&threads[started], NULL, work, &jobs[started]) != 0) {
            resnetc_model_free(jobs[started].model);
            break;
        }
    }
    resnetc_model_free(model);
    int failed = started < THREADS;
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        failed |= jobs[i].failed;
    }
    for (int i = 0; i < THREADS && !failed; i++) {
        for (int picture = 0; picture < PICTURES; picture++) {
            printf("%.9g\n", jobs[i].best[picture]);
        }
    }
    return failed;
}
