// Package storetest holds every store to the contract of package store: the
// same readings and the same questions go to it and to a model in memory, and
// the answers have to be the same. A new store calls Run in its tests.
package storetest
