//go:build !unix

package mqttcredentials

import "os"

// takeOwner does nothing where files have no such owner.
func takeOwner(*os.File, os.FileInfo) {}
