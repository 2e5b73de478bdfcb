// Package api is the gateway: it turns HTTP requests into queries and commands
// on MQTT and their replies into responses.
//
// What is known of the devices is served from the shadow, which follows the
// retained topics, so that it costs no round trip. Everything else goes to the
// instance that can answer it.
//
// Requests are decoded strictly: an unknown or repeated query parameter, an
// unknown or missing field, a wrong type and a value out of bounds are refused
// with the name of what is wrong. Errors are problem documents (RFC 9457) with
// a stable code; see [Problem].
//
// Every route but health and the pages needs a token or a session, and what is
// answered of devices goes through a view: for whoever asks, a device out of their
// scope does not exist. Rights are decided by package access alone.
//
// Only this package imports gin, and no *gin.Context leaves it: what goes
// inwards is the request's context.
//
//	@title			Wattline
//	@version		1
//	@description	Measures and switches the smart plugs of an office.
//	@description
//	@description	Units are in the names: `power_w`, `voltage_v`, `current_a`, `energy_wh`, `rssi_dbm`. Times are RFC 3339 in UTC with milliseconds. Results that may be large come in pages: give the `next` of one page as `cursor` of the following request, all else unchanged.
//	@description
//	@description	Every error is a problem document (RFC 9457) with a stable `code`, the `fields` at fault and the `request_id` under which the log has more. Unknown or repeated query parameters and unknown fields are errors.
//	@license.name	Apache-2.0
//	@license.url	https://www.apache.org/licenses/LICENSE-2.0
//
//	@tag.name			devices
//	@tag.description	What devices there are and how they are.
//	@tag.name			commands
//	@tag.description	Switching. Commands are absolute, so a repeat does no harm.
//	@tag.name			history
//	@tag.description	What was measured.
//	@tag.name			live
//	@tag.description	What happens, as it happens.
//	@tag.name			components
//	@tag.description	Queries to components, your own among them.
//	@tag.name			access
//	@tag.description	Who may do what, and who did.
//	@tag.name			system
//	@tag.description	For monitoring, and this description.
package api
