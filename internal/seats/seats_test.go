package seats_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/seats"
)

// TestPlacesAreSharedFairly holds any order of coming and going against a list of who sits.
func TestPlacesAreSharedFairly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refused := map[seats.Limit]int{}
		options := seats.Options{
			What: "seats are taken", All: rapid.IntRange(1, 12).Draw(t, "all"), Each: rapid.IntRange(1, 6).Draw(t, "each"),
			Refused: func(of seats.Limit) { refused[of]++ },
		}
		options.Kept = rapid.IntRange(0, options.All).Draw(t, "kept")
		s := seats.New(options)
		type seated struct {
			name  string
			leave func()
		}
		var sitting []seated
		want := map[seats.Limit]int{}
		for range 60 {
			if len(sitting) > 0 && rapid.Bool().Draw(t, "goes") {
				at := rapid.IntRange(0, len(sitting)-1).Draw(t, "who goes")
				sitting[at].leave()
				sitting[at].leave()
				sitting = append(sitting[:at:at], sitting[at+1:]...)
			}
			by := seats.Holder{Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who"), Kept: rapid.Bool().Draw(t, "may")}
			own, most := 0, options.All
			for _, one := range sitting {
				if one.name == by.Name {
					own++
				}
			}
			if !by.Kept {
				most -= options.Kept
			}
			may := own < options.Each && len(sitting) < most
			switch {
			case own >= options.Each:
				want[seats.OfOne]++
			case !may:
				want[seats.OfAll]++
			}
			leave, err := s.Take(by)
			if (err == nil) != may || err != nil && wattline.AsError(err).Code != wattline.CodeBusy {
				t.Fatalf("%+v with %d of them and %d in all, of %+v: %v", by, own, len(sitting), options, err)
			}
			if may {
				sitting = append(sitting, seated{by.Name, leave})
			}
			if s.Taken() != len(sitting) || refused[seats.OfOne] != want[seats.OfOne] || refused[seats.OfAll] != want[seats.OfAll] {
				t.Fatalf("%d taken, %v refused; want %d and %v", s.Taken(), refused, len(sitting), want)
			}
		}
	})
}

func TestClosedPlacesAreEmptyWithTheLastLeave(t *testing.T) {
	s := seats.New(seats.Options{All: 2, Each: 2})
	leave, err := s.Take(seats.Holder{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	empty := s.Close()
	if _, err := s.Take(seats.Holder{Name: "b"}); !errors.Is(err, seats.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
	select {
	case <-empty:
		t.Error("empty while somebody sits")
	default:
	}
	leave()
	<-empty
	<-s.Close()
}
