/**
 * What was put through any peer is read through any other at once, a thousand times in a row with no wait
 * between: with clocks that agree, and with clocks that are half a minute apart both ways.
 */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '../../src/api.ts'
import { start } from '../../test/support/command.ts'
import { createClient } from './library.ts'
import { expect, seen } from './report.ts'

const rounds = 1_000

/** Few, so that most puts overwrite what another peer has stamped. */
const keyCount = 20

/** How far each peer's clock is ahead, in ms. */
const clocks = {
  'that agree': [0, 0, 0, 0, 0],
  '30 s apart both ways': [0, 30_000, -30_000, 30_000, -30_000]
}

const skewedPeer = fileURLToPath(new URL('skewed-peer.ts', import.meta.url))

export async function readAtOnce(folder: string): Promise<void> {
  for (const [name, skews] of Object.entries(clocks)) {
    const addresses: string[] = []
    for (const [i, skewMs] of skews.entries()) {
      const args = [String(skewMs), join(folder, `${name} ${i}`), ...addresses.slice(0, 1)]
      addresses.push(...(await start(args, { script: skewedPeer }).ready()))
    }
    for (const mode of ['forward', 'direct'] as const) {
      const clients = await Promise.all(addresses.map(address => createClient({ peers: [address], mode })))
      await putAndRead(clients, `${mode} clients of ${skews.length} peers with clocks ${name}`)
      await Promise.all(clients.map(client => client.close()))
    }
  }
}

async function putAndRead(clients: readonly Client[], who: string): Promise<void> {
  const began = performance.now()
  let deletes = 0
  for (let round = 0; round < rounds; round++) {
    const key = `key ${randomInt(keyCount)}`
    const writer = randomInt(clients.length)
    const reader = (writer + 1 + randomInt(clients.length - 1)) % clients.length
    const isDelete = randomInt(5) === 0
    if (isDelete) await clients[writer]!.delete(key)
    else await clients[writer]!.put(key, Buffer.from(`round ${round}`))
    const found = await clients[reader]!.get(key)
    const text = found === undefined ? undefined : Buffer.from(found.value).toString()
    const isRead = text === (isDelete ? undefined : `round ${round}`)
    expect(isRead, `round ${round}: put through ${writer}, read "${text ?? 'nothing'}" through ${reader}`)
    if (isDelete) deletes++
  }
  const ms = performance.now() - began
  const what = `${rounds - deletes} puts and ${deletes} deletes, each read at once through another`
  seen(`  ${who}: ${what}; ${(ms / rounds).toFixed(2)} ms a round`)
}
