/**
 * The process of those who misbehave, in a thousand connections to one peer that are opened again as the peer cuts
 * them. Started by hostile-connections.ts with the peer's address and the cluster's id; ends when its channel closes.
 *
 * Most are sockets: silent ones, handshakes that stop half-way, bytes that come one a second, noise. The rest are whole libp2p
 * connections: streams that are opened and left, greetings byte by byte, frames that make no sense, and requests for a large
 * value whose answers nobody reads.
 */
import { hash, randomBytes, randomInt } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { greet, newStranger, openStream, Request, requestOf } from './raw-channel.ts'

/** Connections at once: sockets, and those with a whole handshake. */
const sockets = 900
const strangers = 100

/** Streams that a stranger opens at once: as many as a connection may have. */
const streams = 8

/** Between two bytes of those that send them one by one, in ms. */
const byteMs = 1_000

/** The longest that one connection goes on before it makes room for another of its kind, in ms. */
const longestMs = 10_000

/** Requests on a stream whose answers are not read. */
const unread = 200

/** What libp2p's dialers say first (multistream-select), each message behind its length. */
const handshake = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n')

const [, , address, clusterId, largeKey] = process.argv as [string, string, string, string, string]
const port = Number(/\/tcp\/(\d+)/.exec(address)![1])

process.on('disconnect', () => process.exit())
// What a peer cuts fails here in every way that libp2p knows.
process.on('unhandledRejection', () => undefined)
process.on('uncaughtException', () => undefined)

let opened = 0
setInterval(() => process.send!(opened), 200).unref()

for (let i = 0; i < sockets; i++) void again(() => bySocket(i % 4))
for (let i = 0; i < strangers; i++) void again(() => asStranger(i % 4))

async function again(misbehave: () => Promise<void>): Promise<never> {
  for (;;) {
    opened++
    await misbehave().catch(() => undefined)
    // One that is refused at once would else do nothing but connect.
    await sleep(randomInt(100, 1_000))
  }
}

async function bySocket(kind: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  const closed = new Promise(resolve => socket.once('close', resolve))
  if (kind === 1) socket.write(handshake)
  if (kind === 3) socket.write(randomBytes(randomInt(1, 70_000)))
  const slow = kind === 2 ? setInterval(() => socket.write(handshake.subarray(0, 1)), byteMs) : undefined
  await Promise.race([closed, sleep(longestMs)])
  clearInterval(slow)
  socket.destroy()
}

async function asStranger(kind: number): Promise<void> {
  const stranger = await newStranger()
  try {
    await Promise.all(Array.from({ length: streams }, () => byStream(kind)))
  } finally {
    await stranger.libp2p.stop()
  }

  async function byStream(how: number): Promise<void> {
    const stream = await openStream(stranger, address)
    const body = Request.encode({ epoch: 0, readRecord: { position: hash('sha256', largeKey, 'buffer') } })
    if (how !== 0 && how !== 1) greet(stream, clusterId)
    if (how === 2) stream.sendMessage(randomBytes(randomInt(1, 2_000)))
    // Nobody listens: what comes back is kept by libp2p, until its window is full.
    if (how === 3) for (let id = 1; id <= unread; id++) stream.sendMessage(requestOf(id, body, longestMs))
    const slow = how === 1 ? setInterval(() => stream.send(new Uint8Array([255])), byteMs) : undefined
    await sleep(longestMs)
    clearInterval(slow)
  }
}
