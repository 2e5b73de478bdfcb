package config

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wattline/wattline"
)

// labelColumn begins the names of the columns that hold labels.
const labelColumn = "label:"

// ParseDevicesCSV is ParseDevices for CSV (RFC 4180). The first line names the
// columns, in any order: the keys of a device in the configuration, and label:NAME
// for each label. A field that is empty is left out.
func ParseDevicesCSV(data []byte, site string) ([]Listed, error) {
	l := &list{site: site}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		l.failCSV(err)
		return l.result()
	}
	columns := slices.Clone(header)
	for i, column := range columns {
		name, isLabel := strings.CutPrefix(column, labelColumn)
		switch {
		case slices.Index(columns, column) != i:
			l.fail(1, column, "is the name of two columns")
		case isLabel && wattline.CheckID(name) == nil:
		case !slices.Contains(csvColumns(), column):
			l.fail(1, shortName(column), "is no column: there are %s and label:NAME", strings.Join(csvColumns(), ", "))
		}
	}
	if len(l.faults) > 0 {
		return l.result()
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			l.failCSV(err)
			break
		}
		line, _ := reader.FieldPos(0)
		if len(l.devices) == maxListed {
			l.fail(line, "devices", "must be at most %d", maxListed)
			break
		}
		l.addRecord(columns, record, line)
	}
	return l.result()
}

func csvColumns() []string {
	return []string{"id", "kind", "location", "address", "site", "protected", "poll"}
}

// addRecord takes a line into the list.
func (l *list) addRecord(columns, record []string, line int) {
	var device Device
	for i, value := range record {
		if value == "" {
			continue
		}
		if err := device.set(columns[i], value); err != nil {
			l.fail(line, fmt.Sprintf("devices[%d].%s", len(l.devices), columns[i]), "%s", err)
		}
	}
	l.add(len(l.devices), device, map[string]int{"": line})
}

func (l *list) failCSV(err error) {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		l.fail(parse.Line, "body", "is not CSV: %v", parse.Err)
		return
	}
	l.fail(1, "body", "must begin with a line that names the columns")
}
