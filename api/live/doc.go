// Package live hands what happens to whoever listens, each to what they may see:
// readings, states, results of commands, changes of the registry and alerts.
//
// A [Hub] encodes each event once, numbers it and keeps the last of them in a ring.
// A [Feed] is one subscriber's way through the ring, at the subscriber's own pace:
// nothing is queued for anybody, so a slow one costs no memory and holds up nobody.
// It is first spared the values that newer ones of the same device have replaced,
// and told how many; who falls out of the ring is told of a gap; who stays behind
// for too long is sent away.
//
// What somebody may see is decided by access.Decide when an event is handed out:
// the device must be in scope by its description at the time of the event and by
// the one that it has now. For who can no longer see a device, be it that it moved
// or that their rights did, it is removed.
//
// [Hub.ServeEvents] speaks server-sent events and [Hub.ServeSocket] WebSocket; this
// is the only package that imports a library for the latter.
package live
