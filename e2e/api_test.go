package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// api is a client of the HTTP API.
type api struct {
	t     *testing.T
	base  string
	token string // empty for a stranger
}

// adminToken is one that newOffice puts into the data folder, where the first start
// makes it the first admin's.
const adminToken = "wl_E2ETESTTOKENOFNOVALUEATALL"

const requestPatience = 30 * time.Second

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

// problem is an error as the API tells it.
type problem struct {
	Code      wattline.Code         `json:"code"`
	Detail    string                `json:"detail"`
	Fields    []wattline.FieldError `json:"fields"`
	RequestID string                `json:"request_id"`
}

// item is a device as it is listed.
type item struct {
	wattline.Device
	Availability wattline.Availability `json:"availability"`
	Relay        wattline.Relay        `json:"relay"`
}

// send makes one request on a connection of its own. It may be called from any
// goroutine.
func (a api) send(method, path, body string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Close = true
	if a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, text}, err
}

// as decodes the body of an answer of status 200.
func (a answer) as(into any) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("status %d: %.500s", a.status, a.body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("decode %.200q: %w", a.body, err)
	}
	return nil
}

func (a api) tryGet(path string, into any) error {
	got, err := a.send(http.MethodGet, path, "")
	if err != nil {
		return err
	}
	return got.as(into)
}

func (a api) get(path string, into any) {
	a.t.Helper()
	if err := a.tryGet(path, into); err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
}

// refused makes a request that must be answered with a problem of a status.
func (a api) refused(status int, method, path, body string) problem {
	a.t.Helper()
	got, err := a.send(method, path, body)
	var p problem
	if err == nil {
		err = json.Unmarshal(got.body, &p)
	}
	if err != nil || got.status != status {
		a.t.Fatalf("%s %s %s: status %d, want %d (%v): %.300s", method, path, body, got.status, status, err, got.body)
	}
	return p
}

func (a api) switchRelay(id string, to wattline.Relay) wattline.Result {
	a.t.Helper()
	got, err := a.send(http.MethodPut, "/api/v1/devices/"+id+"/relay", fmt.Sprintf(`{"state":%q}`, to))
	var result wattline.Result
	if err == nil {
		err = got.as(&result)
	}
	if err != nil {
		a.t.Fatalf("switch %s %s: %v", id, to, err)
	}
	if result.Outcome != wattline.OutcomeDone || result.Relay != to || result.Device != id {
		a.t.Fatalf("switching %s %s gave %+v", id, to, result)
	}
	return result
}

func (a api) command(body string) []wattline.Result {
	a.t.Helper()
	got, err := a.send(http.MethodPost, "/api/v1/commands", body)
	var response struct {
		Results []wattline.Result `json:"results"`
	}
	if err == nil {
		err = got.as(&response)
	}
	if err != nil {
		a.t.Fatalf("command %s: %v", body, err)
	}
	return response.Results
}

func (a api) devices(query string) []item {
	a.t.Helper()
	var list struct {
		Devices []item `json:"devices"`
	}
	a.get("/api/v1/devices"+query, &list)
	return list.Devices
}

func (a api) state(id string) wattline.FreshState {
	a.t.Helper()
	var state wattline.FreshState
	a.get("/api/v1/devices/"+id+"/state", &state)
	return state
}

// eventuallyState waits until the API's shadow of a device is as wanted.
func (a api) eventuallyState(id, wanted string, is func(wattline.FreshState) bool) wattline.FreshState {
	a.t.Helper()
	var state wattline.FreshState
	testserver.Eventually(a.t, patience, func() error {
		state = wattline.FreshState{}
		if err := a.tryGet("/api/v1/devices/"+id+"/state", &state); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if !is(state) {
			return fmt.Errorf("%s is not %s: %+v", id, wanted, state)
		}
		return nil
	})
	return state
}

// tryReadings are all readings of a device since an instant, over all pages.
func (a api) tryReadings(id string, since time.Time) ([]wattline.Reading, error) {
	query := url.Values{
		"device": {id}, "from": {wattline.At(since).String()}, "limit": {"100"},
		"to": {wattline.At(time.Now().Add(time.Hour)).String()},
	}
	var readings []wattline.Reading
	for {
		var page wattline.ReadingsPage
		if err := a.tryGet("/api/v1/readings?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		readings = append(readings, page.Readings...)
		if page.Next == "" {
			return readings, nil
		}
		query.Set("cursor", page.Next)
	}
}

// eventuallyReading waits until a reading as wanted is in the store.
func (a api) eventuallyReading(id, wanted string, since time.Time, is func(wattline.Reading) bool) wattline.Reading {
	a.t.Helper()
	var found wattline.Reading
	testserver.Eventually(a.t, patience, func() error {
		readings, err := a.tryReadings(id, since)
		if err != nil {
			return err
		}
		for _, reading := range readings {
			if is(reading) {
				found = reading
				return nil
			}
		}
		return fmt.Errorf("none of %d readings of %s is %s", len(readings), id, wanted)
	})
	return found
}
