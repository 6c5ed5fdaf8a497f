package main

/*
#cgo LDFLAGS: -lonnxruntime
#include <onnxruntime_c_api.h>

static const OrtApi *ort;
static OrtEnv *env;
static OrtAllocator *allocator;

// Go cannot call the C API's function pointers itself. These functions return an error's message, or NULL.
static const char *message(OrtStatus *status) { return status ? ort->GetErrorMessage(status) : NULL; }

static const char *start(void) {
	ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
	if (!ort) return "expected a library as new as the header, found an older one; install a newer library";
	OrtStatus *status = ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "cvae", &env);
	return message(status ? status : ort->GetAllocatorWithDefaultOptions(&allocator));
}

static const char *open_session(const char *path, OrtSession **session) {
	OrtSessionOptions *options;
	OrtStatus *status = ort->CreateSessionOptions(&options);
	if (status) return message(status);
	// By default, the content decides whether the file has another format than ONNX.
	status = ort->AddSessionConfigEntry(options, "session.load_model_format", "ONNX");
	if (!status) status = ort->CreateSession(env, path, options, session);
	ort->ReleaseSessionOptions(options);
	return message(status);
}

static const char *look_up(OrtSession *session, const char *key, char **value) {
	OrtModelMetadata *metadata;
	OrtStatus *status = ort->SessionGetModelMetadata(session, &metadata);
	if (status) return message(status);
	status = ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, key, value);
	ort->ReleaseModelMetadata(metadata);
	return message(status);
}

static const char *new_tensor(const int64_t *shape, size_t rank, ONNXTensorElementDataType type, OrtValue **value) {
	return message(ort->CreateTensorAsOrtValue(allocator, shape, rank, type, value));
}

static const char *tensor_data(OrtValue *value, void **data, size_t *bytes) {
	OrtTensorTypeAndShapeInfo *info;
	ONNXTensorElementDataType type;
	OrtStatus *status = ort->GetTensorTypeAndShape(value, &info);
	if (status) return message(status);
	status = ort->GetTensorShapeElementCount(info, bytes);
	if (!status) status = ort->GetTensorElementType(info, &type);
	if (!status) status = ort->GetTensorMutableData(value, data);
	ort->ReleaseTensorTypeAndShapeInfo(info);
	if (status) return message(status);
	*bytes *= type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ? 1 : type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 ? 8 : 4;
	return NULL;
}

static const char *run(OrtSession *session, const char **names, OrtValue **values, size_t inputs, size_t outputs) {
	return message(ort->Run(session, NULL, names, (const OrtValue *const *)values, inputs, names + inputs, outputs,
	                        values + inputs));
}

static void release(OrtValue *value) { ort->ReleaseValue(value); }
static void free_text(char *text) { allocator->Free(allocator, text); }
*/
import "C"

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"unsafe"
)

// Tensor is a tensor in the form of golden.json, whose data is base64 of the little-endian values.
type Tensor struct {
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
	Data  []byte  `json:"data"`
}

var types = map[string]C.ONNXTensorElementDataType{
	"float32": C.ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
	"uint8":   C.ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
	"uint32":  C.ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
	"int64":   C.ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
}

// Graph is an open graph. Its metadata describes the model as the manifest does.
type Graph struct {
	session                         *C.OrtSession
	height, width, channels, length int
	labels                          []string // names of classes
}

// label is the name of a class, or nil.
var label *string

// labelIndex returns the value of the input label. Without a name, it is the number of classes.
func (graph Graph) labelIndex() uint64 {
	if label == nil {
		return uint64(len(graph.labels))
	}
	for index, name := range graph.labels {
		if name == *label {
			return uint64(index)
		}
	}
	if graph.labels == nil {
		fail(1, "--label: expected none, since the model has no labels; found '%s'", *label)
	}
	fail(1, "--label: expected one of %s; found '%s'", graph.metadata("cvae.labels"), *label)
	return 0
}

func check(message *C.char) {
	if message != nil {
		fail(1, "ONNX Runtime: %s", C.GoString(message))
	}
}

