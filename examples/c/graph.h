// Open and run graphs of a bundle in ONNX Runtime. Memory is freed when the program ends.
#include <onnxruntime_c_api.h>
#include <stdarg.h>
#include <stdio.h>

#define FLOAT ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
#define UINT8 ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
#define INT64 ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64

typedef struct {
    const char *name;
    ONNXTensorElementDataType type;
    void *data;
    size_t rank;
    int64_t shape[4];
} Tensor;

static const OrtApi *ort;
static OrtEnv *env;
static OrtMemoryInfo *cpu;
static const char *bundle;                      // its folder
static const char *label;                       // name of a class, or NULL
static size_t height, width, channels, length;  // of an image, and of a latent

// Exit codes: 1 for a failure, 2 for wrong usage, 5 for a bundle that cannot be used.
_Noreturn static void die(int code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("cvae: ", stderr);
    vfprintf(stderr, format, values);
    fputs("\n", stderr);
    exit(code);
}

static void check(OrtStatus *status) {
    if (status) die(1, "ONNX Runtime: %s", ort->GetErrorMessage(status));
}

static void *array(size_t count, size_t size) {
    void *made = calloc(count, size);
    if (!made) die(1, "expected memory for %zu values, found less; use fewer images", count);
    return made;
}

static void start_runtime(void) {
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);  // otherwise official builds send telemetry
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!ort) die(1, "expected ONNX Runtime with API %d, found an older one; install a newer library", ORT_API_VERSION);
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "cvae", &env));
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &cpu));
}

// Returns a value of a graph's metadata, JSON. The metadata describes the model as the manifest does.
static const char *metadata(const OrtSession *graph, const char *key) {
    OrtAllocator *allocator;
    OrtModelMetadata *all;
    char *value;
    check(ort->GetAllocatorWithDefaultOptions(&allocator));
    check(ort->SessionGetModelMetadata(graph, &all));
    check(ort->ModelMetadataLookupCustomMetadataMap(all, allocator, key, &value));
    ort->ReleaseModelMetadata(all);
    return value ? value : "none";
}

// If not, the prior is N(0, I).
static bool has_learned_prior(const OrtSession *graph) { return strcmp(metadata(graph, "cvae.prior"), "none"); }

// Returns the value of the input label, or -1 if the model has no labels. Without a name, it is the number of classes.
static int64_t label_index(const OrtSession *graph) {
    const char *names = metadata(graph, "cvae.labels"), *at = names, *name = NULL;  // ["0", "1", …]
    int64_t index = 0;
    for (; *at; at += *at == '\\' && at[1] ? 2 : 1) {
        if (*at != '"') continue;
        if (!name) name = at + 1;
        else if (label && strlen(label) == (size_t)(at - name) && !strncmp(label, name, strlen(label))) return index;
        else name = NULL, ++index;
    }
    if (label && !index) die(1, "--label: expected none, since the model has no labels; found '%s'", label);
    if (label) die(1, "--label: expected one of %s; found '%s'", names, label);
    return index ? index : -1;
}

// Opens a graph of the bundle. Returns NULL if the bundle lacks a graph that is not needed.
static OrtSession *open_graph(const char *role, bool needed) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.onnx", bundle, role);
    FILE *file = fopen(path, "rb");
    if (!file && needed) die(5, "%s: expected a bundle, a folder with %s.onnx; cvae-export makes one", bundle, role);
    if (!file) return NULL;
    fclose(file);
    OrtSessionOptions *options;
    OrtSession *graph;
    check(ort->CreateSessionOptions(&options));
    check(ort->AddSessionConfigEntry(options, "session.load_model_format", "ONNX"));  // by default, the content decides
    OrtStatus *status = ort->CreateSession(env, path, options, &graph);
    if (status) die(5, "%s: expected a graph that ONNX Runtime opens; export it again. ONNX Runtime: %s", path,
                    ort->GetErrorMessage(status));
    const char *format = metadata(graph, "cvae.format");
    if (strcmp(format, "1") && strcmp(format, "2"))
        die(5, "%s: expected format 1 or 2, found %s; use the version of cvae-toolkit that wrote it, or export the "
               "bundle again", path, format);
    sscanf(metadata(graph, "cvae.image_shape"), "[%zu, %zu, %zu]", &height, &width, &channels);
    sscanf(metadata(graph, "cvae.latent_dim"), "%zu", &length);
    return graph;
}

// Runs a graph. ONNX Runtime writes the outputs, which follow the inputs, into their arrays. If the model has labels,
// feeds the label of each item, too. The first tensor has an item in each row.
static void run(OrtSession *graph, size_t inputs, size_t outputs, const Tensor *tensors) {
    const char *names[4] = {0};
    OrtValue *values[4] = {0};
    Tensor all[4] = {{"label", INT64, NULL, 1, {tensors->shape[0]}}};
    const int64_t index = label_index(graph);
    const size_t labels = index < 0 ? 0 : 1;
    int64_t *indices = all[0].data = array((size_t)tensors->shape[0], sizeof *indices);
    for (int64_t i = 0; i < tensors->shape[0]; ++i) indices[i] = index;
    memcpy(all + labels, tensors, (inputs + outputs) * sizeof *tensors);
    inputs += labels;
    for (size_t i = 0; i < inputs + outputs; ++i) {
        const Tensor *t = &all[i];
        size_t bytes = t->type == FLOAT ? sizeof(float) : t->type == INT64 ? sizeof(int64_t) : 1;
        for (size_t axis = 0; axis < t->rank; ++axis) bytes *= (size_t)t->shape[axis];
        names[i] = t->name;
        check(ort->CreateTensorWithDataAsOrtValue(cpu, t->data, bytes, t->shape, t->rank, t->type, &values[i]));
    }
    const OrtValue *const *fed = (const OrtValue *const *)values;
    check(ort->Run(graph, NULL, names, fed, inputs, names + inputs, outputs, values + inputs));
    for (size_t i = 0; i < inputs + outputs; ++i) ort->ReleaseValue(values[i]);
}
