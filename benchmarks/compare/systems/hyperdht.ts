/** HyperDHT, the hash table of Hyperswarm: over UDP, in memory, values signed by the owner of their key. */
import { hash } from 'node:crypto'
import { freePorts } from '../free-ports.ts'
import { load, missingPackage, nodeScript } from '../installed.ts'
import { KeyMissingError, type RunningSystem, type System } from '../system.ts'

const processes = 5

/** The part of the package hyperdht that is used, here and by the nodes. */
export interface HyperDhtPackage {
  readonly default: {
    new (init: object): HyperDht
    bootstrapper(port: number, host: string): HyperDht
    keyPair(seed: Buffer): KeyPair
  }
}

interface KeyPair {
  readonly publicKey: Buffer
}

interface HyperDht {
  fullyBootstrapped(): Promise<void>
  address(): { port: number }
  mutablePut(keyPair: KeyPair, value: Buffer, init: { seq: number }): Promise<unknown>
  mutableGet(publicKey: Buffer): Promise<object | null>
  immutablePut(value: Buffer): Promise<{ hash: Buffer }>
  immutableGet(hash: Buffer): Promise<object | null>
  destroy(): Promise<void>
}

type Access = Omit<RunningSystem, typeof Symbol.asyncDispose>

export const hyperdht: System = system(
  'hyperdht',
  'mutable records: signed, in memory at all five; a get has the newest that it meets',
  (dht, library) => {
    const pairs = new Map<string, KeyPair>()
    let seq = 0
    const pairOf = (key: string): KeyPair => {
      const pair = pairs.get(key) ?? library.keyPair(hash('sha256', key, 'buffer'))
      pairs.set(key, pair)
      return pair
    }
    return {
      put: (key, value) => dht.mutablePut(pairOf(key), Buffer.from(value), { seq: ++seq }),
      get: async key => {
        if ((await dht.mutableGet(pairOf(key).publicKey)) === null) throw new KeyMissingError(key)
      }
    }
  }
)

export const hyperdhtImmutable: System = system(
  'hyperdht-immutable',
  'values under their hash, which can not be changed: in memory at all five',
  dht => {
    const hashes = new Map<string, Buffer>()
    return {
      put: async (key, value) => {
        hashes.set(key, (await dht.immutablePut(Buffer.from(value))).hash)
      },
      get: async key => {
        const known = hashes.get(key)
        if (known === undefined || (await dht.immutableGet(known)) === null) throw new KeyMissingError(key)
      }
    }
  }
)

function system(
  name: string,
  promise: string,
  accessTo: (dht: HyperDht, library: HyperDhtPackage['default']) => Access
): System {
  return {
    name,
    promise,
    targets: { put: 2, get: 4 },
    missing: () => missingPackage('hyperdht'),
    async start({ belongings }) {
      const script = nodeScript('hyperdht-node.ts')
      const [port] = await freePorts(1)
      await belongings.spawn(script, ['found', String(port)]).says('ready')
      for (let i = 1; i < processes; i++) await belongings.spawn(script, ['join', String(port)]).says('ready')
      const { default: HyperDht } = await load<HyperDhtPackage>('hyperdht')
      const dht = new HyperDht({ bootstrap: [{ host: '127.0.0.1', port }], host: '127.0.0.1' })
      await dht.fullyBootstrapped()
      return { ...accessTo(dht, HyperDht), [Symbol.asyncDispose]: () => dht.destroy() }
    }
  }
}