func startRuntime() {
	if _, set := os.LookupEnv("ORT_DISABLE_TELEMETRY"); !set {
		os.Setenv("ORT_DISABLE_TELEMETRY", "1") // otherwise ONNX Runtime's official builds send telemetry
	}
	check(C.start())
}

func openGraph(bundle, role string) Graph {
	path := fmt.Sprintf("%s/%s.onnx", bundle, role)
	if !exists(path) {
		fail(5, "%s: expected a bundle, a folder with %s.onnx; cvae-export makes one", bundle, role)
	}
	var graph Graph
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if message := C.open_session(name, &graph.session); message != nil {
		fail(5, "%s: expected a graph that ONNX Runtime opens; export it again. ONNX Runtime: %s", path, C.GoString(message))
	}
	if format := graph.metadata("cvae.format"); format != "1" && format != "2" {
		fail(5, "%s: expected format 1 or 2, found %s; use the version of cvae-toolkit that wrote it, or export the "+
			"bundle again", path, format)
	}
	fmt.Sscanf(graph.metadata("cvae.image_shape"), "[%d, %d, %d]", &graph.height, &graph.width, &graph.channels)
	fmt.Sscanf(graph.metadata("cvae.latent_dim"), "%d", &graph.length)
	json.Unmarshal([]byte(graph.metadata("cvae.labels")), &graph.labels)
	return graph
}

// metadata returns a value as JSON, or "none".
func (graph Graph) metadata(key string) string {
	name := C.CString(key)
	defer C.free(unsafe.Pointer(name))
	var value *C.char
	check(C.look_up(graph.session, name, &value))
	if value == nil {
		return "none"
	}
	defer C.free_text(value)
	return C.GoString(value)
}

// hasLearnedPrior returns whether the prior is another than N(0, I).
func (graph Graph) hasLearnedPrior() bool {
	return graph.metadata("cvae.prior") != "none"
}

// run feeds the inputs to the graph and returns the data of the named outputs. If the model has labels, it adds the
// label of each item.
func (graph Graph) run(inputs map[string]Tensor, outputs ...string) map[string][]byte {
	index := graph.labelIndex()
	if _, given := inputs["label"]; graph.labels != nil && !given {
		labels := Tensor{DType: "int64", Shape: []int64{0}}
		for _, name := range []string{"noise", "z", "images"} { // the last of them has an item in each row
			if items, fed := inputs[name]; fed {
				labels.Shape[0] = items.Shape[0]
			}
		}
		for range make([]struct{}, labels.Shape[0]) {
			labels.Data = binary.LittleEndian.AppendUint64(labels.Data, index)
		}
		inputs["label"] = labels
	}
	var names []*C.char
	var values []*C.OrtValue
	for name, tensor := range inputs {
		var value *C.OrtValue
		shape := append(tensor.Shape[:len(tensor.Shape):len(tensor.Shape)], 0) // a scalar's shape is empty
		check(C.new_tensor((*C.int64_t)(&shape[0]), C.size_t(len(tensor.Shape)), types[tensor.DType], &value))
		copy(view(value), tensor.Data)
		names, values = append(names, C.CString(name)), append(values, value)
	}
	for _, name := range outputs {
		names, values = append(names, C.CString(name)), append(values, nil)
	}
	check(C.run(graph.session, &names[0], &values[0], C.size_t(len(inputs)), C.size_t(len(outputs))))
	results := map[string][]byte{}
	for index, name := range outputs {
		results[name] = append([]byte{}, view(values[len(inputs)+index])...)
	}
	for index := range values {
		C.release(values[index])
		C.free(unsafe.Pointer(names[index]))
	}
	return results
}

// view returns the data of a tensor, which lies in memory of ONNX Runtime.
func view(value *C.OrtValue) []byte {
	var data unsafe.Pointer
	var bytes C.size_t
	check(C.tensor_data(value, &data, &bytes))
	return unsafe.Slice((*byte)(data), int(bytes))
}
