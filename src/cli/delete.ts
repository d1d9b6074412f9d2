/** `annulus delete`: deletes a key. */
import type { Command } from 'commander'
import type { Consistency } from '../api.ts'
import { addClientFlags, addConsistencyFlag, checkKey, withClient, type ClientFlags } from './client.ts'
import { print, printJson } from './terminal.ts'
import { plural } from './units.ts'

interface DeleteFlags extends ClientFlags {
  readonly consistency: Consistency
  readonly json?: boolean
}

export function defineDelete(command: Command): void {
  command.argument('<key>', 'the key').option('--json', 'print {"key","version","replicas"}')
  addClientFlags(addConsistencyFlag(command))
    .addHelpText(
      'after',
      `
Prints the version of the deletion and how many replicas have it on disk.

Examples:
  annulus delete greeting                 delete one key`
    )
    .action((key: string, _options: unknown, self: Command) => remove(key, self.optsWithGlobals()))
}

async function remove(key: string, flags: DeleteFlags): Promise<void> {
  checkKey(key)
  const { version, replicas } = await withClient(flags, (client, signal) =>
    client.delete(key, { deadline: flags.timeout, signal, consistency: flags.consistency })
  )
  if (flags.json === true) printJson({ key, version, replicas })
  else print(`${version} on ${plural(replicas, 'replica')}`)
}
