package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// shown is a value for people, a dash where there is none.
func shown[T any](value *T) string {
	if value == nil {
		return "-"
	}
	return plain(fmt.Sprint(*value))
}

// printRows prints a table, or the values as JSON.
func printRows[T any](out io.Writer, asJSON bool, values []T, table func(io.Writer)) error {
	if asJSON {
		if values == nil {
			values = []T{}
		}
		return writeJSON(out, values)
	}
	columns := newTable(out)
	table(columns)
	return columns.Flush()
}

// newTable sets columns, which tabs divide, under one another once it is flushed.
func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

// plain is a text from elsewhere as it may go to a terminal: on one line, without
// control characters.
func plain(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
