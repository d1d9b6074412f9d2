/** A log of real entries, and remotes, for the tests of requests and of clients. */
import type { MemberId } from '../../../src/core/member.ts'
import type { Remote } from '../../../src/core/ports.ts'
import { entryToWire } from '../../../src/core/topology/codec.ts'
import { TopologyLog } from '../../../src/core/topology/log.ts'
import { FakeMetaStore, silent } from '../topology/fakes.ts'
import { clusterId, entryOf, id } from '../topology/script.ts'

/** A log after the statements of a script; see script.ts. */
export async function logOf(script = ''): Promise<TopologyLog> {
  const log = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
  await advance(log, script)
  return log
}

export async function advance(log: TopologyLog, script: string): Promise<void> {
  for (const statement of script.split(';').filter(text => text.trim() !== '')) {
    await log.learn({ entries: [entryToWire(entryOf(log.current, statement))] })
  }
}

export function remoteOf(name: string, init: Partial<Remote> = {}): Remote {
  const member: MemberId = id(name)
  return {
    ...member,
    network: 'test',
    clusterId,
    generation: 0,
    role: 'peer',
    boot: 1,
    epoch: 0,
    ...init
  }
}

/** An error's class and text, or that there was none. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error
  )
}
