package powercuttest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// calls are the system calls by which a program changes files. Those with a
// question mark exist on some machines only.
const calls = "trace=openat,?open,?creat,lseek,close,write,pwrite64,writev,pwritev,?pwritev2,ftruncate,truncate," +
	"fsync,fdatasync,?rename,renameat,renameat2,?unlink,unlinkat,fallocate,copy_file_range,sendfile"

// Recording is what a program did to the files of one folder, and what it said
// on its standard output meanwhile.
type Recording struct {
	before map[string][]byte
	folder string
	ops    []op
}

// Record runs a program to its end. Whatever is in the folder before counts as
// synced. The program's output is kept; what it prints on stderr goes to the
// test's. It should end with status 0.
func Record(t testing.TB, cmd *exec.Cmd, folder string) *Recording {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: apt-get install strace (make deps)")
	}
	r := &Recording{folder: folder, before: contentOf(t, folder)}
	log := filepath.Join(t.TempDir(), "strace")
	traced := exec.CommandContext(t.Context(), strace, append([]string{
		"-f", "-y", "-x", "-s", "10000000", "--seccomp-bpf", "-o", log, "-e", calls, "--", cmd.Path,
	}, cmd.Args[1:]...)...)
	traced.Env, traced.Dir = cmd.Env, cmd.Dir
	var trouble strings.Builder
	traced.Stderr = &trouble
	if err := traced.Run(); err != nil {
		if strings.Contains(trouble.String(), "PTRACE") {
			t.Fatal("tracing a process is not permitted here (in a container: --cap-add SYS_PTRACE): " + trouble.String())
		}
		t.Fatalf("%v: %.2000s", err, trouble.String())
	}
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if r.ops, err = parse(file, folder); err != nil {
		t.Fatal(err)
	}
	return r
}

// contentOf is all files below a folder, by their paths.
func contentOf(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	content := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content[path], err = os.ReadFile(path)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(fmt.Errorf("look at the files: %w", err))
	}
	return content
}
