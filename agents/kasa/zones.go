package kasa

import (
	"strings"
	"time"
)

// zone is the time zone of an index in the plugs' own table.
func zone(index int) (*time.Location, bool) {
	names := strings.Fields(zoneNames)
	if index < 0 || index >= len(names) {
		return nil, false
	}
	location, err := time.LoadLocation(names[index])
	return location, err == nil
}

// zoneNames are the zones of the plugs' table by their index, 0 to 109. The maker
// names cities; where it says "Standard Time" the clock stays on that all year.
const zoneNames = `
Etc/GMT+12 Etc/GMT+11 Pacific/Honolulu America/Anchorage America/Tijuana
Etc/GMT+8 America/Los_Angeles America/Phoenix America/Mazatlan Etc/GMT+7
America/Denver America/Guatemala Etc/GMT+6 America/Chicago America/Mexico_City
America/Regina America/Bogota Etc/GMT+5 America/New_York America/Indiana/Indianapolis
America/Caracas America/Asuncion Etc/GMT+4 America/Halifax America/Cuiaba
America/La_Paz America/Santiago America/St_Johns America/Sao_Paulo America/Argentina/Buenos_Aires
America/Cayenne America/Godthab America/Montevideo America/Bahia Etc/GMT+2
Atlantic/Azores Atlantic/Cape_Verde Africa/Casablanca UTC Europe/London
Africa/Monrovia Europe/Berlin Europe/Belgrade Europe/Madrid Europe/Warsaw
Africa/Lagos Africa/Windhoek Asia/Amman Europe/Athens Asia/Beirut
Africa/Cairo Asia/Damascus Europe/Chisinau Africa/Johannesburg Europe/Helsinki
Europe/Istanbul Asia/Jerusalem Europe/Kaliningrad Africa/Tripoli Asia/Baghdad
Asia/Riyadh Europe/Minsk Europe/Moscow Africa/Nairobi Asia/Tehran
Asia/Dubai Asia/Baku Europe/Samara Indian/Mauritius Asia/Tbilisi
Asia/Yerevan Asia/Kabul Asia/Tashkent Asia/Yekaterinburg Asia/Karachi
Asia/Kolkata Asia/Colombo Asia/Kathmandu Asia/Almaty Asia/Dhaka
Asia/Novosibirsk Asia/Yangon Asia/Bangkok Asia/Krasnoyarsk Asia/Shanghai
Asia/Irkutsk Asia/Singapore Australia/Perth Asia/Taipei Asia/Ulaanbaatar
Asia/Tokyo Asia/Seoul Asia/Yakutsk Australia/Adelaide Australia/Darwin
Australia/Brisbane Australia/Sydney Pacific/Port_Moresby Australia/Hobart Asia/Magadan
Asia/Vladivostok Asia/Srednekolymsk Pacific/Guadalcanal Asia/Kamchatka Pacific/Auckland
Etc/GMT-12 Pacific/Fiji Pacific/Tongatapu Pacific/Apia Pacific/Kiritimati`
