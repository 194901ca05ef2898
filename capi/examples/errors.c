/* What errors look like: a number for programs, a stable name, a message, and what to do.
 *
 * cc -std=c11 errors.c $(pkg-config --cflags --libs resnetc) -o errors
 * ./errors resnet20-fashion-mnist.onnx
 */
#include <resnetc.h>
#include <stdio.h>

/* Prints an error, and frees it. */
static void report(resnetc_status status, resnetc_error *error) {
    if (status == RESNETC_STATUS_OK) {
        printf("no error\n");
        return;
    }
    const char *help = resnetc_error_help(error);
    printf("%d %s: %s\n", (int)status, resnetc_error_code(error), resnetc_error_message(error));
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
    report(resnetc_load("resnet51", NULL, &model, &error), error);
    report(resnetc_load("none.onnx", NULL, &model, &error), error);
    resnetc_options *options = resnetc_options_new();
    report(resnetc_options_set(options, "thread", "2", &error), error);
    report(resnetc_options_set(options, "numerics", "slow", &error), error);

    /* An option that has no effect on this file. */
    report(resnetc_options_set_number(options, "seed", 1, &error), error);
    report(resnetc_load(argv[1], options, &model, &error), error);
    resnetc_options_free(options);

    /* Bytes that are no model. */
    report(resnetc_load_onnx("PK\3\4", 4, NULL, NULL, &model, &error), error);

    /* NULL is an error wherever a value is required. */
    report(resnetc_load(argv[1], NULL, NULL, &error), error);
    resnetc_context *context = NULL;
    report(resnetc_context_new(NULL, &context, &error), error);

    /* Buffers of the wrong size. */
    report(resnetc_load(argv[1], NULL, &model, &error), error);
    float pixels[10] = {0}, scores[10];
    resnetc_source source = {pixels, sizeof pixels, RESNETC_TYPE_F32};
    resnetc_target target = {scores, sizeof scores, RESNETC_TYPE_F32};
    report(resnetc_run_once(model, &source, 1, &target, 1, &error), error);
    report(resnetc_run_once(model, NULL, 0, &target, 1, &error), error);
    resnetc_model_free(model);
    return 0;
}
