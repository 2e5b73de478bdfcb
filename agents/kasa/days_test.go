package kasa_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

const (
	daysOfHW4 = `{"day_list":[{"year":%[1]d,"month":%[2]d,"day":7,"energy_wh":1612},{"year":%[1]d,"month":%[2]d,"day":9,"energy_wh":0}],"err_code":0}`
	daysOfHW1 = `{"day_list":[{"energy":1.612000,"day":7,"month":%[2]d,"year":%[1]d},{"energy":0.000000,"day":9,"month":%[2]d,"year":%[1]d}],"err_code":0}`
)

// keeper is a plug with statistics and a clock.
type keeper struct {
	sysinfo, days string
	clock         func() string // the body of get_time
	zone          string        // the body of get_timezone
}

func (k keeper) answer(request string) string {
	var asked struct {
		System any
		Time   any
		Emeter struct {
			Days *struct{ Year, Month int } `json:"get_daystat"`
		}
	}
	if json.Unmarshal([]byte(request), &asked) != nil {
		return "{}"
	}
	var modules []string
	if asked.System != nil {
		modules = append(modules, `"system":{"get_sysinfo":`+k.sysinfo+`}`)
	}
	if asked.Time != nil {
		modules = append(modules, `"time":{"get_time":`+k.clock()+`,"get_timezone":`+k.zone+`}`)
	}
	if month := asked.Emeter.Days; month != nil {
		days := k.days
		if strings.Contains(days, "%") {
			days = fmt.Sprintf(days, month.Year, month.Month)
		}
		modules = append(modules, `"emeter":{"get_daystat":`+days+`}`)
	}
	return "{" + strings.Join(modules, ",") + "}"
}

// shows is the body of get_time for a wall clock.
func shows(wall time.Time) string {
	return fmt.Sprintf(`{"err_code":0,"year":%d,"month":%d,"mday":%d,"hour":%d,"min":%d,"sec":%d}`,
		wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second())
}

const inUTC = `{"index":38,"err_code":0}`

func rightUTC() string { return shows(time.Now().UTC()) }

func TestDaysAreThoseOfThePlugsOwnCalendar(t *testing.T) {
	today := kasa.DateOf(time.Now(), time.UTC)
	for name, k := range map[string]keeper{
		"hardware 1, in kWh": {hw1Sysinfo, daysOfHW1, rightUTC, inUTC},
		"hardware 4, in Wh":  {hw4Sysinfo, daysOfHW4, rightUTC, inUTC},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(k.answer))
			got, err := newClient(t, kasa.Options{}).Days(t.Context(), plug.target, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			want := map[kasa.Date]wattline.Milli{
				{Year: today.Year, Month: today.Month, Day: 7}: 1_612_000,
				{Year: today.Year, Month: today.Month, Day: 9}: 0,
			}
			if diff := cmp.Diff(want, got.Wh); diff != "" {
				t.Errorf("days (-want +got):\n%s", diff)
			}
			if got.Zone.String() != "UTC" || got.Ahead.Abs() > 5*time.Second || got.First != (kasa.Date{Year: today.Year, Month: today.Month, Day: 1}) {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Run("whose clock is told from that of its zone", func(t *testing.T) {
		kolkata, err := time.LoadLocation("Asia/Kolkata") // where no hour comes twice
		if err != nil {
			t.Fatal(err)
		}
		k := keeper{hw4Sysinfo, daysOfHW4, func() string { return shows(time.Now().In(kolkata).Add(-time.Hour)) }, `{"index":75}`}
		plug := newFakePlug(t, answers(k.answer))
		got, err := newClient(t, kasa.Options{}).Days(t.Context(), plug.target, time.Now())
		if err != nil || got.Zone.String() != "Asia/Kolkata" || (got.Ahead+time.Hour).Abs() > 5*time.Second {
			t.Errorf("%+v, error %v", got, err)
		}
	})
}

func TestDaysOfTwoMonthsAreAskedForTwice(t *testing.T) {
	months := func(requests []string) (asked []string) {
		for _, request := range requests {
			if _, month, ok := strings.Cut(request, `"get_daystat":`); ok {
				asked = append(asked, strings.TrimRight(month, "}"))
			}
		}
		return asked
	}
	now := time.Now().UTC()
	this := fmt.Sprintf(`{"year":%d,"month":%d`, now.Year(), now.Month())
	lastDay := time.Date(now.Year(), now.Month(), 0, 0, 0, 0, 0, time.UTC)
	before := fmt.Sprintf(`{"year":%d,"month":%d`, lastDay.Year(), lastDay.Month())
	for name, test := range map[string]struct {
		since time.Time
		clock func() string
		want  []string
	}{
		"once within the month":                    {now, rightUTC, []string{this}},
		"once for an instant in the future":        {now.AddDate(0, 2, 0), rightUTC, []string{this}},
		"twice across its border":                  {lastDay, rightUTC, []string{this, before}},
		"and never more often":                     {now.AddDate(-3, 0, 0), rightUTC, []string{this, before}},
		"once of a plug that was not told the day": {lastDay, func() string { return shows(time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC)) }, []string{this}},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(keeper{hw4Sysinfo, daysOfHW4, test.clock, inUTC}.answer))
			got, err := newClient(t, kasa.Options{}).Days(t.Context(), plug.target, test.since)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, months(plug.seen())); diff != "" {
				t.Errorf("months asked for (-want +got):\n%s", diff)
			}
			if len(got.Wh) != 2*len(test.want) {
				t.Errorf("%v", got.Wh)
			}
		})
	}
}

