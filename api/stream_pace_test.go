package api_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
)

// pipes is a listener whose connections have no buffer and the clock of the test.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error {
	close(p.conns)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

// read asks a gateway for readings and reads 4 kB of the answer after each pause.
func readSlowly(t *testing.T, pause time.Duration) (lines int, took time.Duration, err error) {
	t.Helper()
	fake, listener := newFakeBus(), pipes{make(chan net.Conn)}
	fake.answer = paged(30, 500)
	gateway, err := api.New(api.Options{Bus: fake, Identities: &guests{}, Commands: unkept(t), Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for range cap(fake.subscribed) {
		<-fake.subscribed
	}
	fake.device(t, wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq", Site: "hq", Address: "192.0.2.11"})
	gateway.SetComplete(true)
	client, server := net.Pipe()
	defer client.Close()
	listener.conns <- server
	began := time.Now()
	if _, err := io.WriteString(client, "GET /api/v1/readings?format=csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(client, 4096), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for piece := make([]byte, 4096); ; time.Sleep(pause) {
		n, err := response.Body.Read(piece)
		lines += strings.Count(string(piece[:n]), "\n")
		if err != nil {
			return lines, time.Since(began), err
		}
	}
}

func TestASlowClientGetsAllOfALongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, took, err := readSlowly(t, 2*time.Second)
		if lines != 1+30*500 || !errors.Is(err, io.EOF) || took < 8*time.Minute {
			t.Errorf("%d lines in %v, then %v", lines, took, err)
		}
	})
}

func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, _, err := readSlowly(t, 40*time.Second)
		if err == nil || errors.Is(err, io.EOF) || lines > 2000 {
			t.Errorf("%d lines, then %v", lines, err)
		}
	})
}
