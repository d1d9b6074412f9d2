/** `annulus restore`: the last resort where most of those who decide on the ring are lost for good. */
import type { Command } from 'commander'
import type { Restoration } from '../api.ts'
import { addClientFlags, withClient, type ClientFlags, type TimeoutFlag } from './client.ts'
import { usageError } from './errors.ts'
import { findMember } from './members.ts'
import { print, printJson } from './terminal.ts'

interface RestoreFlags extends ClientFlags {
  readonly survivors: string[]
  readonly acceptLoss?: string
  readonly json?: boolean
}

/** All members are asked, and those that are gone take their time not to answer. */
const restoreTimeout: TimeoutFlag = { about: 'how long to wait', defaultMs: 20_000, mostMs: 60_000 }

export function defineRestore(command: Command): void {
  command
    .requiredOption(
      '--survivors <peers...>',
      'all members that are left, the one asked among them: peer ids, or 6 characters from their beginning or end'
    )
    .option('--accept-loss <cluster-id>', 'do it: the id of the cluster whose lost members are given up')
    .option('--json', 'print {"clusterId","epoch","survivors","lost","gone","atRisk","isDone"}')
  addClientFlags(command, restoreTimeout)
    .addHelpText(
      'after',
      `
For when so many members are lost for good that the others can no longer join, leave or remove anyone. Bring back
first whoever can be: what only the lost have is gone with this. It goes on with the survivors alone, and removes
all others. See to it that none of those runs where the survivors cannot be reached: it would answer on its own. One
that comes back later joins anew, with an empty store.

Without --accept-loss nothing is changed: it says what would be lost, and ends with exit code 2.

Examples:
  annulus restore --survivors x8mKqP dW3aTn
  annulus restore --survivors x8mKqP dW3aTn --accept-loss 6bd60a3cbb1e3e45e1eb0a4d5a4b0c9d`
    )
    .action((_options: unknown, self: Command) => restore(self.optsWithGlobals()))
}

async function restore(flags: RestoreFlags): Promise<void> {
  const { acceptLoss, json } = flags
  const restoration = await withClient(flags, async (client, signal) => {
    const members = await client.members({ signal })
    const survivors = flags.survivors.map(named => findMember(named, members))
    const accepted = acceptLoss === undefined ? {} : { acceptLoss }
    return client.restore(survivors, { ...accepted, deadline: flags.timeout, signal })
  })
  if (json === true) printJson(restoration)
  else print(formatRestoration(restoration))
  if (restoration.isDone) return
  throw usageError(
    'nothing was changed',
    `to give up what is lost, say so: --accept-loss ${restoration.clusterId}`
  )
}

/** Several lines: who goes on, who is given up, and what of all keys that concerns. */
export function formatRestoration(restoration: Restoration): string {
  const { clusterId, epoch, survivors, lost, gone, atRisk, isDone } = restoration
  const intact = Math.max(0, 1 - gone - atRisk)
  return [
    isDone
      ? `Cluster ${clusterId} goes on with its survivors, at epoch ${epoch}`
      : `Cluster ${clusterId} would go on with its survivors, from epoch ${epoch} on`,
    '',
    ...survivors.map(peerId => `  ${peerId} survives`),
    ...lost.map(peerId => `  ${peerId} is given up`),
    '',
    `Of all keys ${percent(intact)} lose nothing that was acknowledged,`,
    `${percent(atRisk)} have copies left that may lack the latest writes, or miss deletes,`,
    `${percent(gone)} have no copy left.`,
    ...(isDone
      ? ['', 'What is left is being copied among the survivors; annulus status shows how far that is.']
      : [])
  ].join('\n')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
