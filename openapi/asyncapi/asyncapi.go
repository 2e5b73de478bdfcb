// Package asyncapi holds the description of the MQTT topics as AsyncAPI 3, written by
// hand beside docs/topics.md. Tests hold it against the types and against what a
// running office says.
package asyncapi

import _ "embed"

//go:embed asyncapi.yaml
var document []byte

// Document is the description as YAML. It is not to be changed.
func Document() []byte { return document }
