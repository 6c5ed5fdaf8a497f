// Command cvae samples, encodes, scores and tests a bundle with ONNX Runtime's C API and Go's standard library.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
)

// fail ends the program. Exit codes: 1 for a failure, 2 for wrong usage, 5 for a bundle that cannot be used.
func fail(code int, format string, values ...any) {
	fmt.Fprintf(os.Stderr, "cvae: "+format+"\n", values...)
	os.Exit(code)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func floats(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}

func tensor(values []float32, shape ...int) Tensor {
	var data bytes.Buffer
	binary.Write(&data, binary.LittleEndian, values)
	result := Tensor{DType: "float32", Data: data.Bytes()}
	for _, size := range shape {
		result.Shape = append(result.Shape, int64(size))
	}
	return result
}

func (graph Graph) images(pixels []byte) Tensor {
	size := graph.height * graph.width * graph.channels
	shape := []int64{int64(len(pixels) / size), int64(graph.height), int64(graph.width), int64(graph.channels)}
	return Tensor{"uint8", shape, pixels}
}

func writeFile(path string, content []byte) {
	if err := os.WriteFile(path, content, 0o666); err != nil {
		fail(1, "%s: cannot be written", path)
	}
}

func decode(bundle string, z []float32, count int) []float32 {
	decoder := openGraph(bundle, "decoder")
	return floats(decoder.run(map[string]Tensor{"z": tensor(z, count, decoder.length)}, "probs")["probs"])
}

// writeDecoded decodes latents. It writes NAME.z and NAME.probs, float32, and the images below each other to NAME.pgm
// or NAME.ppm.
func writeDecoded(bundle string, model Graph, z []float32, name string) {
	count := len(z) / model.length
	probs := decode(bundle, z, count)
	kind, suffix := "P6", ".ppm"
	if model.channels == 1 {
		kind, suffix = "P5", ".pgm"
	}
	picture := []byte(fmt.Sprintf("%s\n%d %d\n255\n", kind, model.width, count*model.height))
	for _, p := range probs {
		picture = append(picture, byte(math.RoundToEven(float64(255*p))))
	}
	writeFile(name+".z", tensor(z).Data)
	writeFile(name+".probs", tensor(probs).Data)
	writeFile(name+suffix, picture)
}

func readImage(path string, model Graph) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		fail(1, "%s: cannot be opened for reading", path)
	}
	expected := "P6"
	if model.channels == 1 {
		expected = "P5"
	}
	var kind string
	var width, height, most int
	var separator byte
	rest := bytes.NewReader(content)
	_, err = fmt.Fscanf(rest, "%s\n%d %d\n%d%c", &kind, &width, &height, &most, &separator)
	pixels := content[len(content)-rest.Len():]
	size := model.height * model.width * model.channels
	header := err == nil && kind == expected && width == model.width && height == model.height && most == 255
	if !header || len(pixels) < size {
		fail(1, "%s: expected %s without comments, width %d, height %d, levels 0 to 255; convert it first",
			path, expected, model.width, model.height)
	}
	return pixels[:size]
}

func whole(text string, least, most uint64) uint64 {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number < least || number > most {
		fail(2, "expected a whole number from %d to %d, found '%s'", least, most, text)
	}
	return number
}

func sample(bundle, seedText, firstText, countText, name string) {
	decoder := openGraph(bundle, "decoder")
	seed, count := whole(seedText, 0, math.MaxUint64), whole(countText, 1, 100000)
	first := whole(firstText, 0, posterior/uint64((decoder.length+1)/2)-count) // where the stream ends
	z := normals(seed, samples, first, int(count), decoder.length)
	if decoder.hasLearnedPrior() { // it maps noise to latents
		noise := tensor(z, int(count), decoder.length)
		z = floats(openGraph(bundle, "prior").run(map[string]Tensor{"noise": noise}, "z")["z"])
	}
	writeDecoded(bundle, decoder, z, name)
}

// encode writes the posterior's logvar to NAME.logvar, and its mean and the reconstruction from it as samples are
// written.
func encode(bundle, path, name string) {
	encoder := openGraph(bundle, "encoder")
	codes := encoder.run(map[string]Tensor{"images": encoder.images(readImage(path, encoder))}, "mean", "logvar")
	writeFile(name+".logvar", codes["logvar"])
	writeDecoded(bundle, encoder, floats(codes["mean"]), name)
}

