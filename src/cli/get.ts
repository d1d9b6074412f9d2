/** `annulus get`: writes a value's raw bytes to stdout or a file. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Consistency } from '../api.ts'
import { addClientFlags, addConsistencyFlag, checkKey, withClient, type ClientFlags } from './client.ts'
import { CommandError, exitCodes } from './errors.ts'
import { printBytes } from './terminal.ts'

interface GetFlags extends ClientFlags {
  readonly out?: string
  readonly consistency: Consistency
}

export function defineGet(command: Command): void {
  command.argument('<key>', 'the key').option('--out <file>', 'write to this file instead')
  addClientFlags(addConsistencyFlag(command))
    .addHelpText(
      'after',
      `
Exits with 3 where there is no such key.

Examples:
  annulus get greeting                    print a value
  annulus get photo --out cat.jpg         write it to a file
  annulus get backup | tar t              hand it to another program`
    )
    .action((key: string, _options: unknown, self: Command) => get(key, self.optsWithGlobals()))
}

async function get(key: string, flags: GetFlags): Promise<void> {
  checkKey(key)
  const found = await withClient(flags, (client, signal) =>
    client.get(key, { deadline: flags.timeout, signal, consistency: flags.consistency })
  )
  if (found === undefined) {
    throw new CommandError(
      exitCodes.notFound,
      `there is no key ${JSON.stringify(key)}`,
      'annulus put stores one'
    )
  }
  if (flags.out === undefined) printBytes(found.value)
  else await writeFile(flags.out, found.value)
}
