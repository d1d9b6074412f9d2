/**
 * From the settings of the command line to what `createPeer` takes: checks addresses and reads the key and
 * allow files, so that a mistake is named by the flag it was made in. Used by `start` and `cluster`.
 */
import type { PeerInit } from '../api.ts'
import { allowFilesOf, readAllowLists } from './allow-lists.ts'
import { CommandError, exitCodes, usageError } from './errors.ts'
import { readNamedFile } from './named-file.ts'
import type { ResolvedSettings, SettingName } from './settings.ts'

/** How a libp2p pre-shared key file begins (libp2p spec, pnet/Private-Networks-PSK-V1). */
export const keyFileHeader = '/key/swarm/psk/1.0.0/'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What the settings say of the peer; where to listen and to keep data is left to the caller. */
export async function peerInit(settings: ResolvedSettings): Promise<Writable<PeerInit>> {
  const { values, origins } = settings
  for (const name of ['listen', 'announce', 'join'] as const) {
    await checkAddresses(values[name] ?? [], origins[name] ?? name)
  }
  const init: Writable<PeerInit> = {}
  if (values.listen !== undefined) init.listen = values.listen
  if (values.announce !== undefined) init.announce = values.announce
  if (values.join !== undefined) init.join = values.join
  if (values.replicas !== undefined) init.replicas = values.replicas
  if (values.vnodes !== undefined) init.vnodes = values.vnodes
  if (values.network !== undefined) init.network = values.network
  if (values.removeAfter !== undefined) init.removeAfter = values.removeAfter
  if (values.transferRate !== undefined) init.transferRate = values.transferRate
  if (values.scrubRate !== undefined) init.scrubRate = values.scrubRate
  if (values.maxDisk !== undefined) init.maxDiskBytes = values.maxDisk
  if (values.networkKey !== undefined)
    init.networkKey = await readNetworkKey(values.networkKey, originOf('networkKey'))
  return { ...init, ...(await readAllowLists(allowFilesOf(settings))) }

  function originOf(name: SettingName): string {
    return origins[name] ?? name
  }
}

/** Throws a usage error for the first text that is no multiaddr of a TCP port, which is all that peers speak. */
export async function checkAddresses(addresses: readonly string[], origin: string): Promise<void> {
  if (addresses.length === 0) return
  const { multiaddr } = await import('@multiformats/multiaddr')
  for (const address of addresses) {
    try {
      multiaddr(address)
    } catch (error) {
      throw new CommandError(
        exitCodes.usage,
        `${origin}: ${address} is no multiaddr`,
        'write it like /ip4/127.0.0.1/tcp/4001',
        { cause: error }
      )
    }
    if (!/\/tcp\/\d+/.test(address)) {
      throw usageError(`${origin}: ${address} names no TCP port`, 'write it like /ip4/127.0.0.1/tcp/4001')
    }
  }
}

/** Reads a private network's key; what it must look like is libp2p's, that it is one at all is checked here. */
export async function readNetworkKey(path: string, origin: string): Promise<Uint8Array> {
  const key = await readNamedFile({ path, origin })
  if (!key.toString('latin1').startsWith(keyFileHeader)) {
    throw usageError(`${origin}: ${path} is no key file`, `it must begin with ${keyFileHeader}`)
  }
  return key
}
