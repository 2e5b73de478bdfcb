#!/bin/bash
# Asks any component over MQTT and prints its reply:
#
#   ask.sh registry list '{"selector":{"kind":"printer"}}'
#   ask.sh history readings '{"devices":["desk-1"],"from":"2026-03-29T00:00:00Z","to":"2026-03-30T00:00:00Z"}'
set -eu
broker=${BROKER:-127.0.0.1} root=wattline me=asker-$$
component=$1 verb=$2 body=${3:-'{}'}

# Presence tells who is alive for it.
instance=$(mosquitto_sub -h "$broker" -t "$root/presence/+" -W 1 -F %p 2>/dev/null |
	jq -rs --arg role "$component" 'map(select(.status=="online" and any(.roles[]?; .==$role)))[0].instance // empty') || true
[ -n "$instance" ] || { echo "nobody is there for $component" >&2; exit 1; }

id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
envelope=$(jq -nc --arg id "$id" --arg to "$root/reply/$me/$id" --argjson body "$body" \
	--arg now "$(date -u +%FT%T.%3NZ)" --arg until "$(date -u -d '+5 seconds' +%FT%T.%3NZ)" \
	'{v:1, id:$id, reply_to:$to, issued_at:$now, deadline:$until, actor:"ask.sh", body:$body}')
# Subscribe first and send then, again and again: one request, for it has one id.
(for _ in 1 2 3; do sleep 0.3; mosquitto_pub -h "$broker" -t "$root/query/$component/$instance/$verb" -m "$envelope"; done) &
mosquitto_sub -h "$broker" -t "$root/reply/$me/$id" -C 1 -W 5 | jq .
