package wattline

import (
	"errors"
	"strings"
)

// GridPlace is where a plug stands in an open-plan room, in the words of the IoToad
// system: the type w (workstation), g or m (meeting room) or p (printer), and its row and
// column, which are whole numbers. What is not known is empty.
type GridPlace struct {
	Type   string
	Row    string
	Column string
}

// GridPlaceOf reads an id of that system: sp_w.r1.c2, sp_g0, or the same without sp_.
// It is the zero GridPlace for any other.
func GridPlaceOf(id string) GridPlace {
	name := strings.TrimPrefix(id, "sp_")
	if name == "" || CheckGridType(name[:1]) != nil {
		return GridPlace{}
	}
	kind, rest := name[:1], name[1:]
	if isWhole(rest) {
		return GridPlace{Type: kind}
	}
	levels := strings.Split(rest, ".")
	if len(levels) != 3 || levels[0] != "" {
		return GridPlace{}
	}
	row, isRow := numbered(levels[1], 'r')
	column, isColumn := numbered(levels[2], 'c')
	if !isRow || !isColumn {
		return GridPlace{}
	}
	return GridPlace{Type: kind, Row: row, Column: column}
}

// GridPlace is the device's: of its labels type, row and column, else of its location, where
// that has …/r1/c2 in it, else of its id.
func (d Device) GridPlace() GridPlace {
	place := GridPlaceOf(d.ID)
	levels := strings.Split(d.Location, "/")
	for i := range len(levels) - 1 {
		row, isRow := numbered(levels[i], 'r')
		if column, isColumn := numbered(levels[i+1], 'c'); isRow && isColumn {
			place.Row, place.Column = row, column
		}
	}
	if kind := d.Labels["type"]; CheckGridType(kind) == nil {
		place.Type = kind
	}
	if row := d.Labels["row"]; isWhole(row) {
		place.Row = row
	}
	if column := d.Labels["column"]; isWhole(column) {
		place.Column = column
	}
	return place
}

// matches tells whether the device is at what is given of a place. A device that does not
// say its type is of that of its kind.
func (d Device) matches(wanted GridPlace) bool {
	place := d.GridPlace()
	typed := wanted.Type == "" || wanted.Type == place.Type || place.Type == "" && KindOfGridType(wanted.Type) == d.Kind
	return typed && (wanted.Row == "" || wanted.Row == place.Row) && (wanted.Column == "" || wanted.Column == place.Column)
}

// Location is grid/r1/c2, or empty where row or column is not known.
func (p GridPlace) Location() string {
	if p.Row == "" || p.Column == "" {
		return ""
	}
	return "grid/r" + p.Row + "/c" + p.Column
}

// KindOfGridType is the kind of devices of a type.
func KindOfGridType(letter string) string {
	switch letter {
	case "w":
		return "workstation"
	case "g", "m":
		return "meeting-room"
	case "p":
		return "printer"
	}
	return "other"
}

var (
	errGridType   = errors.New("must be w, g, m or p")
	errGridNumber = errors.New("must be a whole number")
)

// CheckGridType tells why a text cannot be a type.
func CheckGridType(letter string) error {
	if KindOfGridType(letter) == "other" {
		return errGridType
	}
	return nil
}

// CheckGridNumber tells why a text cannot be a row or a column.
func CheckGridNumber(number string) error {
	if !isWhole(number) {
		return errGridNumber
	}
	return nil
}

// numbered takes a leading letter off a whole number.
func numbered(text string, letter byte) (number string, ok bool) {
	if text == "" || text[0] != letter || !isWhole(text[1:]) {
		return "", false
	}
	return text[1:], true
}

func isWhole(text string) bool {
	const longest = 6
	return text != "" && len(text) <= longest && strings.Trim(text, "0123456789") == ""
}
