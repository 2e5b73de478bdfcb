package influx1

import (
	"errors"
	"fmt"
	"io"
)

// parser makes points of the lines of one format.
type parser interface {
	// parse gives errNoPoint or errOther for a line to pass over, and a badLine for
	// one that should hold a point and does not. It does not keep the line.
	parse(line []byte) (point, error)
}

var (
	// errNoPoint is a line that is none, such as a header.
	errNoPoint = errors.New("the line holds no point")
	// errOther is a point of another database or measurement.
	errOther = errors.New("the point is of another database or measurement")
)

// badLine is an error of a single line.
type badLine struct{ error }

func bad(format string, args ...any) error { return badLine{fmt.Errorf(format, args...)} }

// Tally counts the lines of an export.
type Tally struct {
	Lines  int64 `json:"lines"`
	Points int64 `json:"points"`
	// Other are points of other databases and measurements; Databases names the first
	// of those, as far as the export names them.
	Other     int64    `json:"other"`
	Databases []string `json:"other_databases"`
	// Bad are lines that could not be read; BadLines lists the first of them.
	Bad      int64     `json:"bad"`
	BadLines []BadLine `json:"bad_lines"`
}

// BadLine is a line that is not what an export holds.
type BadLine struct {
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
}

// maxBad bounds how many bad lines are listed.
const maxBad = 100

// scanner reads an export.
type scanner struct {
	text     *lines
	database string
	// strict has the first bad line end it.
	strict bool
	// take gets each point. A badLine of it is one of the line's.
	take func(point) error

	format parser
	tally  Tally
}

func (s *scanner) scan() error {
	s.tally.BadLines, s.tally.Databases = []BadLine{}, []string{}
	for {
		line, err := s.text.next()
		if errors.Is(err, io.EOF) {
			s.nameOthers()
			return nil
		}
		s.tally.Lines = s.text.number
		if err == nil {
			err = s.line(line)
		}
		if err := s.count(err); err != nil {
			return err
		}
	}
}

// nameOthers tells of which databases the points were that were passed over.
func (s *scanner) nameOthers() {
	if format, ok := s.format.(*protocol); ok && format.others != nil {
		s.tally.Databases = format.others
	}
}

func (s *scanner) line(line []byte) error {
	if len(line) == 0 {
		return errNoPoint
	}
	if s.format == nil { // the first line tells
		s.format = &protocol{wanted: s.database}
		if isHeader(line) {
			s.format = &table{}
		}
	}
	p, err := s.format.parse(line)
	if err == nil && p.id == "" {
		err = bad("it has no tag id")
	}
	if err != nil {
		return err
	}
	return s.take(p)
}

// count takes what became of a line; what it gives back is the end.
func (s *scanner) count(err error) error {
	var fault badLine
	switch {
	case err == nil:
		s.tally.Points++
	case errors.Is(err, errNoPoint):
	case errors.Is(err, errOther):
		s.tally.Other++
	case !errors.As(err, &fault):
		return err
	case s.strict:
		return fmt.Errorf("line %d: %w", s.tally.Lines, err)
	default:
		s.tally.Bad++
		if len(s.tally.BadLines) < maxBad {
			s.tally.BadLines = append(s.tally.BadLines, BadLine{s.tally.Lines, err.Error()})
		}
	}
	return nil
}
