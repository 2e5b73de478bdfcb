'use strict';
// Runs simulated plugs for the tests.
//
//   node simulator.js '[{"model":"hs110","port":0,"alias":"desk-1"}]'
//
// One JSON line on stdout when all of them listen:
//   {"ready":[{"address":"127.0.0.1","port":40123}]}
// Then one JSON line of answer for each JSON line on stdin:
//   {"op":"get","index":0,"child":0}                         what the plug would report now
//   {"op":"set","index":0,"realtime":{"power":61.753}}       V, A, W and kWh, whatever the model reports in
//   {"op":"set","index":0,"relay":1,"alias":"x","rssi":-60}  relay of all outlets unless a child is named
//   {"op":"stop","index":0} {"op":"start","index":0}         off the network and back, on the same port
//   {"op":"requests","index":0}                              how many requests it has taken
// It ends when stdin does, so it never outlives the test that started it.

const readline = require('node:readline');
const { Device } = require('tplink-smarthome-simulator');

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

class Plug {
  constructor({ closeAfterReply, deviceId, mac, ...options }) {
    const data = { deviceId, mac };
    this.device = new Device({ address: '127.0.0.1', ...options, data });
    this.device.endSocketAfterResponse = Boolean(closeAfterReply);
    this.sockets = new Set();
    this.requests = 0;
    // Without a listener a client that sends rubbish would end the process.
    this.device.deviceNetworking.on('error', (err) => {
      process.stderr.write(`${this.device.model} ${this.device.address}: ${err.message}\n`);
    });
    this.device.deviceNetworking.on('data', () => {
      this.requests += 1;
    });
  }

  async start() {
    await this.device.start();
    this.device.deviceNetworking.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  async stop() {
    const stopped = this.device.stop();
    this.sockets.forEach((socket) => socket.destroy());
    await stopped;
  }

  child(index) {
    const child = this.device.children[index];
    if (child === undefined) throw new Error(`no child ${index}`);
    return child;
  }

  // Asked through the simulator's own command processing: exactly what goes over the wire.
  get(child) {
    const request = { system: { get_sysinfo: {} }, emeter: { get_realtime: {} } };
    if (child !== undefined) request.context = { child_ids: [this.child(child).sysinfo.id] };
    const { unreliablePercent } = this.device;
    this.device.unreliablePercent = 0; // faults are for the clients, not for the test's own look
    const { responseForLog } = this.device.processMessage(JSON.stringify(request), (text) => text);
    this.device.unreliablePercent = unreliablePercent;
    const reply = JSON.parse(responseForLog);
    return { sysinfo: reply.system.get_sysinfo, realtime: reply.emeter?.get_realtime };
  }

  set({ child, realtime, relay, alias, rssi }) {
    const { sysinfo } = this.device.data.system;
    const outlets = child === undefined ? this.device.children ?? [] : [this.child(child)];
    if (realtime !== undefined) {
      const meters = outlets.length > 0 ? outlets : [this.device.data];
      meters.forEach((meter) => Object.assign(meter.emeter.realtime, realtime));
    }
    if (relay !== undefined && outlets.length > 0) {
      outlets.forEach((outlet) => Object.assign(outlet.sysinfo, { state: relay }));
    } else if (relay !== undefined) {
      sysinfo.relay_state = relay;
    }
    if (alias !== undefined && child !== undefined) outlets[0].sysinfo.alias = alias;
    else if (alias !== undefined) sysinfo.alias = alias;
    if (rssi !== undefined) sysinfo.rssi = rssi;
    return {};
  }
}

async function handle(plugs, request) {
  const plug = plugs[request.index];
  if (plug === undefined) throw new Error(`no plug ${request.index}`);
  switch (request.op) {
    case 'get':
      return plug.get(request.child);
    case 'set':
      return plug.set(request);
    case 'stop':
      await plug.stop();
      return {};
    case 'start':
      await plug.start();
      return {};
    case 'requests':
      return { requests: plug.requests };
    default:
      throw new Error(`unknown op ${JSON.stringify(request.op)}`);
  }
}

async function main() {
  const plugs = JSON.parse(process.argv[2]).map((options) => new Plug(options));
  for (const plug of plugs) await plug.start();
  say({ ready: plugs.map(({ device }) => ({ address: device.address, port: device.port })) });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      say(await handle(plugs, JSON.parse(line)));
    } catch (err) {
      say({ error: err.message });
    }
  }
  process.exit(0);
}

main().catch((err) => {
  process.stderr.write(`${err.stack}\n`);
  process.exit(1);
});
