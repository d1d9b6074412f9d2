/** `annulus status`: the members and how they are. */
import type { Command } from 'commander'
import type { Status } from '../api.ts'
import { addClientFlags, withClient, type ClientFlags } from './client.ts'
import { formatStatus } from './status-table.ts'
import { print, printJson } from './terminal.ts'

interface StatusFlags extends ClientFlags {
  readonly json?: boolean
}

export function defineStatus(command: Command): void {
  command.option('--json', 'print one JSON document')
  addClientFlags(command)
    .addHelpText(
      'after',
      `
The first letter says whether a member answers: U up, S suspect, D down. The second how it stands in the
cluster: N normal, J joining, L leaving, R being removed, X left or removed. Share is what it holds of all copies.

Examples:
  annulus status                          a table
  annulus status --json | jq .epoch       for programs`
    )
    .action((_options: unknown, self: Command) => status(self.optsWithGlobals()))
}

async function status(flags: StatusFlags): Promise<void> {
  const found = await withClient(flags, (client, signal) =>
    client.status({ deadline: flags.timeout, signal })
  )
  if (flags.json === true) printJson(statusDocument(found))
  else print(formatStatus(found))
}

/** The document that scripts rely on: these fields, by these names, whatever else the library adds. */
export function statusDocument(status: Status): unknown {
  const { network, clusterId, epoch, replicas, purgedBefore, members, transition, transfers } = status
  return {
    network,
    clusterId,
    epoch,
    replicas,
    purgedBefore,
    members: members.map(member => ({
      peerId: member.peerId,
      life: member.life,
      addresses: member.addresses,
      standing: member.standing,
      liveness: member.liveness,
      vnodes: member.vnodes,
      share: member.share,
      records: member.records,
      bytes: member.bytes,
      damaged: member.damaged,
      trouble: member.trouble,
      sentRecords: member.sentRecords,
      sentBytes: member.sentBytes,
      refused: member.refused,
      limits: member.limits,
      version: member.version
    })),
    transition,
    transfers
  }
}
