/**
 * What a request costs besides the work it asks for: two processes, an echo of 128 bytes over the transport,
 * with 1, 16, 64 and 256 in flight. `node --experimental-transform-types benchmarks/echo.ts`
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Greeting, TransportHandlers } from '../src/core/ports.ts'
import { createNode } from '../src/libp2p/node.ts'

const payloadBytes = 128
const secondsPerRun = 3

/** Echoes, and greets as whoever is not asked further. */
function handlers(role: Greeting['role']): TransportHandlers {
  const life = role === 'peer' ? '0000000000000001' : ''
  const greeting = { network: 'echo', clusterId: '', generation: 0, role, life, boot: 1, epoch: 0 } as const
  return {
    greeting: () => greeting,
    admit: () => undefined,
    serve: body => Promise.resolve(body),
    connected: () => undefined,
    disconnected: () => undefined
  }
}

async function serve(): Promise<void> {
  const privateKey = await generateKeyPair('Ed25519')
  const { libp2p, transport } = await createNode({ privateKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
  await libp2p.start()
  await transport.start(handlers('peer'))
  process.send?.(libp2p.getMultiaddrs()[0]?.toString())
}

async function measure(): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), ['serve'], { execArgv: process.execArgv })
  const address = await new Promise<string>(resolve => server.once('message', resolve))
  const { libp2p, transport } = await createNode({ privateKey: await generateKeyPair('Ed25519') })
  await libp2p.start()
  await transport.start(handlers('client'))
  const to = await transport.connect(address, { timeoutMs: 10_000 })
  const body = new Uint8Array(payloadBytes).fill(1)
  let isOver = false
  const echoUntilOver = async (): Promise<number> => {
    let count = 0
    for (; !isOver; count++) await transport.request(to, body, { timeoutMs: 10_000 })
    return count
  }
  for (const inFlight of [64, 1, 16, 64, 256]) {
    isOver = false
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    const timer = setTimeout(() => (isOver = true), secondsPerRun * 1_000)
    const counts = await Promise.all(Array.from({ length: inFlight }, echoUntilOver))
    clearTimeout(timer)
    const seconds = (performance.now() - startedAt) / 1_000
    const total = counts.reduce((sum, count) => sum + count, 0)
    const each = Math.round((seconds * 1e6 * inFlight) / total)
    const cpu = process.cpuUsage(cpuBefore)
    const cpuEach = ((cpu.user + cpu.system) / total).toFixed(1)
    console.log(
      `${inFlight} in flight: ${Math.round(total / seconds)} requests a second, ${each} us each, ${cpuEach} us of CPU here`
    )
  }
  await transport.stop()
  await libp2p.stop()
  server.kill()
}

await (process.argv[2] === 'serve' ? serve() : measure())
