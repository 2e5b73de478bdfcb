package quarters

import (
	"encoding/binary"
	"hash/crc32"
)

// WithChecksum makes the last bytes of a level fit those before them.
func WithChecksum(data []byte) []byte {
	if len(data) < checksumBytes {
		return data
	}
	content := data[: len(data)-checksumBytes : len(data)-checksumBytes]
	return binary.LittleEndian.AppendUint32(content, crc32.ChecksumIEEE(content))
}
