package influx

import "github.com/wattline/wattline"

// AppendLine writes a reading in line protocol.
func AppendLine(to []byte, r wattline.Reading) []byte { return appendLine(to, &r) }
