/** `annulus remove`: removes a member that will not come back. */
import type { Command } from 'commander'
import { addClientFlags, withClient, type ClientFlags } from './client.ts'
import { departureTimeout, findMember, showDeparture } from './members.ts'
import { print, printJson, say } from './terminal.ts'

interface RemoveFlags extends ClientFlags {
  readonly acceptLoss?: boolean
  readonly json?: boolean
}

export function defineRemove(command: Command): void {
  command
    .argument('<peer>', 'its peer id, or at least 6 characters from its beginning or end')
    .option('--accept-loss', 'go on even where the last copies of some records are lost with it')
    .option('--json', 'print {"peerId","standing"}')
  addClientFlags(command, departureTimeout)
    .addHelpText(
      'after',
      `
Waits until what the member held is replicated elsewhere. Refused where records would be lost, unless
--accept-loss is given. A member that answers should leave instead: annulus leave.

Examples:
  annulus remove x8mKqP                   remove the member whose peer id ends so
  annulus remove x8mKqP --accept-loss     remove it even if its records have no other copy`
    )
    .action((peer: string, _options: unknown, self: Command) => remove(peer, self.optsWithGlobals()))
}

async function remove(named: string, flags: RemoveFlags): Promise<void> {
  const acceptLoss = flags.acceptLoss === true
  const peerId = await withClient(flags, async (client, signal) => {
    const found = findMember(named, await client.members({ signal }))
    say(`removing ${found}; what it held is replicated anew`)
    await showDeparture(client, options => client.remove(found, { ...options, acceptLoss }), {
      timeoutMs: flags.timeout,
      signal
    })
    return found
  })
  if (flags.json === true) printJson({ peerId, standing: 'removed' })
  else print(`${peerId} is removed`)
}
