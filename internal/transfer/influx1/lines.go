package influx1

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line. One of an export takes about 90 bytes.
const maxLine = 16 << 10

// lines reads a text line by line. It holds one line.
type lines struct {
	reader *bufio.Reader
	number int64 // of the last line, from 1
}

// newLines unpacks the text where it is compressed.
func newLines(from io.Reader) (*lines, error) {
	reader := bufio.NewReaderSize(from, maxLine)
	if magic, err := reader.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(reader)
		if err != nil {
			return nil, fmt.Errorf("unpack it: %w", err)
		}
		reader = bufio.NewReaderSize(unpacked, maxLine)
	}
	return &lines{reader: reader}, nil
}

// next is the next line without its end, good until the one after it; io.EOF after
// the last. A line that is too long is passed over, with a badLine.
func (l *lines) next() ([]byte, error) {
	line, err := l.reader.ReadSlice('\n')
	if len(line) == 0 && errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	l.number++
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.reader.ReadSlice('\n')
		}
		if err == nil || errors.Is(err, io.EOF) {
			return nil, bad("it is longer than %d bytes", maxLine)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: the file is cut short or damaged: %w", l.number, err)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
