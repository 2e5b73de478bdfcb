// Subscribes over WebSocket and prints what comes; needs Node.js 22 or newer. In a
// browser leave out the headers: the session's cookie is sent.
//
//   WATTLINE_TOKEN=wl_… node docs/examples/socket.mjs
const base = process.env.WATTLINE_URL ?? 'http://127.0.0.1:8080'
const socket = new WebSocket(`${base.replace(/^http/, 'ws')}/api/v1/live`, {
  headers: { Authorization: `Bearer ${process.env.WATTLINE_TOKEN ?? ''}` },
})

socket.onopen = () => socket.send(JSON.stringify({
  type: 'subscribe', id: 'all', selector: { all: true }, types: ['state', 'reading'], snapshot: true,
}))
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data)
  if (message.type !== 'events') return console.log(message)
  for (const { event, data } of message.events) console.log(event, JSON.stringify(data))
}
socket.onclose = ({ code, reason }) => console.log('closed', code, reason)
