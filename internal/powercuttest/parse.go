package powercuttest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// op is a system call that succeeded. It had an effect at some moment between its
// two lines in the log.
type op struct {
	call       string
	args       []string
	result     int64
	resultPath string
	began, end int
}

// moment is when the call's effect is taken to have been there: at its end, but
// what is printed may be seen as soon as it begins.
func (o op) moment() int {
	if o.call == "write" && strings.HasPrefix(o.args[0], "1<") {
		return o.began
	}
	return o.end
}

// parse reads what strace wrote: "pid call(args) = result", or the same in two
// lines where another thread came in between. It keeps what is about a folder, or
// printed.
func parse(log io.Reader, folder string) (ops []op, err error) {
	type half struct {
		text  string
		began int
	}
	unfinished := map[string]half{}
	lines := bufio.NewReaderSize(log, 1<<20)
	for number := 0; ; number++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return ops, nil
		}
		if err != nil {
			return nil, err
		}
		pid, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		text = strings.TrimSpace(text)
		began := number
		if start, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
			unfinished[pid] = half{start, number}
			continue
		}
		if _, rest, ok := strings.Cut(text, " resumed>"); ok && strings.HasPrefix(text, "<... ") {
			text, began = unfinished[pid].text+rest, unfinished[pid].began
		}
		if !strings.Contains(text, folder) && !strings.HasPrefix(text, "write(1<") {
			continue
		}
		one, ok, err := parseCall(text)
		if err != nil {
			return nil, fmt.Errorf("line %d of the log: %w: %.200s", number+1, err, line)
		}
		if ok {
			one.began, one.end = began, number
			ops = append(ops, one)
		}
	}
}

// parseCall takes a call apart; it is not ok for what is none, or has failed.
func parseCall(text string) (o op, ok bool, err error) {
	name, rest, ok := strings.Cut(text, "(")
	if !ok || strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
		return o, false, nil
	}
	o.call = name
	if o.args, rest, err = parseArgs(rest); err != nil {
		return o, false, err
	}
	_, result, ok := strings.Cut(rest, "= ")
	if !ok {
		return o, false, fmt.Errorf("%s has no result", name)
	}
	if o.result, o.resultPath, err = parseFile(strings.Fields(result)[0]); err != nil || o.result < 0 {
		return o, false, nil //nolint:nilerr // "?" is the result of a call during which the process ended
	}
	if _, path, ok := strings.Cut(result, "<"); ok {
		o.resultPath = strings.TrimSuffix(path, ">")
	}
	return o, true, nil
}

// parseArgs splits arguments up to the closing bracket.
func parseArgs(text string) (args []string, rest string, err error) {
	start, depth, quoted, path := 0, 0, false, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"' && !path:
			quoted = !quoted
		case quoted:
		case c == '<' && !path:
			path = true
		case c == '>' && path:
			path = false
		case path:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case depth == 0 && (c == ',' || c == ')'):
			args = append(args, strings.TrimSpace(text[start:i]))
			start = i + 1
			if c == ')' {
				return args, text[i+1:], nil
			}
		}
	}
	return nil, "", errors.New("a call without an end")
}

// parseFile reads a file descriptor with its path: 7</tmp/x>.
func parseFile(text string) (fd int64, path string, err error) {
	number, path, _ := strings.Cut(text, "<")
	fd, err = strconv.ParseInt(number, 0, 64)
	return fd, strings.TrimSuffix(path, ">"), err
}

// path is an argument that names a file, beside the folder before it.
func (o op) path(at int) (string, error) {
	name, err := strconv.Unquote(o.args[at])
	if err != nil {
		return "", fmt.Errorf("%s: path %s: %w", o.call, o.args[at], err)
	}
	if filepath.IsAbs(name) || at == 0 {
		return name, nil
	}
	_, folder, _ := strings.Cut(o.args[at-1], "<")
	return filepath.Join(strings.TrimSuffix(folder, ">"), name), nil
}

// file is the file of the first argument.
func (o op) file() (fd int64, path string, err error) {
	fd, path, err = parseFile(o.args[0])
	if err != nil {
		return 0, "", fmt.Errorf("%s(%.100s): %w", o.call, o.args[0], err)
	}
	return fd, path, nil
}

// number is an argument that is one.
func (o op) number(at int) (int64, error) {
	n, err := strconv.ParseInt(o.args[at], 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", o.call, err)
	}
	return n, nil
}
