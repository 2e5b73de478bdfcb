// Package kasa talks to TP-Link plugs of the HS110 family over their local
// protocol: JSON behind an XOR cipher on TCP port 9999, without authentication.
//
// A plug serves one request at a time and copes badly with more, so a [Client]
// owns one queue and at most one connection per host and port; whoever talks to
// a plug in this process, poller or command, goes through it, and commands go
// ahead of polls. The outlets of a strip share the strip's queue. A process
// should make one Client; all its methods may be called concurrently.
//
// # Connections
//
// A connection is used again while the plug keeps it open (hardware 2 and later)
// and closed by us after [Options.IdleTimeout] without a request: long enough
// for setting a relay and reading it back, short enough that another program
// gets its turn between two polls at a plug that serves one client at a time. A
// plug that closes after each answer (hardware 1) is recognised by that and from
// then on met with a fresh connection each time; what it closed under us is sent
// once more, which is safe because every request here is a read or sets an
// absolute state.
//
// # Numbers
//
// Quantities are taken from the decimal text that the plug sent, rounded to
// whole thousandths (mW, mV, mA, mWh), half away from zero. Both dialects of the
// meter are understood, and told apart by the keys that are there. What is
// missing, null or of the wrong type is an error, never a zero and never "off".
//
// The protocol is described in docs/hs110.md; it was learnt from the public
// clients python-kasa, tplink-smarthome-api and softScheck/tplink-smartplug and
// from what their users reported.
package kasa
