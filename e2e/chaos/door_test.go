package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// door is a gateway as its clients see it, or the emulator's control door. Safe for
// concurrent use.
type door struct {
	name   string
	base   string
	client *http.Client
}

// adminToken is put into the data folders of the gateways, where the first start makes
// it the first admin's.
const adminToken = "wl_CHAOSTESTTOKENOFNOVALUEQQQ"

// requestTimeout is longer than any answer of a gateway takes.
const requestTimeout = 40 * time.Second

// newDoor makes a connection of its own for each request, so that none is repeated
// behind our back.
func newDoor(name, addr string) door {
	return door{name, "http://" + addr, &http.Client{Timeout: requestTimeout, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// answer is what came back, or why nothing did.
type answer struct {
	asked, told time.Time
	// actor is how the gateway knows who asked.
	actor  string
	status int
	body   []byte
	err    error
	// refused: nobody listens, so nothing was asked.
	refused bool
}

func (d door) send(ctx context.Context, method, path, body string) (a answer) {
	a.asked = time.Now()
	defer func() { a.told = time.Now() }()
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { a.actor = "token:admin@" + c.Conn.LocalAddr().String() }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, d.base+path, strings.NewReader(body))
	if err != nil {
		a.err = err
		return a
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := d.client.Do(request)
	if err != nil {
		var dialling *net.OpError
		a.err, a.refused = err, errors.As(err, &dialling) && dialling.Op == "dial"
		return a
	}
	defer response.Body.Close()
	a.status = response.StatusCode
	a.body, a.err = io.ReadAll(response.Body)
	return a
}

// problem is the code of an error answer and the command's id, if it has one.
func (a answer) problem() (code wattline.Code, id string) {
	var p struct {
		Code      wattline.Code `json:"code"`
		CommandID string        `json:"command_id"`
	}
	if json.Unmarshal(a.body, &p) != nil || p.Code == "" {
		p.Code = wattline.Code(fmt.Sprintf("status %d", a.status))
	}
	return p.Code, p.CommandID
}

// get decodes an answer of status 200.
func (d door) get(ctx context.Context, path string, into any) error {
	a := d.send(ctx, http.MethodGet, path, "")
	switch {
	case a.err != nil:
		return a.err
	case a.status != http.StatusOK:
		return fmt.Errorf("%s %s: status %d: %.500s", d.name, path, a.status, a.body)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("%s %s: %w: %.200s", d.name, path, err, a.body)
	}
	return nil
}
