package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
)

// writeStatus prints two tables, and a line for each thing that is not in order.
func writeStatus(out io.Writer, view statusView) error {
	table := newTable(out)
	fmt.Fprintln(table, "COLLECTOR\tREADINGS\tOLDEST\tMB\tOF\tWAITS FOR\tBEHIND\tBY")
	for _, j := range view.Journals {
		journalRows(table, j)
	}
	fmt.Fprintln(table)
	fmt.Fprintln(table, "HOOK AT\tHOOK\tSTORE\tIN MEMORY\tOF\tDEAD LETTERS\tBEHIND\tBY")
	for _, h := range view.Hooks {
		hookRow(table, h)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, trouble := range troubles(view) {
		fmt.Fprintf(out, "\n%s\n", trouble)
	}
	return nil
}

func journalRows(table io.Writer, item api.JournalItem) {
	if item.Journal == nil {
		fmt.Fprintf(table, "%s\tdoes not answer\n", item.Instance)
		return
	}
	j := item.Journal
	oldest := "-"
	if !j.Oldest.IsZero() {
		oldest = j.Oldest.String()
	}
	head := fmt.Sprintf("%s\t%d\t%s\t%s\t%d", item.Instance, j.Readings, oldest, megabytes(j.Bytes), j.MaxBytes>>20)
	if len(j.Hooks) == 0 {
		fmt.Fprintf(table, "%s\tnobody\n", head)
	}
	for i, h := range j.Hooks {
		if i > 0 {
			head = "\t\t\t\t"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", head, h.Hook, h.Behind, lag(h.BehindS))
	}
}

func hookRow(table io.Writer, item api.HookItem) {
	if item.Status == nil {
		fmt.Fprintf(table, "%s\tdoes not answer\n", item.Instance)
		return
	}
	s := item.Status
	var behind uint64
	var longest wattline.Milli
	for _, stream := range s.Streams {
		behind += stream.Behind
		longest = max(longest, stream.BehindS)
	}
	fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", item.Instance, s.Hook, cmp.Or(s.Failing, "ok"),
		s.Pending, s.MaxPending, s.DeadLetters, behind, lag(longest))
}

// troubles are what a person should look at, in sentences.
func troubles(view statusView) (all []string) {
	say := func(format string, args ...any) { all = append(all, plain(fmt.Sprintf(format, args...))) }
	for _, item := range view.Journals {
		if item.Error != nil {
			say("%s does not answer: %s", item.Instance, item.Error.Message)
			continue
		}
		j := item.Journal
		if j.Dropped > 0 {
			say("Readings that %s has dropped before every hook had stored them: %d, of numbers %d to %d.", item.Instance, j.Dropped, j.DroppedFrom, j.DroppedTo)
		}
		if j.SetAside != "" {
			say("The journal of %s was damaged; the old file is %s.", item.Instance, j.SetAside)
		}
		if j.Error != "" {
			say("The journal of %s cannot be written: %s", item.Instance, j.Error)
		}
	}
	for _, item := range view.Hooks {
		if item.Error != nil {
			say("%s does not answer: %s", item.Instance, item.Error.Message)
			continue
		}
		s := item.Status
		if s.Failing != "" {
			say("The store of %s is %s since %s: %s", s.Hook, s.Failing, s.Since, s.Error)
		}
		if s.DiskError != "" {
			say("The files of hook %s cannot be written: %s", s.Hook, s.DiskError)
		}
		if s.Lost > 0 {
			say("Readings that no journal had any more when hook %s asked for them: %d.", s.Hook, s.Lost)
		}
		if s.DeadLetters > 0 {
			say("Dead letters of hook %s, which its store refused: %d. See wattline journal dead-letters --explain.", s.Hook, s.DeadLetters)
		}
	}
	return all
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

// lag is a time in seconds as people read it.
func lag(seconds wattline.Milli) string {
	if seconds == 0 {
		return "-"
	}
	exact := time.Duration(seconds) * time.Millisecond
	if exact >= time.Minute {
		return exact.Round(time.Second).String()
	}
	return exact.Round(100 * time.Millisecond).String()
}