// bernoulliELBO computes the ELBOs of a Bernoulli model, with one draw of z each.
func bernoulliELBO(bundle string, encoder Graph, pixels []byte, noise []float32) []float32 {
	codes := encoder.run(map[string]Tensor{"images": encoder.images(pixels)}, "mean", "logvar")
	mean, logvar := floats(codes["mean"]), floats(codes["logvar"])
	z := make([]float32, len(noise))
	for j := range z {
		z[j] = mean[j] + float32(math.Exp(float64(logvar[j]/2)))*noise[j]
	}
	elbo := make([]float32, len(z)/encoder.length)
	probs := decode(bundle, z, len(elbo))
	logPZ, learned := make([]float32, len(elbo)), encoder.hasLearnedPrior() // log p(z) of a learned prior
	if learned {
		latents := tensor(z, len(elbo), encoder.length)
		logPZ = floats(openGraph(bundle, "prior_density").run(map[string]Tensor{"z": latents}, "log_prob")["log_prob"])
	}
	var preprocessing struct {
		Threshold *byte `json:"binarize_at"`
	}
	json.Unmarshal([]byte(encoder.metadata("cvae.preprocessing")), &preprocessing)
	size := len(pixels) / len(elbo)
	for i := range elbo {
		sum := float64(logPZ[i])
		for j := i * size; j < (i+1)*size; j++ { // log p(x|z)
			p := math.Min(math.Max(float64(probs[j]), 1e-7), 1-1e-7)
			x := float64(pixels[j]) / 255
			if at := preprocessing.Threshold; at != nil && pixels[j] >= *at {
				x = 1
			} else if at != nil {
				x = 0
			}
			sum += x*math.Log(p) + (1-x)*math.Log1p(-p)
		}
		for j := i * encoder.length; j < (i+1)*encoder.length; j++ { // -log q(z|x), or -KL(q(z|x) || N(0, I))
			m, v, e := float64(mean[j]), float64(logvar[j]), float64(noise[j])
			if learned {
				sum += (math.Log(2*math.Pi) + v + e*e) / 2
			} else {
				sum += (1 + v - m*m - math.Exp(v)) / 2
			}
		}
		elbo[i] = float32(sum)
	}
	return elbo
}

func score(bundle string, paths []string) {
	role := "encoder"
	if exists(bundle + "/scorer.onnx") {
		role = "scorer"
	}
	graph := openGraph(bundle, role)
	if role == "encoder" && graph.metadata("cvae.likelihood") != `"bernoulli"` {
		fail(5, "%s: expected scorer.onnx, or a Bernoulli model; cvae-export --with scorer makes the graph", bundle)
	}
	var pixels []byte
	for _, path := range paths {
		pixels = append(pixels, readImage(path, graph)...)
	}
	noise := normals(0, posterior, 0, len(paths), graph.length)
	var elbo []float32
	if role == "scorer" {
		inputs := map[string]Tensor{"images": graph.images(pixels), "noise": tensor(noise, 1, len(paths), graph.length)}
		elbo = floats(graph.run(inputs, "elbo")["elbo"])
	} else {
		elbo = bernoulliELBO(bundle, graph, pixels, noise)
	}
	for i, path := range paths {
		fmt.Printf("%s: ELBO %.4f nats\n", path, elbo[i])
	}
}

func main() {
	arguments := os.Args[1:]
	if last := len(arguments) - 1; last > 0 && arguments[last-1] == "--label" {
		label, arguments = &arguments[last], arguments[:last-1]
	}
	command := ""
	if len(arguments) > 1 {
		command = arguments[0]
	}
	startRuntime()
	switch {
	case command == "sample" && len(arguments) == 6:
		sample(arguments[1], arguments[2], arguments[3], arguments[4], arguments[5])
	case command == "encode" && len(arguments) == 4:
		encode(arguments[1], arguments[2], arguments[3])
	case command == "score" && len(arguments) > 2:
		score(arguments[1], arguments[2:])
	case command == "test" && len(arguments) == 2:
		selfTest(arguments[1])
	default:
		fail(2, "expected sample BUNDLE SEED FIRST COUNT NAME, encode BUNDLE IMAGE NAME, score BUNDLE IMAGE..., "+
			"or test BUNDLE; then --label LABEL for a class")
	}
}
