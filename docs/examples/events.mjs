// Prints live readings, and goes on where it was after the connection breaks.
//
//   WATTLINE_TOKEN=wl_… node docs/examples/events.mjs 'location=hq/f1&type=reading'
const base = process.env.WATTLINE_URL ?? 'http://127.0.0.1:8080'
const url = `${base}/api/v1/events?${process.argv[2] ?? 'type=reading&snapshot=true'}`
let lastID

function take(block) {
  const event = { data: '' }
  for (const line of block.split('\n')) {
    const [, name, text] = /^([a-z]*): ?(.*)$/.exec(line) ?? []
    if (name) event[name] = text
  }
  lastID = event.id ?? lastID
  if (event.data) console.log(event.event, event.data)
}

async function listen() {
  const headers = { Authorization: `Bearer ${process.env.WATTLINE_TOKEN ?? ''}` }
  if (lastID) headers['Last-Event-ID'] = lastID
  const response = await fetch(url, { headers })
  if (response.status === 401 || response.status === 403) throw new Error(await response.text())
  if (!response.ok) return // busy, or starting: try again
  let text = ''
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + piece).split('\n\n')
    text = blocks.pop()
    blocks.forEach(take)
  }
}

let refused = false
while (!refused) {
  await listen().catch((error) => { refused = error.message.startsWith('{'); console.error(error.message) })
  await new Promise((resolve) => setTimeout(resolve, 2000))
}
process.exitCode = 1
