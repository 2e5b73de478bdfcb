// Package emulator is an office of TP-Link smart plugs made of software: HS110 of
// both unit generations, HS100 and HS300, on real TCP and UDP, for the demo, for
// tests and for benchmarks.
//
// A [Plug] answers as the hardware does, quirks included: hardware 1 closes the
// connection after each answer and ignores the length in the header, hardware 4
// and the strip keep the connection and want the exact length; one client is
// served at a time while the others wait; large answers leave in segments of
// 1448 bytes; what is not understood gets no answer at all. docs/hs110.md has
// the protocol and where each fact comes from. What no source tells is chosen
// here and said so at its place.
//
// # Energy
//
// What is plugged in is a [Load]: power as a function of time that is constant
// from one whole millisecond to a later one. Energy is therefore a sum of
// products of whole milliwatts and whole milliseconds, exact in microjoules
// ([Energy]); the meter that the plug shows is that, cut to whole watt-hours.
// [Plug.TrueEnergy] and [Plug.TrueEnergyBetween] give the exact value to compare
// with what a gateway made of the readings. Nothing depends on how often, or
// whether, a plug was asked.
//
// # Faults
//
// Each plug can be made to misbehave while it runs ([Plug.SetFault]); [ParseFaults]
// reads the form of the command line.
//
// # Cost
//
// A plug is one goroutine, one listening socket (a second one with discovery) and
// some 15 KB. All methods of Plug and Office may be called concurrently.
package emulator
