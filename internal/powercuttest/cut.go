package powercuttest

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Cut is a machine after a power failure.
type Cut struct {
	// Folder holds what was on the disk, in memory where the system has that.
	Folder string
	// Said are the lines that the program had printed before the power failed.
	Said []string
}

// Cuts fails the power at so many moments, chosen by dice, and once at the end,
// and has each looked at. The folder is removed after that.
func (r *Recording) Cuts(t testing.TB, times int, dice *rand.Rand, look func(Cut)) {
	t.Helper()
	d := newDisk(r.folder, r.before)
	ops := slices.Clone(r.ops)
	slices.SortStableFunc(ops, func(a, b op) int { return cmp.Compare(a.moment(), b.moment()) })
	moments := make([]int, times)
	for i := range moments {
		moments[i] = dice.IntN(len(ops) + 1)
	}
	slices.Sort(moments)
	next := 0
	for _, moment := range append(moments, len(ops)) {
		for ; next < moment; next++ {
			if err := d.do(ops[next]); err != nil {
				t.Fatal(err)
			}
		}
		folder := r.lay(t, d.after(dice))
		look(Cut{Folder: folder, Said: wholeLines(d.said.String())})
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
	}
}

// lay puts files into a new folder.
func (r *Recording) lay(t testing.TB, files map[string][]byte) string {
	t.Helper()
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	folder, err := os.MkdirTemp(parent, "wattline-powercut-") //nolint:usetesting // in memory, and gone after each look
	for path, content := range files {
		at := filepath.Join(folder, strings.TrimPrefix(path, r.folder))
		err = errors.Join(err, os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, content, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func wholeLines(text string) []string {
	end := strings.LastIndexByte(text, '\n')
	if end < 0 {
		return nil
	}
	return strings.Split(text[:end], "\n")
}
