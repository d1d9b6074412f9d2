/**
 * Redis Cluster: three masters with a replica each, TLS between them and to the client. Once as it comes, and once so
 * that an answered put is on two disks.
 */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeCertificate, type Certificate } from '../certificate.ts'
import { freePorts } from '../free-ports.ts'
import { load, missingPackage, missingProgram } from '../installed.ts'
import { KeyMissingError, type RunningSystem, type StartInit, type System } from '../system.ts'

const nodes = 6

/** The command that makes the nodes a cluster takes seconds; by then it has failed, in ms. */
const createTimeoutMs = 60_000

/** How long a put waits for the replica at most, in ms. */
const waitTimeoutMs = 10_000

/** The part of the package ioredis that is used. */
interface IoRedis {
  readonly Cluster: new (nodes: Array<{ host: string; port: number }>, init: object) => RedisCluster
}

interface RedisCluster {
  set(key: string, value: Buffer): Promise<unknown>
  getBuffer(key: string): Promise<Buffer | null>
  pipeline(): RedisPipeline
  on(event: 'error', listener: (error: Error) => void): void
  disconnect(): void
}

interface RedisPipeline {
  set(key: string, value: Buffer): RedisPipeline
  wait(replicas: number, timeoutMs: number): RedisPipeline
  exec(): Promise<Array<[Error | null, unknown]> | null>
}

type Durability = 'everysec' | 'always'

export const redis: System = {
  name: 'redis',
  promise: 'none: a put is answered before it is on a disk or at a replica',
  targets: {},
  missing,
  start: init => start('everysec', init)
}

export const redisDurable: System = {
  name: 'redis-fsync-wait',
  promise: 'a put is on two disks (appendfsync always, WAIT 1); not linearizable across a failover',
  targets: { put: 2 },
  missing,
  start: init => start('always', init)
}

function missing(): string | undefined {
  return missingPackage('ioredis') ?? missingProgram(['redis-server', 'redis-cli'], 'redis-server')
}

async function start(
  durability: Durability,
  { belongings, signal, maxInFlight }: StartInit
): Promise<RunningSystem> {
  const certificate = makeCertificate(belongings.folder)
  const ports = await freePorts(nodes * 2)
  const clientPorts = ports.slice(0, nodes)
  for (const [i, port] of clientPorts.entries()) {
    const folder = join(belongings.folder, `node-${i}`)
    mkdirSync(folder)
    const flags = flagsOf({ port, busPort: ports[nodes + i]!, folder, durability, certificate })
    const child = belongings.spawnProgram('redis-server', flags)
    await child.until(() => redisCli(['-p', String(port), 'ping'], certificate, signal))
  }
  const addresses = clientPorts.map(port => `127.0.0.1:${port}`)
  const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']
  await redisCli(create, certificate, signal)
  const { Cluster } = await load<IoRedis>('ioredis')
  const connect = (): RedisCluster => {
    const seeds = clientPorts.map(port => ({ host: '127.0.0.1', port }))
    const tls = { ca: certificate.certificate }
    const client = new Cluster(seeds, { enableAutoPipelining: true, redisOptions: { tls } })
    // Operations that fail say so themselves.
    client.on('error', () => undefined)
    return client
  }
  return durability === 'always' ? durableClient(connect, maxInFlight) : plainClient(connect())
}

function plainClient(client: RedisCluster): RunningSystem {
  return {
    put: (key, value) => client.set(key, Buffer.from(value)),
    get: key => getFrom(client, key),
    [Symbol.asyncDispose]: () => {
      client.disconnect()
      return Promise.resolve()
    }
  }
}

/** A WAIT holds up all that comes after it on its connection: so each put under way has connections of its own. */
function durableClient(connect: () => RedisCluster, count: number): RunningSystem {
  const reader = connect()
  const writers = Array.from({ length: count }, connect)
  const free = [...writers]
  return {
    put: async (key, value) => {
      const writer = free.pop()
      if (writer === undefined) throw new Error(`more than ${count} puts are under way`)
      try {
        const answers = await writer.pipeline().set(key, Buffer.from(value)).wait(1, waitTimeoutMs).exec()
        const error = answers?.find(([failed]) => failed !== null)?.[0]
        if (error) throw error
        if (answers?.[1]?.[1] !== 1) throw new Error(`${key} did not reach a replica in time`)
      } finally {
        free.push(writer)
      }
    },
    get: key => getFrom(reader, key),
    [Symbol.asyncDispose]: () => {
      for (const client of [reader, ...writers]) client.disconnect()
      return Promise.resolve()
    }
  }
}

async function getFrom(client: RedisCluster, key: string): Promise<void> {
  if ((await client.getBuffer(key)) === null) throw new KeyMissingError(key)
}

interface NodeInit {
  readonly port: number
  readonly busPort: number
  readonly folder: string
  readonly durability: Durability
  readonly certificate: Certificate
}

function flagsOf({ port, busPort, folder, durability, certificate }: NodeInit): string[] {
  const settings = {
    bind: '127.0.0.1',
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': certificate.certificateFile,
    'tls-key-file': certificate.keyFile,
    'tls-ca-cert-file': certificate.certificateFile,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
    'tls-cluster': 'yes',
    'cluster-enabled': 'yes',
    'cluster-port': String(busPort),
    dir: folder,
    save: '',
    appendonly: 'yes',
    appendfsync: durability
  }
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
}

async function redisCli(
  args: readonly string[],
  { certificateFile }: Certificate,
  signal: AbortSignal
): Promise<void> {
  await promisify(execFile)('redis-cli', ['--tls', '--cacert', certificateFile, ...args], {
    signal,
    timeout: createTimeoutMs
  })
}
