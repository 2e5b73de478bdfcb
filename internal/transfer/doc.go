// Package transfer moves history from one store to another and proves that it
// arrived.
//
// It goes day by day (UTC), all devices of a day before the next one, because
// both stores keep neighbouring time together. Of each day it writes what the
// target lacks, then reads the day back from the target and compares a digest of
// every device. Nothing is remembered of a copy that was killed: the next one compares
// what is there already, which costs less than to write it, and takes nobody's word
// for it. Doing a day again changes nothing, because a reading is identified by its
// device and time.
//
// Quarter-hours whose readings are past their retention are moved as they are,
// where the target is an Adopter.
package transfer
