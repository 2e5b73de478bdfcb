package wake_test

import (
	"testing"

	"github.com/wattline/wattline/internal/wake"
)

func TestUp(t *testing.T) {
	waiting := make(chan struct{}, 1)
	wake.Up(waiting)
	wake.Up(waiting) // does not wait
	<-waiting
	select {
	case <-waiting:
		t.Error("told twice")
	default:
	}
	wake.Up(nil)
}
