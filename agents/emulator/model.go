package emulator

import (
	"fmt"
	"strings"
)

// Model is the hardware that a plug pretends to be.
type Model string

// The models.
const (
	HS110HW1 Model = "hs110-hw1" // floats in V, A, W, kWh; closes after each answer
	HS110HW4 Model = "hs110-hw4" // integers in mV, mA, mW, Wh; keeps the connection
	HS100    Model = "hs100"     // no meter
	HS300    Model = "hs300"     // a strip of six metered outlets
)

// Models lists every model.
func Models() []Model { return []Model{HS110HW1, HS110HW4, HS100, HS300} }

// ParseModel reads a model's name.
func ParseModel(text string) (Model, error) {
	names := make([]string, 0, len(Models()))
	for _, m := range Models() {
		if string(m) == text {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", fmt.Errorf("model %.40q must be one of %s", text, strings.Join(names, ", "))
}

const stripOutlets = 6

// traits is what differs between the models apart from the keys of their answers.
type traits struct {
	outlets          int
	metered          bool
	floats           bool // hardware 1: the meter's dialect, and the keys of sysinfo
	closesAfterReply bool
	exactHeader      bool
	errorsAtModule   bool // where err_code of an unknown module or method stands
	totalSurvives    bool // erase_emeter_stat leaves the total alone
	macPrefix        string
}

// traits: that erasing leaves the total alone is known of hardware 1 only; that
// the others set it back is our choice, so that both are met in tests.
func (m Model) traits() traits {
	switch m {
	case HS110HW1:
		return traits{outlets: 1, metered: true, floats: true, closesAfterReply: true, totalSurvives: true, macPrefix: "50:C7:BF"}
	case HS100:
		return traits{outlets: 1, floats: true, closesAfterReply: true, totalSurvives: true, macPrefix: "50:C7:BF"}
	case HS300:
		return traits{outlets: stripOutlets, metered: true, exactHeader: true, errorsAtModule: true, macPrefix: "C0:06:C3"}
	default:
		return traits{outlets: 1, metered: true, exactHeader: true, errorsAtModule: true, macPrefix: "B0:95:75"}
	}
}
