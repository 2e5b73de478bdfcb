package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

// slow is a store that takes a second to make a stretch anew, and notes which. It has
// readings every day.
type slow struct {
	*storetest.Memory

	rebuilt []string
}

func (s *slow) Readings(_ context.Context, q store.Query) ([]wattline.Reading, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return []wattline.Reading{{Device: q.Devices[0], Time: wattline.At(q.From.Add(time.Hour))}}, nil
}

func (s *slow) Rebuild(_ context.Context, q store.RebuildQuery) (store.Rebuilt, error) {
	if err := q.Validate(); err != nil {
		return store.Rebuilt{}, err
	}
	time.Sleep(time.Second)
	s.rebuilt = append(s.rebuilt, fmt.Sprintf("%v %s %s", q.Devices, q.From.Format("01-02"), q.To.Format("01-02")))
	return store.Rebuilt{Days: 3, Changed: 1}, nil
}

func (s *slow) Devices(context.Context) ([]string, error) {
	return []string{"desk-1", "desk-2", "desk-3"}, nil
}

func TestRebuildingGoesOnPageByPageUntilAllIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Memory: storetest.NewMemory()}
		query := wattline.RebuildQuery{
			From: wattline.At(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)), To: wattline.At(time.Date(2026, 5, 8, 0, 0, 0, 0, time.UTC)),
		}
		var said []string
		for {
			page := rebuilt(t, s, query)
			said = append(said, fmt.Sprintf("%d of %d, %d changed, then %q", page.Done, page.Total, page.Changed, page.Next))
			if query.Cursor = page.Next; query.Cursor == "" {
				break
			}
		}
		want := []string{`129 of 201, 5 changed, then "62.desk-2"`, `201 of 201, 4 changed, then ""`}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Error(diff)
		}
		stretches := []string{}
		for _, device := range []string{"[desk-1]", "[desk-2]", "[desk-3]"} {
			stretches = append(stretches, device+" 03-02 04-02", device+" 04-02 05-03", device+" 05-03 05-08")
		}
		if diff := cmp.Diff(stretches, s.rebuilt); diff != "" {
			t.Error(diff)
		}
	})
}

// rebuilt asks for one page, with the patience that the gateway has.
func rebuilt(t *testing.T, s store.Store, query wattline.RebuildQuery) (page wattline.RebuildPage) {
	t.Helper()
	body, err := json.Marshal(query)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	answer, err := newHistory(s).Verbs()[wattline.VerbRebuild](ctx, body)
	if err != nil {
		t.Fatal(err)
	}
	page, ok := answer.(wattline.RebuildPage)
	if !ok {
		t.Fatalf("answered %T", answer)
	}
	return page
}

func TestRebuildingTakesTheDevicesThatAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Memory: storetest.NewMemory()}
		query := wattline.RebuildQuery{Devices: []string{"b", "a", "b"}, From: wattline.At(morning), To: wattline.At(morning.Add(time.Minute))}
		page := rebuilt(t, s, query)
		if page.Done != 2 || page.Total != 2 || page.Days != 6 || page.Next != "" {
			t.Errorf("%+v", page)
		}
		if diff := cmp.Diff([]string{"[a] 03-02 03-03", "[b] 03-02 03-03"}, s.rebuilt); diff != "" {
			t.Error(diff)
		}
		query.Cursor = "0.b" // a has gone meanwhile
		query.Devices = []string{"c"}
		if page := rebuilt(t, s, query); page.Done != 1 || page.Total != 1 {
			t.Errorf("%+v", page)
		}
	})
}

// noting is a store that notes what is made anew.
type noting struct {
	*storetest.Memory

	rebuilt []string
}

func (n *noting) Rebuild(ctx context.Context, q store.RebuildQuery) (store.Rebuilt, error) {
	n.rebuilt = append(n.rebuilt, fmt.Sprintf("%v %s %s", q.Devices, q.From.Format(time.DateOnly), q.To.Format(time.DateOnly)))
	return n.Memory.Rebuild(ctx, q)
}

func TestRebuildingPassesOverTheTimeWithoutReadings(t *testing.T) {
	s := &noting{Memory: storetest.NewMemory()}
	steady(t, s, "desk-1", 60_000, morning, morning.Add(time.Hour))
	steady(t, s, "desk-1", 60_000, morning.AddDate(0, 6, 0), morning.AddDate(0, 6, 0).Add(time.Hour))
	query := wattline.RebuildQuery{
		Devices: []string{"desk-0", "desk-1"}, From: wattline.At(morning.AddDate(-16, 0, 0)), To: wattline.At(morning.AddDate(0, 8, 0)),
	}
	page := rebuilt(t, s, query)
	if page.Next != "" || page.Days != 2 || page.Done != page.Total {
		t.Errorf("%+v", page)
	}
	if diff := cmp.Diff([]string{"[desk-1] 2026-03-02 2026-04-02", "[desk-1] 2026-09-02 2026-10-03"}, s.rebuilt); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyStoreHasNothingToRebuild(t *testing.T) {
	query := wattline.RebuildQuery{From: wattline.At(morning), To: wattline.At(morning.Add(time.Hour))}
	if page := rebuilt(t, storetest.NewMemory(), query); page != (wattline.RebuildPage{}) {
		t.Errorf("%+v", page)
	}
}

func TestAStoreThatFailsWhileRebuildingIsTold(t *testing.T) {
	s := storetest.NewMemory()
	s.Fail(&store.UnavailableError{Err: errors.New("away")})
	for _, devices := range [][]string{nil, {"a"}} {
		query := wattline.RebuildQuery{Devices: devices, From: wattline.At(morning), To: wattline.At(morning.Add(time.Hour))}
		if _, err := ask[wattline.RebuildPage](t, newHistory(s), "rebuild", query); wattline.AsError(err).Code != wattline.CodeStoreDown {
			t.Error(err)
		}
	}
}
