package wattline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func TestQueriesOfAnOperatorAreChecked(t *testing.T) {
	many := slices.Repeat([]string{"a"}, wattline.MaxPage+1)
	for field, query := range map[string]interface{ Validate() error }{
		"limit": wattline.DeadLettersQuery{Limit: -1}, "ids": wattline.ResendQuery{}, "after": wattline.ResendQuery{IDs: []string{"a"}, After: "b"},
		"ids[1]": wattline.ResendQuery{IDs: []string{"a", "A"}},
	} {
		err := wattline.AsError(query.Validate())
		if err == nil || err.Code != wattline.CodeInvalid || err.Fields[0].Field != field {
			t.Errorf("%+v: %v, want a fault of %s", query, err, field)
		}
	}
	for _, query := range []interface{ Validate() error }{
		wattline.DeadLettersQuery{Limit: wattline.MaxPage + 1}, wattline.ResendQuery{IDs: many}, wattline.ResendQuery{All: true, IDs: []string{"a"}},
	} {
		if query.Validate() == nil {
			t.Errorf("%.100s passes", fmt.Sprint(query))
		}
	}
	for _, query := range []interface{ Validate() error }{
		wattline.DeadLettersQuery{},
		wattline.DeadLettersQuery{After: "5-ab", Limit: wattline.MaxPage},
		wattline.ResendQuery{All: true},
		wattline.ResendQuery{All: true, After: "5-ab"},
		wattline.ResendQuery{IDs: many[1:]},
	} {
		if err := query.Validate(); err != nil {
			t.Errorf("%.100s: %v", fmt.Sprint(query), err)
		}
	}
}

func TestAReadingOfAClockThatIsNotSetIsNotValid(t *testing.T) {
	reading := wattline.Reading{Device: "desk-1", Time: wattline.At(time.Now()), Relay: wattline.RelayOn}
	if err := reading.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)} {
		reading.Time = wattline.At(at)
		if err := wattline.AsError(reading.Validate()); err == nil || err.Fields[0].Field != "time" {
			t.Errorf("%v: %v", at, err)
		}
	}
}
