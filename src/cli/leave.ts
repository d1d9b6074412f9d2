/** `annulus leave`: a member hands over what it holds and goes for good. */
import type { Command } from 'commander'
import { addClientFlags, findPeers, withClient, type ClientFlags } from './client.ts'
import { usageError } from './errors.ts'
import { departureTimeout, findMember, showDeparture } from './members.ts'
import { print, printJson, say } from './terminal.ts'

interface LeaveFlags extends ClientFlags {
  readonly json?: boolean
}

export function defineLeave(command: Command): void {
  command
    .argument(
      '[peer]',
      'its peer id, or at least 6 characters from its beginning or end (default: the one asked)'
    )
    .option('--json', 'print {"peerId","standing"}')
  addClientFlags(command, departureTimeout)
    .addHelpText(
      'after',
      `
Shows how the records move until the member is gone. To stop a peer for a while, just stop it: it stays a member.

Examples:
  annulus leave                           the peer that runs here leaves
  annulus leave x8mKqP                    the member whose peer id ends so leaves`
    )
    .action((peer: string | undefined, _options: unknown, self: Command) =>
      leave(peer, self.optsWithGlobals())
    )
}

async function leave(named: string | undefined, flags: LeaveFlags): Promise<void> {
  const asked = named ?? (await askedPeer(flags))
  const peerId = await withClient(flags, async (client, signal) => {
    const found = findMember(asked, await client.members({ signal }))
    say(`${found} hands over what it holds, then leaves`)
    await showDeparture(client, options => client.leave(found, options), { timeoutMs: flags.timeout, signal })
    return found
  })
  if (flags.json === true) printJson({ peerId, standing: 'left' })
  else print(`${peerId} has left`)
}

/** The peer id in the address of the peer that is asked. */
async function askedPeer(flags: LeaveFlags): Promise<string> {
  const { peers, origin } = await findPeers(flags, process.env)
  const ids = new Set(peers.map(address => /\/p2p\/([^/]+)$/.exec(address)?.[1]))
  const [id] = ids
  if (ids.size === 1 && id !== undefined) return id
  throw usageError(
    `the address from ${origin} does not say which peer is to leave`,
    'name it: annulus leave PEER'
  )
}
