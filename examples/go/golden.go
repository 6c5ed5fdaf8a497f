package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
)

var wrong bool

func report(right bool, format string, values ...any) {
	verdict := "ok   "
	if !right {
		verdict, wrong = "WRONG", true
	}
	fmt.Printf(verdict+" "+format+"\n", values...)
}

// largestDifference returns infinity if a length differs or a value is not a number.
func largestDifference(found, expected []float64) float64 {
	if len(found) != len(expected) {
		return math.Inf(1)
	}
	var most float64
	for i := range found {
		difference := math.Abs(found[i] - expected[i])
		if math.IsNaN(difference) {
			return math.Inf(1)
		}
		most = math.Max(most, difference)
	}
	return most
}

func numbers(data []byte, dtype string) []float64 {
	var values []float64
	if dtype == "uint8" {
		for _, value := range data {
			values = append(values, float64(value))
		}
		return values
	}
	for _, value := range floats(data) {
		values = append(values, float64(value))
	}
	return values
}

// ordered maps float32 numbers to integers that differ by their distance in units in the last place.
func ordered(values []float32) []float64 {
	var places []float64
	for _, value := range values {
		place := float64(math.Float32bits(value) &^ (1 << 31))
		if math.Signbit(float64(value)) {
			place = -place
		}
		places = append(places, place)
	}
	return places
}

// selfTest compares the random numbers and ONNX Runtime on this machine with the bundle's golden vectors.
func selfTest(bundle string) {
	var golden struct {
		Cases []struct {
			File            string
			Inputs, Outputs map[string]Tensor
			Atol            float64
		}
		Rng []struct {
			Seed, First string
			Count       int
			LatentDim   int `json:"latent_dim"`
			Z           Tensor
		}
	}
	path := bundle + "/golden.json"
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &golden)
	}
	if err != nil {
		fail(5, "%s: expected golden vectors, found: %s; cvae-export makes them", path, err)
	}
	for _, entry := range golden.Rng {
		seed, first := whole(entry.Seed, 0, math.MaxUint64), whole(entry.First, 0, posterior)
		found := normals(seed, samples, first, entry.Count, entry.LatentDim)
		most := largestDifference(ordered(found), ordered(floats(entry.Z.Data)))
		report(most <= 1, "latents, seed %s, first %s: %g ulp from the known values", entry.Seed, entry.First, most)
	}
	for _, entry := range golden.Cases {
		if !exists(bundle + "/" + entry.File) { // an app needs only the graphs that it runs
			fmt.Printf("none  %s\n", entry.File)
			continue
		}
		var names []string
		for name := range entry.Outputs {
			names = append(names, name)
		}
		sort.Strings(names)
		found := openGraph(bundle, strings.TrimSuffix(entry.File, ".onnx")).run(entry.Inputs, names...)
		for _, name := range names {
			expected := entry.Outputs[name]
			most := largestDifference(numbers(found[name], expected.DType), numbers(expected.Data, expected.DType))
			report(most <= entry.Atol, "%s, %s: largest difference %.2g, allowed %g", entry.File, name, most, entry.Atol)
		}
	}
	if wrong {
		os.Exit(3)
	}
}
