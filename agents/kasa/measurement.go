package kasa

import (
	"time"

	"github.com/wattline/wattline"
)

// Info is what a plug says of itself. It is shared between callers: do not
// change it.
type Info struct {
	// DeviceID is 40 hexadecimal digits, of the hardware.
	DeviceID string
	// Alias is the name that its owner gave it, any text.
	Alias string
	// Model is such as "HS110(EU)".
	Model string
	// HardwareVersion is such as "4.0", Firmware "1.0.4 Build 191111 Rel.143500".
	HardwareVersion, Firmware string
	// MAC is in upper case with colons.
	MAC string
	// HasMeter: it measures energy.
	HasMeter bool
	// HasLED: its light can be switched.
	HasLED bool
	// Outlets are those of a strip, in its order; empty for a plug.
	Outlets []Outlet
}

// Outlet is one outlet of a strip.
type Outlet struct {
	// ID is the whole child id; its last two digits name the outlet in an address.
	ID    string
	Alias string
}

// Measurement is a plug's answer to one poll.
type Measurement struct {
	// At is the instant at which the answer had arrived.
	At   time.Time
	Info *Info
	// Relay is the plug's relay, or the outlet's. It is never empty.
	Relay wattline.Relay
	// LED is empty if the plug did not tell.
	LED wattline.Relay
	// RSSIdBm is the strength of the plug's Wi-Fi, negative; 0 if it did not tell.
	RSSIdBm int
	// OnTime is for how long the relay has been on: 0 when off, or not told.
	OnTime time.Duration
	// Meter is nil for a plug without a meter, and where MeterErr says why.
	Meter *Meter
	// MeterErr is an *Error if the plug has a meter and answered the question for
	// its values with an error, or unusably, while the rest of the answer was good.
	MeterErr error
}

// Meter is what the meter showed, as sent: negative and implausible values are
// the caller's to judge.
type Meter struct {
	PowerW   wattline.Milli
	VoltageV wattline.Milli
	CurrentA wattline.Milli
	// TotalWh counts from the plug's last power-up, in steps of 1 Wh.
	TotalWh wattline.Milli
}
