package alike_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/testserver"
)

var shared testserver.SharedInflux

func TestMain(m *testing.M) { goleak.VerifyTestMain(shared.Around(m)) }
