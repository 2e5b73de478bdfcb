// Package bus is how the processes of Wattline talk to one another: MQTT 3.1.1,
// and on top of it presence, retained values that their owners keep, and
// request and reply. It is the only package that imports the MQTT client.
//
// # Delivery
//
// The kind of a topic decides its quality of service and whether it is retained;
// the one table is in delivery.go. Requests and replies travel at QoS 0, because
// a mosquitto with its stock settings delays a QoS 1 exchange by 40 ms, and are
// sent again instead. All else is published at QoS 1. Subscriptions are always
// made at QoS 0: at QoS 1 a stock mosquitto hands a late subscriber 1,020 of
// 10,000 retained values and drops the rest without a word, and under load it
// drops live ones; at QoS 0 all of them arrive.
//
// Nothing rests on a broker's memory or on an acknowledgement. A publish returns
// when it is queued. What is retained is published again by its owner on every
// new connection (Retain), readings are kept in a journal by whoever made them,
// and requests are repeated by the asker. Nothing is kept for later while there
// is no connection: Publish and Ask then fail at once with broker_down. So
// nothing old ever fires late.
//
// Every new connection is a new MQTT client with a clean session. It counts as
// connected when every subscription is granted and the bus has heard its own
// presence, by which time it has heard everybody else's too.
//
// # Request and reply
//
// One subscription to …/reply/{instance}/+ serves all asks of a process. An ask
// carries an unguessable id and an absolute deadline. The same id is sent again
// at a third and at two thirds of the time, after a reconnection, and when the
// one asked announces itself anew. A responder acts once: it remembers ids until
// their deadline and answers a repeat with the same reply. A process that was
// started anew remembers nothing: it answers a command that was issued before with
// timeout, because its earlier life may have acted upon it, and what was asked for
// since must not be undone. A responder drops what comes after its deadline, and a
// request that is retained. It answers what it cannot decode with invalid, if the
// id and a reply topic of ours can be made out; a reply never goes anywhere else.
//
// Nobody alive for it, by presence, is no_responder, at once and with nothing
// sent. Alive but silent is timeout: the outcome is then unknown.
//
// Deadlines are by the asker's clock and judged by the responder's. Where the
// clocks differ, requests live that much shorter or longer; where the
// responder's is ahead by more than the time allowed, all of them are dropped.
// Presence carries the sender's clock, so that this is seen and said: a
// difference of more than a second is logged, counted and published as the event
// clock_skew.
//
// # Presence
//
// A process announces its roles, retained, on every connection, on every change
// and every 10 seconds; its last will says offline. An instance that is not
// heard of for 30 seconds by this process's own monotonic clock is offline,
// whatever the broker keeps of it: a retained presence counts as heard once. The
// clock stands still while there is no connection: who could not be heard is not
// silent, and nobody takes over everybody's work because the broker is away.
//
// The MQTT client id is the instance's name, so that a broker can hold it to its
// topics (presence/%c, reply/%c/+). Two processes of one name would push each
// other off the broker for ever; this is noticed and logged as an error.
//
// # Bounds
//
// Every queue, map and message is bounded, and what a bound drops is counted. An
// incoming message larger than MaxMessage is replaced by an undecodable one
// before it takes memory.
package bus
