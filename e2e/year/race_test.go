//go:build race

package year_test

const raced = true
