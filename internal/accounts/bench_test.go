package accounts_test

import (
	"fmt"
	"testing"

	"github.com/wattline/wattline/internal/accounts"
)

// A check takes well under 10 µs, with many tokens and many at once.
func BenchmarkIdentify(b *testing.B) {
	folder := b.TempDir()
	a, err := accounts.Open(b.Context(), accounts.Options{Path: accounts.Path(folder)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.Close() })
	var secret string
	for i := range 100 {
		_, secret = newToken(b, a, accounts.NewToken{Name: fmt.Sprint("t-", i)})
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := withToken(secret)
		for pb.Next() {
			if _, err := a.Identify(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
