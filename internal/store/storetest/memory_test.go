package storetest_test

import (
	"testing"

	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.NewMemory() })
}
