/* What errors look like: a number for programs, a stable name, a message, and what to do.
 *
 * cc -std=c11 errors.c $(pkg-config --cflags --libs resnetc) -o errors
 * ./errors resnet20-fashion-mnist.onnx
 */
#include <resnetc.h>
#include <stdio.h>

/* Prints what came of a call, and frees the error. */
static void report(resnetc_error *error) {
    if (error == NULL) {
        printf("no error\n");
        return;
    }
    const char *help = resnetc_error_help(error);
    printf("%d %s: %s\n", (int)resnetc_error_status(error), resnetc_error_code(error),
           resnetc_error_message(error));
    if (help != NULL) {
        printf("  %s\n", help);
    }
    resnetc_error_free(error);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: errors MODEL\n");
        return 2;
    }
    resnetc_error *error = NULL;
    resnetc_model *model = NULL;

    /* There is no such network, file or option. */
    resnetc_load("resnet51", NULL, &model, &error);
    report(error);
    resnetc_load("none.onnx", NULL, &model, &error);
    report(error);
    resnetc_options *options = resnetc_options_new();
    resnetc_options_set(options, "thread", "2", &error);
    report(error);
    resnetc_options_set(options, "numerics", "slow", &error);
    report(error);

    /* An option that has no effect on this file. */
    resnetc_options_set_number(options, "seed", 1, &error);
    report(error);
    resnetc_load(argv[1], options, &model, &error);
    report(error);
    resnetc_options_free(options);

    /* Bytes that are no model. */
    resnetc_load_onnx("PK\3\4", 4, NULL, NULL, &model, &error);
    report(error);

    /* NULL is an error wherever a value is required. */
    resnetc_load(argv[1], NULL, NULL, &error);
    report(error);
    resnetc_context *context = NULL;
    resnetc_context_new(NULL, &context, &error);
    report(error);

    /* Buffers of the wrong size. */
    resnetc_load(argv[1], NULL, &model, &error);
    report(error);
    float pixels[10] = {0}, scores[10];
    resnetc_source source = {pixels, sizeof pixels, RESNETC_TYPE_F32};
    resnetc_target target = {scores, sizeof scores, RESNETC_TYPE_F32};
    resnetc_run_once(model, &source, 1, &target, 1, &error);
    report(error);
    resnetc_run_once(model, NULL, 0, &target, 1, &error);
    report(error);
    resnetc_model_free(model);
    return 0;
}
