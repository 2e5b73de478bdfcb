package datalock_test

import (
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/datalock"
)

func TestOneOwnerAtATime(t *testing.T) {
	folder := t.TempDir() + "/made"
	first, err := datalock.Take(folder, "collector")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := datalock.Take(folder, "collector"); err == nil || !strings.Contains(err.Error(), "in use by another collector (process ") {
		t.Errorf("taken twice: %v", err)
	}
	other, err := datalock.Take(folder, "registry")
	if err != nil {
		t.Errorf("another owner is kept out: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := datalock.Take(folder, "collector")
	if err != nil {
		t.Fatalf("given back and still taken: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
