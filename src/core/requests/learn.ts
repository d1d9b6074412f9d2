/** The answering side of `Learn`: another peer sends entries of the log that this one may lack. */
import type { Learn } from '../../wire/generated/messages.ts'
import { ServeError } from '../ports.ts'
import type { ResponseBody } from '../rpc-types.ts'
import { LogConflictError, type TopologyLog } from '../topology/log.ts'
import { MalformedError } from '../topology/shapes.ts'

/** Done when what could be taken in is on disk. Throws ServeError where what was sent is not of this cluster's log. */
export async function serveLearn(log: Pick<TopologyLog, 'learn'>, message: Learn): Promise<ResponseBody> {
  try {
    if (message.log !== undefined) await log.learn(message.log)
    return { done: {} }
  } catch (error) {
    if (!(error instanceof MalformedError || error instanceof LogConflictError)) throw error
    throw new ServeError(
      'bad-request',
      error.message,
      error instanceof LogConflictError ? 'log' : 'malformed'
    )
  }
}
