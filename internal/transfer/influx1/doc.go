// Package influx1 reads what the system that Wattline follows kept in an InfluxDB
// 1.x, from an export of its database, and makes readings of it.
//
// That system kept two measurements in a database named sp, power in watts and
// status (1 for on, 0 for off), each with the one field value, whole seconds, and
// the tags id, unit, type and, for a workstation, row and column. Voltage,
// current, the signal and the plug's own counter it dropped: they are 0 in the
// readings.
//
// An export is what influx_inspect export writes, also compressed, or the CSV of
// the influx shell. It comes series by series, so that the power and the status of
// one second lie far apart. The points are therefore put into a scratch file
// first, which sorts them.
package influx1
