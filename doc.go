// Package wattline holds the nouns of Wattline, a gateway for office smart
// plugs: devices, readings, states, commands, summaries, the topic grammar, the
// message envelope and the error codes.
//
// Everything here is plain data and pure functions on the standard library.
// Agents, components, hooks and the HTTP API share these types and nothing
// else; what crosses MQTT is their JSON form.
//
// Units are in the names (power_w, energy_wh, rssi_dbm). Quantities are whole
// thousandths of their unit ([Milli]), so that every store and export agrees to
// the last digit. Times on the wire are RFC 3339 in UTC with milliseconds
// ([Time]).
package wattline
