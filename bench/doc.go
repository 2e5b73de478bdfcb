// Package bench measures Wattline against the floor under it: the bare
// exchanges that the same work cannot do without, in the same run on the same
// machine. Its figures are ratios, because machines differ and are shared.
//
// make bench runs it and writes docs/benchmarks-table.md. Nothing here fails on
// a figure.
package bench
