package kasa

import "testing"

func BenchmarkDecode(b *testing.B) {
	answer := []byte(replySeeds[0])
	var r reply
	b.SetBytes(int64(len(answer)))
	for b.Loop() {
		if err := r.decode(answer); err != nil {
			b.Fatal(err)
		}
	}
}
