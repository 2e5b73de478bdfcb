package live

import (
	"fmt"
	"slices"

	"github.com/wattline/wattline"
)

// Filter is what a subscriber wants of what they may see. Make it with NewFilter; it
// does not change.
type Filter struct {
	selector wattline.Selector // without the ids
	ids      map[string]bool   // nil: any
	kinds    []Kind
	all      bool // no device is left out
}

// NewFilter takes the devices that a selector chooses, a selector with no part all
// of them, and some kinds, none given all of them. A fault is a CodeInvalid error
// with the fields of the selector, or types.
func NewFilter(selector wattline.Selector, kinds []Kind) (Filter, error) {
	selector.All = selector.All || selector.IsZero()
	if err := selector.Validate(); err != nil {
		return Filter{}, err
	}
	for _, kind := range kinds {
		if !slices.Contains(Kinds(), kind) {
			return Filter{}, wattline.Invalid(wattline.FieldError{
				Field: "types", Reason: fmt.Sprintf("must be of %v, not %.80q", Kinds(), kind),
			})
		}
	}
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	f := Filter{kinds: slices.Clone(kinds)}
	if len(selector.IDs) > 0 {
		f.ids = make(map[string]bool, len(selector.IDs))
		for _, id := range selector.IDs {
			f.ids[id] = true
		}
	}
	selector.IDs, selector.All = nil, false
	f.all = f.ids == nil && selector.IsZero()
	selector.All = true
	f.selector = selector
	return f, nil
}

func (f Filter) wants(kind Kind) bool { return slices.Contains(f.kinds, kind) }

func (f Filter) holds(device wattline.Device) bool {
	return f.all || (f.ids == nil || f.ids[device.ID]) && f.selector.Matches(device)
}
