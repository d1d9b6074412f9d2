/** The floor: bare frames over libp2p streams, with the fan-out, the rounds and the syncs of Annulus's own requests. */
import { rawGet, rawPut, roundsOf } from '../../peers/cases.ts'
import { RawStreams } from '../../raw/raw-streams.ts'
import type { System } from '../system.ts'

const processes = 5

export const raw: System = {
  name: 'raw',
  promise: 'none: echoes, of which those of a put are synced to disk; done when a quorum has answered',
  targets: { put: 0.6, get: 0.7 },
  missing: () => undefined,
  async start({ belongings, replicas }) {
    const streams = await RawStreams.open(belongings, processes)
    const rounds = roundsOf(replicas)
    return {
      put: rawPut(streams, rounds),
      get: rawGet(streams, rounds),
      [Symbol.asyncDispose]: () => streams[Symbol.asyncDispose]()
    }
  }
}
