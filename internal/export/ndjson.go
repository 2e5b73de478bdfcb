package export

import (
	"bufio"
	"encoding/json"
	"io"
)

// ndjsonWriter writes a JSON object on each line.
type ndjsonWriter[T any] struct {
	buffer  *bufio.Writer
	encoder *json.Encoder
}

func newNDJSON[T any](w io.Writer) *ndjsonWriter[T] {
	buffer := bufio.NewWriterSize(w, chunk)
	return &ndjsonWriter[T]{buffer, json.NewEncoder(buffer)}
}

func (n *ndjsonWriter[T]) Write(rows []T) error {
	for i := range rows {
		if err := n.encoder.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return n.buffer.Flush()
}

func (n *ndjsonWriter[T]) Close() error { return n.buffer.Flush() }