func TestDaysThatCannotBeAreRefused(t *testing.T) {
	good := keeper{hw4Sysinfo, daysOfHW4, rightUTC, inUTC}
	many := `{"day_list":[` + strings.Repeat(`{"year":2026,"month":9,"day":1,"energy_wh":1},`, 100) + `{}]}`
	with := func(change func(*keeper)) keeper {
		k := good
		change(&k)
		return k
	}
	now := time.Now().UTC()
	of := func(energy string) string {
		return fmt.Sprintf(`{"day_list":[{"year":%d,"month":%d,"day":1,%s}]}`, now.Year(), now.Month(), energy)
	}
	for name, test := range map[string]struct {
		plug keeper
		want kasa.Class
	}{
		"a plug without a meter":   {with(func(k *keeper) { k.sysinfo = hs100 }), kasa.ClassUnsupported},
		"an error of the plug":     {with(func(k *keeper) { k.days = `{"err_code":-3,"err_msg":"invalid argument"}` }), kasa.ClassDevice},
		"a clock that is an error": {with(func(k *keeper) { k.clock = func() string { return `{"err_code":-2}` } }), kasa.ClassDevice},
		"a clock without an hour":  {with(func(k *keeper) { k.clock = func() string { return `{"year":2026,"month":9,"mday":7}` } }), kasa.ClassGarbage},
		"a 25th hour": {with(func(k *keeper) {
			k.clock = func() string { return `{"year":2026,"month":9,"mday":7,"hour":25,"min":0,"sec":0}` }
		}), kasa.ClassGarbage},
		"a zone beyond the table":   {with(func(k *keeper) { k.zone = `{"index":110}` }), kasa.ClassGarbage},
		"a zone that is a word":     {with(func(k *keeper) { k.zone = `{"index":"38"}` }), kasa.ClassGarbage},
		"no list at all":            {with(func(k *keeper) { k.days = `null` }), kasa.ClassGarbage},
		"a list of words":           {with(func(k *keeper) { k.days = `{"day_list":["monday"]}` }), kasa.ClassGarbage},
		"a list without end":        {with(func(k *keeper) { k.days = many }), kasa.ClassGarbage},
		"energy given back":         {with(func(k *keeper) { k.days = of(`"energy_wh":-1`) }), kasa.ClassGarbage},
		"no energy":                 {with(func(k *keeper) { k.days = of(`"energy_wh":null`) }), kasa.ClassGarbage},
		"energy beyond all measure": {with(func(k *keeper) { k.days = of(`"energy_wh":1e300`) }), kasa.ClassGarbage},
		"a day that no month has": {with(func(k *keeper) {
			k.days = fmt.Sprintf(`{"day_list":[{"year":%d,"month":%d,"day":32,"energy_wh":1}]}`, now.Year(), now.Month())
		}), kasa.ClassGarbage},
		"what is not the plug's JSON": {with(func(k *keeper) { k.days = `{"day_list":[}` }), kasa.ClassGarbage},
	} {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(test.plug.answer))
			_, err := newClient(t, kasa.Options{}).Days(t.Context(), plug.target, time.Now())
			if kasa.ClassOf(err) != test.want {
				t.Errorf("class %q of %v, want %q", kasa.ClassOf(err), err, test.want)
			}
		})
	}
}

func TestAnOutletsDaysAreAskedForInItsContext(t *testing.T) {
	plug := newFakePlug(t, answers(keeper{hs300, daysOfHW4, rightUTC, inUTC}.answer))
	client := newClient(t, kasa.Options{})
	if _, err := client.Days(t.Context(), outlet(plug.target, "01"), time.Now()); err != nil {
		t.Fatal(err)
	}
	requests := plug.seen()
	if last := requests[len(requests)-1]; !strings.HasPrefix(last, `{"context":{"child_ids":["800600000000000000000000000000000000030001"]},"time":`) {
		t.Errorf("asked %s", last)
	}
}

func TestDatesFollowOneAnother(t *testing.T) {
	for day, next := range map[kasa.Date]kasa.Date{
		{Year: 2026, Month: 9, Day: 7}:   {Year: 2026, Month: 9, Day: 8},
		{Year: 2024, Month: 2, Day: 28}:  {Year: 2024, Month: 2, Day: 29},
		{Year: 2026, Month: 12, Day: 31}: {Year: 2027, Month: 1, Day: 1},
	} {
		if day.Next() != next || !day.Before(next) || next.Before(day) || day.Before(day) {
			t.Errorf("after %v comes %v", day, day.Next())
		}
	}
}
