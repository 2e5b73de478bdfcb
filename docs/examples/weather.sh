#!/bin/bash
# A component of somebody else's: weather-1 answers wattline/query/weather/weather-1/+.
broker=${BROKER:-127.0.0.1} root=wattline name=weather instance=weather-1
presence() { # its status as the argument
	jq -ncj --arg i "$instance" --arg r "$name" --arg s "$1" --arg t "$(date -u +%FT%T.%3NZ)" \
		'{instance:$i, status:$s, roles:[$r], clock:$t}'
}
publish() { mosquitto_pub -h "$broker" "$@"; }
bye() { kill $(jobs -p); presence offline | publish -q 1 -r -t "$root/presence/$instance" -s; exit; }
trap bye INT TERM

# Say that we are here, again every 10 seconds.
while presence online | publish -q 1 -r -t "$root/presence/$instance" -s; do sleep 10; done &

# The last will says offline for us if we cannot.
mosquitto_sub -h "$broker" -i "$instance" -t "$root/query/$name/$instance/+" -F '%t %r %p' \
	--will-topic "$root/presence/$instance" --will-retain --will-qos 1 \
	--will-payload "$(presence offline)" |
while read -r topic retained envelope; do
	[ "$retained" = 0 ] || continue # a request is never retained
	# Past its deadline, nothing is done.
	jq -e --arg now "$(date -u +%FT%T.%3NZ)" '.deadline > $now' <<<"$envelope" >/dev/null || continue
	jq -cj --arg i "$instance" --arg verb "${topic##*/}" \
		'{v:1, id:.id, instance:$i} + if $verb == "forecast"
		 then {error:null, body:{city:.body.city, sky:"clear", temperature_c:21.5}}
		 else {error:{code:"not_found", message:"weather answers forecast"}} end' <<<"$envelope" |
		publish -t "$(jq -r .reply_to <<<"$envelope")" -s
done &
wait
