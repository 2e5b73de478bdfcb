package powercuttest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/files"
	"github.com/wattline/wattline/internal/powercuttest"
)

// program names the variable that turns this test binary into one of programs.
const program = "WATTLINE_TEST_POWERCUT"

func TestMain(m *testing.M) {
	if do, ok := programs[os.Getenv(program)]; ok {
		if err := do(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// programs write "whole" into a file or two and say so.
var programs = map[string]func(folder string) error{
	"everything is synced": func(folder string) error {
		return errors.Join(put(folder, "a", true), files.SyncFolder(folder), say())
	},
	"nothing is synced": func(folder string) error { return errors.Join(put(folder, "a", false), say()) },
	"the name is not":   func(folder string) error { return errors.Join(put(folder, "a", true), say()) },
	"the content is not": func(folder string) error {
		return errors.Join(put(folder, "a", false), files.SyncFolder(folder), say())
	},
	"it is said too early": func(folder string) error { return errors.Join(say(), put(folder, "a", true), files.SyncFolder(folder)) },
	"it is replaced": func(folder string) error {
		return errors.Join(put(folder, "a", true), files.SyncFolder(folder), say(), put(folder, "b", true),
			os.Rename(filepath.Join(folder, "b"), filepath.Join(folder, "a")), files.SyncFolder(folder))
	},
	"it is replaced by what is not synced": func(folder string) error {
		return errors.Join(put(folder, "a", true), files.SyncFolder(folder), say(), put(folder, "b", false),
			os.Rename(filepath.Join(folder, "b"), filepath.Join(folder, "a")), files.SyncFolder(folder))
	},
	"it is cut short": func(folder string) error {
		return errors.Join(put(folder, "a", true), files.SyncFolder(folder), say(), os.Truncate(filepath.Join(folder, "a"), 1))
	},
}

// whole takes several sectors, and several writes.
func whole() []byte { return slices.Repeat([]byte("0123456\n"), 400) }

func put(folder, name string, sync bool) error {
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(whole(), 1000) {
		_, writeErr := file.Write(part)
		err = errors.Join(err, writeErr)
	}
	if sync {
		err = errors.Join(err, file.Sync())
	}
	return errors.Join(err, file.Close())
}

func say() error {
	_, err := fmt.Println("it is there")
	return err
}

func TestWhatIsSyncedSurvives(t *testing.T) {
	for name, survives := range map[string]bool{
		"everything is synced": true, "nothing is synced": false, "the name is not": false, "the content is not": false,
		"it is said too early": false, "it is replaced": true, "it is replaced by what is not synced": false, "it is cut short": false,
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0], folder)
			cmd.Env = append(os.Environ(), program+"="+name)
			recording := powercuttest.Record(t, cmd, folder)
			cuts, lost, said := 0, 0, 0
			recording.Cuts(t, 300, rand.New(rand.NewPCG(1, 2)), func(cut powercuttest.Cut) {
				cuts++
				if len(cut.Said) == 0 {
					return
				}
				said++
				content, err := os.ReadFile(filepath.Join(cut.Folder, "a"))
				if err != nil || string(content) != string(whole()) {
					lost++
				}
			})
			if cuts != 301 || said == 0 || survives != (lost == 0) {
				t.Errorf("%d cuts, %d after it was said, %d times it was lost", cuts, said, lost)
			}
		})
	}
}

func TestWhatWasThereBeforeSurvives(t *testing.T) {
	folder := t.TempDir()
	if err := put(folder, "old", false); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], folder)
	cmd.Env = append(os.Environ(), program+"=nothing is synced")
	powercuttest.Record(t, cmd, folder).Cuts(t, 20, rand.New(rand.NewPCG(1, 2)), func(cut powercuttest.Cut) {
		content, err := os.ReadFile(filepath.Join(cut.Folder, "old"))
		if err != nil || string(content) != string(whole()) {
			t.Errorf("it is %.30q, %v", content, err)
		}
	})
}
