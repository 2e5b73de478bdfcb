// Package testserver starts the real servers that tests run against: a
// mosquitto, an InfluxDB 2.7, a simulator of TP-Link plugs and an independent
// client for plugs. It is for tests only.
//
// Every server listens on a free port of 127.0.0.1, is ready when its
// constructor returns, and ends with the test (t.Cleanup). What is missing
// fails the test with a line that says how to get it; nothing is ever skipped.
// What a server printed is logged only if the test fails.
//
// Constructors and methods report trouble through t.Fatal, so they are called
// from the goroutine of the test. Unless said otherwise they are not safe for
// concurrent use.
//
// A process ends with the test binary too, should that be killed (on Linux).
package testserver
