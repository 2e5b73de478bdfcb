package testserver_test

import (
	"testing"

	"github.com/wattline/wattline/internal/testserver"
)

// There are 12,000 ports; of 150 taken at random two would mostly be the same.
func TestNoPortIsGivenTwice(t *testing.T) {
	t.Parallel()
	given := map[int]bool{}
	for range 150 {
		port := testserver.FreePort(t)
		if given[port] {
			t.Errorf("%d was given before", port)
		}
		given[port] = true
	}
}
