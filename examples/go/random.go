package main

import (
	"math"
	"math/bits"
)

// The streams of the random numbers of bundles, threefry2x32-20/box-muller; docs/formats.md specifies them.
const (
	samples   uint64 = 0
	posterior uint64 = 1 << 63
)

func threefry2x32(a, b, key0, key1 uint32) (uint32, uint32) {
	rotations := [2][4]int{{13, 15, 26, 6}, {17, 29, 16, 24}}
	keys := [3]uint32{key0, key1, key0 ^ key1 ^ 0x1BD11BDA}
	a, b = a+key0, b+key1
	for group := 0; group < 5; group++ {
		for _, rotation := range rotations[group%2] {
			a += b
			b = bits.RotateLeft32(b, rotation) ^ a
		}
		a += keys[(group+1)%3]
		b += keys[(group+2)%3] + uint32(group) + 1
	}
	return a, b
}

// normals returns latents first … first + count - 1 of a stream. Each pair of numbers uses one counter.
func normals(seed, stream, first uint64, count, length int) []float32 {
	values := make([]float32, 0, count*length)
	pairs := (length + 1) / 2
	for i := 0; i < count*pairs; i++ {
		counter := stream + first*uint64(pairs) + uint64(i)
		a, b := threefry2x32(uint32(counter), uint32(counter>>32), uint32(seed), uint32(seed>>32))
		radius := math.Sqrt(-2 * math.Log((float64(a)+0.5)/(1<<32)))
		angle := 2 * math.Pi * ((float64(b) + 0.5) / (1 << 32))
		values = append(values, float32(radius*math.Cos(angle)))
		if length%2 == 0 || (i+1)%pairs != 0 { // the last number of an odd length is dropped
			values = append(values, float32(radius*math.Sin(angle)))
		}
	}
	return values
}
