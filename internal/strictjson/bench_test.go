package strictjson_test

import (
	"encoding/json"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

const envelope = `{"v":1,"id":"g62iovxgb6josswy5md7uogt6x","reply_to":"wattline/reply/gateway-1/g62iovxgb6josswy5md7uogt6x",` +
	`"issued_at":"2026-03-02T08:00:00.000Z","deadline":"2026-03-02T08:00:05.000Z","actor":"http:127.0.0.1","body":{"device":"desk-1","action":"off"}}`

func BenchmarkDecode(b *testing.B) {
	for b.Loop() {
		var into wattline.Envelope
		if err := strictjson.Decode([]byte(envelope), &into); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON is the floor.
func BenchmarkEncodingJSON(b *testing.B) {
	for b.Loop() {
		var into wattline.Envelope
		if err := json.Unmarshal([]byte(envelope), &into); err != nil {
			b.Fatal(err)
		}
	}
}
