/** `annulus plan`: what a change of the members would move, before it is made. */
import type { Command } from 'commander'
import type { Change, Client, Plan } from '../api.ts'
import { maxVnodes } from '../core/limits.ts'
import { addClientFlags, withClient, type ClientFlags, type TimeoutFlag } from './client.ts'
import { CommandError, exitCodes, usageError } from './errors.ts'
import { findMember } from './members.ts'
import { formatPlan } from './plan-table.ts'
import { canAnimate, print, printJson } from './terminal.ts'

interface PlanFlags extends ClientFlags {
  /** True where no peer id is given. */
  readonly join?: string | true
  readonly vnodes?: string
  readonly leave?: string
  readonly json?: boolean
}

/** How long all that would move may take to be counted, one member after the other: some 60,000 records a second. */
const planTimeout: TimeoutFlag = {
  about: 'how long the counting may take',
  defaultMs: 10 * 60_000,
  mostMs: 24 * 60 * 60_000
}

/** A plan that takes longer than this, in ms, shows how far it is. */
const progressAfterMs = 1_000

export function definePlan(command: Command): void {
  command
    .option('--join [peer-id]', 'a peer joins: this one, or one whose peer id is not known')
    .option('--vnodes <n>', 'virtual nodes of the one that joins (default: 128)')
    .option(
      '--leave <peer>',
      'a member leaves: its peer id, or at least 6 characters from its beginning or end'
    )
    .option(
      '--json',
      'print {"change","records","bytes","share",...,"moves":[{"from","to","records","bytes"},...]}'
    )
  addClientFlags(command, planTimeout)
    .addHelpText(
      'after',
      `
Counts the records (tombstones among them) of each range that would have another replica, and changes nothing.
Where a joiner's tokens lie follows from its peer id. Without one, the plan is made for a made-up peer that gets
a middling share: what a joiner would typically move. In the JSON "to" is null then.

Examples:
  annulus plan --join                     a peer with 128 virtual nodes joins
  annulus plan --join --vnodes 256        a peer joins that is to hold twice as much
  annulus plan --leave x8mKqP             the member whose peer id ends so leaves
  annulus plan --join --json | jq .bytes  for programs`
    )
    .action((_options: unknown, self: Command) => plan(self.optsWithGlobals()))
}

async function plan(flags: PlanFlags): Promise<void> {
  const ask = await readChange(flags)
  const found = await withClient(flags, async (client, signal) => {
    const limit = AbortSignal.timeout(flags.timeout)
    const either = AbortSignal.any([signal, limit])
    const line = progressLine()
    try {
      return await client.plan(await ask(client, either), { signal: either, onProgress: line.show })
    } catch (error) {
      if (!limit.aborted || signal.aborted) throw error
      throw new CommandError(
        exitCodes.error,
        'the counting took too long',
        'give it more time with --timeout'
      )
    } finally {
      line.clear()
    }
  })
  if (flags.json === true) printJson(planDocument(found))
  else print(formatPlan(found))
}

/** What the flags ask for; a member that leaves is looked up when there is a client. Throws usage errors. */
async function readChange({
  join,
  vnodes,
  leave
}: PlanFlags): Promise<(client: Client, signal: AbortSignal) => Promise<Change>> {
  if (join === undefined && leave === undefined)
    throw usageError('no change is named', 'give --join, or --leave with a member')
  if (join !== undefined && leave !== undefined)
    throw usageError('--join and --leave contradict each other', 'plan one change at a time')
  if (leave !== undefined) {
    if (vnodes !== undefined) throw usageError('--vnodes is for --join', 'a member leaves with those it has')
    return async (client, signal) => ({
      kind: 'leave',
      peerId: findMember(leave, await client.members({ signal }))
    })
  }
  const change: Change = {
    kind: 'join',
    ...(vnodes !== undefined && { vnodes: readVnodes(vnodes) }),
    ...(typeof join === 'string' && { peerId: await readPeerId(join) })
  }
  return () => Promise.resolve(change)
}

function readVnodes(text: string): number {
  const vnodes = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (vnodes >= 1 && vnodes <= maxVnodes) return vnodes
  throw usageError(`--vnodes is "${text}"`, `give a whole number from 1 to ${maxVnodes}`)
}

/** In the one spelling that members have. */
async function readPeerId(text: string): Promise<string> {
  const { peerIdFromString } = await import('@libp2p/peer-id')
  try {
    return peerIdFromString(text).toString()
  } catch {
    throw usageError(`--join: ${text} is no peer id`, 'give one such as 12D3KooW..., or none')
  }
}

/** The document that scripts rely on: these fields, by these names, whatever else the library adds. */
export function planDocument(plan: Plan): unknown {
  const { change, records, bytes, share, expectedShare, copies, epoch, isUnderWay, moves } = plan
  return {
    change,
    records,
    bytes,
    share,
    expectedShare,
    copies,
    epoch,
    isUnderWay,
    moves: moves.map(move => ({
      from: move.from,
      to: move.to,
      records: move.records,
      bytes: move.bytes
    }))
  }
}

/** A line on a terminal that says how far the counting is, once it takes long; nothing elsewhere. */
function progressLine(): {
  readonly show: (progress: { readonly done: number; readonly total: number }) => void
  readonly clear: () => void
} {
  const began = performance.now()
  let isShown = false
  const draw = (text: string): boolean => process.stderr.write(`\r\u001b[K${text}`)
  return {
    show: ({ done, total }) => {
      if (!canAnimate() || performance.now() - began < progressAfterMs) return
      isShown = true
      draw(`counting: ${done} of ${total} ranges`)
    },
    clear: () => {
      if (isShown) draw('')
    }
  }
}
