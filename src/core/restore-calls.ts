/** A restore that a client asks a peer for: both ends of it. */
import type { Restoration, RestoreOptions } from '../api.ts'
import type { Restore, RestoreAnswer } from '../wire/generated/messages.ts'
import type { CancelSignal } from './canceller.ts'
import { fromJson, toJson } from './describe.ts'
import { AnnulusError } from './errors.ts'
import { throwFailure, toFailure } from './forward.ts'
import { maxMembers } from './limits.ts'
import type { Restorer } from './restore.ts'
import type { ResponseBody } from './rpc-types.ts'

export function toRestore(survivors: readonly string[], { acceptLoss = '' }: RestoreOptions): Restore {
  return { survivors: [...survivors], acceptLoss }
}

/** Carries out what a client asked for. A refusal goes back whole: no other peer would say otherwise. */
export async function serveRestore(
  restorer: Restorer,
  { survivors, acceptLoss }: Restore,
  signal: CancelSignal
): Promise<ResponseBody> {
  const nothing = new Uint8Array()
  try {
    if (survivors.length > maxMembers) {
      throw new AnnulusError(
        'ERR_INVALID',
        `${survivors.length} survivors are more than a cluster has members`
      )
    }
    const accepted = acceptLoss === '' ? {} : { acceptLoss }
    return { restore: { json: toJson(await restorer.restore({ survivors, signal, ...accepted })) } }
  } catch (error) {
    if (!(error instanceof AnnulusError) || error.code === 'ERR_UNREACHABLE') throw error
    return { restore: { json: nothing, failure: toFailure(error) } }
  }
}

/** Throws the AnnulusError that the peer answered with. */
export function fromRestoreAnswer(answer: RestoreAnswer): Restoration {
  throwFailure(answer)
  // Shown, never acted on; the peer that made it is trusted with more than that.
  return fromJson(answer.json) as Restoration
}
