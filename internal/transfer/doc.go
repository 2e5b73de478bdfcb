// Package transfer moves history from one store to another and proves that it
// arrived.
//
// It goes day by day (UTC), all devices of a day before the next one, because
// both stores keep neighbouring time together. Of each day it writes what the
// source has, then reads the day back from the target and compares a digest of
// every device. What has been copied and compared is noted in a file, so that a
// copy that was killed goes on at its day; doing a day again changes nothing,
// because a reading is identified by its device and time.
//
// Quarter-hours whose readings are past their retention are moved as they are,
// where the target is an Adopter.
package transfer
