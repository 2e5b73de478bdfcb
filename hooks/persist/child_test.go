package persist_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/store"
)

// childEnv names the variable that turns this test binary into a process with a
// hook, to be killed; its value is a childOptions.
const childEnv = "WATTLINE_TEST_HOOK"

// childOptions are for a process whose hook follows two streams, each of which
// has one reading every pace since Began. A part of them is lost on the way and
// has to be asked for, and a part is refused by the store.
type childOptions struct {
	Folder string
	Began  time.Time
	// Last ends the streams, and the process when all of it is stored; 0 is never.
	Last uint64
	// Sync has the store confirm only what is on the disk.
	Sync bool
	// Say has the store print what it keeps instead, and Takes has it refuse
	// nothing.
	Say, Takes bool
}

func (o childOptions) storePath() string { return filepath.Join(o.Folder, "store") }

const pace = 16 * time.Millisecond

func childStreams() []string { return []string{"s1", "s2"} }

// refusedByChild is every seventeenth reading.
func refusedByChild(seq uint64) bool { return seq%17 == 0 }

func (o childOptions) reading(stream string, seq uint64) wattline.Reading {
	return wattline.Reading{
		Device: stream, Time: wattline.At(o.Began.Add(time.Duration(seq) * pace)), PowerW: wattline.Milli(seq),
		Relay: wattline.RelayOn, Stream: stream, Seq: seq,
	}
}

// last is the newest number that exists.
func (o childOptions) last() uint64 {
	last := uint64(max(0, time.Since(o.Began)/pace))
	if o.Last > 0 {
		return min(last, o.Last)
	}
	return last
}

// runChild says "stored STREAM SEQ" whenever the hook does.
func runChild(text string) {
	var o childOptions
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (o childOptions) run() error {
	file, err := os.OpenFile(o.storePath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if o.Say {
		file = os.Stdout
	}
	if o.Sync {
		if err := syncFolder(o.Folder); err != nil {
			return err
		}
	}
	b := &childBus{childOptions: o, stored: map[string]uint64{}}
	hook, err := persist.New(context.Background(), persist.Options{
		Name: "archive", Bus: b, Store: &childStore{file: file, sync: o.Sync, takes: o.Takes}, Dir: filepath.Join(o.Folder, "hooks"),
		BatchReadings: 40, BatchInterval: 5 * time.Millisecond, MaxPending: 60, Grace: 10 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hook.Run(ctx) }()
	go obey(hook)
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for !b.finished() {
		<-ticks.C
		b.tick()
	}
	cancel()
	return <-ended
}

// obey does what the standard input says: "full" lets no file grow, "room" lets
// them again, "ready" has the hook say whether it is.
func obey(hook *persist.Hook) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var limit syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit)
		switch lines.Text() {
		case "full":
			limit.Cur = 0
			err = errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
		case "room":
			limit.Cur = limit.Max
			err = errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
		case "ready":
			fmt.Println("ready:", hook.Ready(context.Background()))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// childStore keeps readings as lines "device seq" in a file.
type childStore struct {
	file        *os.File
	sync, takes bool
}

func (s *childStore) Write(_ context.Context, readings []wattline.Reading) error {
	if rand.IntN(50) == 0 {
		return &store.UnavailableError{Err: errors.New("away")}
	}
	var text bytes.Buffer
	var refused []store.RefusedReading
	for i, r := range readings {
		if !s.takes && refusedByChild(r.Seq) {
			refused = append(refused, store.RefusedReading{Index: i, Reason: "poison"})
			continue
		}
		fmt.Fprintln(&text, r.Device, r.Seq)
	}
	if _, err := s.file.Write(text.Bytes()); err != nil {
		return err
	}
	if s.sync {
		if err := s.file.Sync(); err != nil {
			return err
		}
	}
	if refused != nil {
		return &store.RefusedError{Readings: refused}
	}
	return nil
}

// childBus is all that the hook knows of the world.
type childBus struct {
	childOptions

	mu     sync.Mutex
	live   func(context.Context, bus.Message)
	hear   func(wattline.Presence)
	stored map[string]uint64
	sent   uint64
	ticks  int
}

func (b *childBus) Instance() string { return "hook-1" }

func (b *childBus) Announce(string, ...string) {}

func (b *childBus) Instances() []wattline.Presence { return nil }

func (b *childBus) Respond(bus.RespondOptions, bus.Handler) (func(), error) { return func() {}, nil }

func (b *childBus) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.Filter.Kind == wattline.TopicData {
		b.live = handle
	}
	return func() {}, nil
}

func (b *childBus) OnPresence(hear func(wattline.Presence)) {
	b.mu.Lock()
	b.hear = hear
	b.mu.Unlock()
}

func (b *childBus) Retain(_ context.Context, topic wattline.Topic, payload any) error {
	stored, ok := payload.(wattline.Stored)
	if !ok {
		return fmt.Errorf("retained %v", payload)
	}
	fmt.Println("stored", topic.Stream, stored.Seq)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored[topic.Stream] = stored.Seq
	return nil
}

func (b *childBus) Ask(_ context.Context, ask bus.Ask) (json.RawMessage, error) {
	query, ok := ask.Body.(wattline.ReplayQuery)
	if !ok {
		return nil, fmt.Errorf("asked %v", ask.Body)
	}
	page := wattline.ReplayPage{Stream: query.Stream, First: 1, Last: b.last(), Readings: []wattline.Reading{}}
	for seq := query.From; seq <= page.Last && len(page.Readings) < query.Limit; seq++ {
		page.Readings = append(page.Readings, b.reading(query.Stream, seq))
	}
	return json.Marshal(page)
}

// tick delivers what is new, most of it, and sometimes a presence.
func (b *childBus) tick() {
	b.mu.Lock()
	live, hear := b.live, b.hear
	b.mu.Unlock()
	if live == nil || hear == nil {
		return
	}
	last := b.last()
	if b.sent == 0 {
		b.sent = last
	}
	for ; b.sent < last; b.sent++ {
		for _, stream := range childStreams() {
			if rand.IntN(10) == 0 {
				continue
			}
			payload, err := json.Marshal(b.reading(stream, b.sent+1))
			if err != nil {
				panic(err)
			}
			live(context.Background(), bus.Message{
				Topic: wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: stream}, Payload: payload,
			})
		}
	}
	if b.ticks++; b.ticks%20 > 1 {
		return
	}
	for _, stream := range childStreams() {
		hear(wattline.Presence{
			Instance: "collector-" + stream, Status: wattline.PresenceOnline, Roles: []string{wattline.RoleCollector}, Stream: stream, Seq: last,
		})
	}
}

func (b *childBus) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, stream := range childStreams() {
		if b.Last == 0 || b.stored[stream] < b.Last {
			return false
		}
	}
	return true
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// handled is what is in a child's store or with its dead letters, below a folder.
func handled(t fatal, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	content, err := os.ReadFile(childOptions{Folder: folder}.storePath())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		found[strings.TrimSpace(line)] = true
	}
	for _, name := range []string{"archive.dead-letters.ndjson.1", "archive.dead-letters.ndjson"} {
		content, err := os.ReadFile(filepath.Join(folder, "hooks", name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			var letter persist.DeadLetter
			if json.Unmarshal([]byte(line), &letter) == nil {
				found[fmt.Sprint(letter.Reading.Device, " ", letter.Reading.Seq)] = true
			}
		}
	}
	return found
}
