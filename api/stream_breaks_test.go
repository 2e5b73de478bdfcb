package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

func TestAFailureBeforeTheFirstRowIsAProblem(t *testing.T) {
	o := answering(t, func(context.Context, bus.Ask) (any, error) {
		return nil, wattline.Errorf(wattline.CodeStoreDown, "away")
	})
	wantProblem(t, o.get(t, "/api/v1/readings?format=csv"), wattline.CodeStoreDown, "")
	wantProblem(t, o.get(t, "/api/v1/aggregate?field=power&op=mean&format=ndjson"), wattline.CodeStoreDown, "")
}

// fails answers the first pages and then with an error.
func fails(after int, err error) func(context.Context, bus.Ask) (any, error) {
	good := paged(1000, 100)
	return func(ctx context.Context, ask bus.Ask) (any, error) {
		if query, ok := ask.Body.(wattline.ReadingsQuery); ok && query.Cursor == strconv.Itoa(after) {
			return nil, err
		}
		return good(ctx, ask)
	}
}

func TestAnAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	for name, answer := range map[string]func(context.Context, bus.Ask) (any, error){
		"the history fails": fails(3, wattline.Errorf(wattline.CodeInternal, "broken")),
		"the history gives an error of no code": func(ctx context.Context, ask bus.Ask) (any, error) {
			return fails(3, errors.New("not of ours"))(ctx, ask)
		},
		"the same page comes again and again": func(context.Context, bus.Ask) (any, error) {
			return wattline.ReadingsPage{Readings: []wattline.Reading{readingOf("desk-1", noon())}, Next: "same"}, nil
		},
		"a page cannot be read": func(ctx context.Context, ask bus.Ask) (any, error) {
			if query, ok := ask.Body.(wattline.ReadingsQuery); ok && query.Cursor != "" {
				return json.RawMessage(`{"readings":[{"device":1}]}`), nil
			}
			return paged(2, 10)(ctx, ask)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := answering(t, answer)
			for _, format := range []string{"csv", "ndjson"} {
				body, err := o.download(t, "/api/v1/readings?format="+format)
				if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 {
					t.Errorf("%s: %d bytes, then %v", format, len(body), err)
				}
			}
			if metrics := string(o.get(t, "/metrics").body); !strings.Contains(metrics, "wattline_api_streams_broken_total 2\n") ||
				!strings.Contains(metrics, "wattline_api_streams 0\n") {
				t.Error("not counted")
			}
		})
	}
}

// download reads a body through a real connection, as far as it comes.
func (o *office) download(t testing.TB, path string) ([]byte, error) {
	t.Helper()
	return o.downloadAs(t, "", path)
}

func (o *office) downloadAs(t testing.TB, token, path string) ([]byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Addr()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	o := open(t)
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		good := paged(3, 1)
		o.bus.set(func(b *fakeBus) {
			b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
				query, _ := ask.Body.(wattline.ReadingsQuery)
				if query.Cursor == "1" && time.Since(began) < 30*time.Second {
					tries++
					return nil, wattline.Errorf(wattline.CodeNoResponder, "nobody")
				}
				return good(ctx, ask)
			}
		})
		recorder := httptest.NewRecorder()
		o.Handler().ServeHTTP(recorder, request(http.MethodGet, "/api/v1/readings?format=csv", ""))
		if lines := strings.Count(recorder.Body.String(), "\n"); lines != 4 || tries != 5 {
			t.Errorf("%d lines after %d tries", lines, tries)
		}
	})
}
