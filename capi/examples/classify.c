/* Loads a network, runs it in a context, and prints its scores.
 *
 * cc -std=c11 classify.c $(pkg-config --cflags --libs resnetc) -o classify
 * ./classify resnet20-fashion-mnist.onnx
 */
#include <resnetc.h>
#include <stdio.h>

/* Prints an error, and frees it. */
static int fail(resnetc_error *error) {
    fprintf(stderr, "error: %s [%s]\n", resnetc_error_message(error), resnetc_error_code(error));
    if (resnetc_error_help(error) != NULL) {
        fprintf(stderr, "help: %s\n", resnetc_error_help(error));
    }
    resnetc_error_free(error);
    return 1;
}

/* Runs on a picture that is made up; a program would have one. */
static int run(resnetc_context *context, const resnetc_port *in, const resnetc_port *out) {
    resnetc_error *error = NULL;
    float *pixels = resnetc_context_input(context, 0, &error);
    if (pixels == NULL) {
        return fail(error);
    }
    for (size_t i = 0; i < in->elements; i++) {
        pixels[i] = (float)(i % 29) / 32.0f;
    }
    if (resnetc_run(context, &error) != RESNETC_STATUS_OK) {
        return fail(error);
    }
    const float *scores = resnetc_context_output(context, 0, &error);
    if (scores == NULL) {
        return fail(error);
    }
    for (size_t i = 0; i < out->elements; i++) {
        printf("%.9g\n", scores[i]);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: classify MODEL\n");
        return 2;
    }
    resnetc_error *error = NULL;
    resnetc_model *model = NULL;
    resnetc_options *options = resnetc_options_new();
    if (resnetc_options_set(options, "numerics", "exact", &error) != RESNETC_STATUS_OK ||
        resnetc_options_set_number(options, "threads", 1, &error) != RESNETC_STATUS_OK ||
        resnetc_load(argv[1], options, &model, &error) != RESNETC_STATUS_OK) {
        resnetc_options_free(options);
        return fail(error);
    }
    resnetc_options_free(options);

    const resnetc_port *in = resnetc_model_input(model, 0, NULL);
    const resnetc_port *out = resnetc_model_output(model, 0, NULL);
    const resnetc_facts *facts = resnetc_model_facts(model);
    fprintf(stderr, "resnetc %s: \"%s\" to \"%s\", %zu bytes of weights, %s\n", resnetc_version(),
            in->name, out->name, facts->weight_bytes, facts->isa);

    int failed = 1;
    resnetc_context *context = NULL;
    if (in->held != RESNETC_TYPE_F32 || out->held != RESNETC_TYPE_F32) {
        fprintf(stderr, "this program is for networks of floats\n");
    } else if (resnetc_context_new(model, &context, &error) != RESNETC_STATUS_OK) {
        fail(error);
    } else {
        failed = run(context, in, out);
    }
    resnetc_context_free(context);
    resnetc_model_free(model);
    return failed;
}
