package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// encoded asks for an answer in some encodings and gives it as it was before.
func encoded(t *testing.T, o *office, target, accept string) (plain []byte, encoding string, sent int) {
	t.Helper()
	r := request(http.MethodGet, target, "")
	r.Header.Set("Accept-Encoding", accept)
	a := o.sendUnchecked(t, r)
	encoding = a.header.Get("Content-Encoding")
	var err error
	switch encoding {
	case "gzip":
		var reader *gzip.Reader
		if reader, err = gzip.NewReader(bytes.NewReader(a.body)); err == nil {
			plain, err = io.ReadAll(reader)
		}
	case "zstd":
		var reader *zstd.Decoder
		if reader, err = zstd.NewReader(bytes.NewReader(a.body)); err == nil {
			defer reader.Close()
			plain, err = io.ReadAll(reader)
		}
	default:
		plain = a.body
	}
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%s in %s: %d %v", target, accept, a.status, err)
	}
	return plain, encoding, len(a.body)
}

func TestLongAnswersAreCompressedAsTheClientLikes(t *testing.T) {
	o := answering(t, paged(3, 200))
	for _, target := range []string{
		"/api/v1/readings?from=2026-03-28&to=2026-03-29", "/api/v1/readings?format=csv", "/api/v1/readings?format=ndjson", "/api/v1/readings?format=senml",
		"/api/v1/openapi.json", "/docs/rapidoc-min.js",
	} {
		want, none, whole := encoded(t, o, target, "identity")
		if none != "" {
			t.Errorf("%s: %s", target, none)
		}
		for accept, encoding := range map[string]string{
			"gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "gzip;q=1, zstd;q=0.5": "gzip", "br": "", "gzip;q=0": "", "*;q=0": "",
		} {
			got, with, sent := encoded(t, o, target, accept)
			if with != encoding || !bytes.Equal(got, want) || encoding != "" && sent*2 > whole {
				t.Errorf("%s in %q: %q, %d of %d bytes", target, accept, with, sent, whole)
			}
		}
	}
	for _, target := range []string{"/api/v1/devices/desk-1", "/-/healthy", "/api/v1/readings?format=parquet"} {
		if _, encoding, _ := encoded(t, o, target, "gzip, zstd"); encoding != "" {
			t.Errorf("%s comes in %s", target, encoding)
		}
	}
}

func TestACompressedAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	o := answering(t, fails(3, wattline.Errorf(wattline.CodeInternal, "broken")))
	for _, encoding := range []string{"gzip", "zstd"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Addr()+"/api/v1/readings?format=csv", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", encoding)
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 || response.Header.Get("Content-Encoding") != encoding {
			t.Errorf("%s: %d bytes, then %v", encoding, len(body), err)
		}
	}
}

func TestWhatIsWrittenGoesOutBeforeTheRestIsThere(t *testing.T) {
	more := make(chan bool)
	good := paged(2, 500)
	o := answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
		if query, _ := ask.Body.(wattline.ReadingsQuery); query.Cursor != "" {
			<-more
		}
		return good(ctx, ask)
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Addr()+"/api/v1/readings?format=csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	reader, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 30_000) // about what the page has
	if _, err := io.ReadFull(reader, first); err != nil {
		t.Fatal(err)
	}
	close(more)
	rest, err := io.ReadAll(reader)
	if lines := strings.Count(string(first)+string(rest), "\n"); err != nil || lines != 1001 {
		t.Errorf("%d lines, then %v", lines, err)
	}
}

func TestReadingsComeAsParquet(t *testing.T) {
	o := answering(t, paged(3, 100))
	a := o.get(t, "/api/v1/readings?format=parquet&from=2026-03-28&to=2026-03-29")
	if name := a.header.Get("Content-Disposition"); name != `attachment; filename="readings_2026-03-28_2026-03-29.parquet"` {
		t.Error(name)
	}
	type row struct {
		Device  string `parquet:"device,optional"`
		Time    int64  `parquet:"time,optional,timestamp(millisecond)"`
		PowerW  int64  `parquet:"power_w,optional,decimal(3:18)"`
		Quality string `parquet:"quality,optional"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil || len(rows) != 300 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if want := (row{"desk-1", noon().UnixMilli(), 61753, "after_gap"}); rows[0] != want {
		t.Errorf("%+v", rows[0])
	}
	broken := answering(t, fails(600, wattline.Errorf(wattline.CodeInternal, "broken")))
	if data, err := broken.download(t, "/api/v1/readings?format=parquet"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken one: %d bytes, %v", len(data), err)
	}
}
