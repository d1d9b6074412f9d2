/** `annulus key new`: makes the key of a private network, for `--network-key`. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Argument, type Command } from 'commander'
import { isSystemError, usageError } from './errors.ts'
import { keyFileHeader } from './peer-init.ts'
import { print } from './terminal.ts'

/** Bytes of a pre-shared key (libp2p spec, pnet/Private-Networks-PSK-V1). */
const keyBytes = 32

/** Whoever reads the file can connect, so nobody but its owner may. */
const ownerOnly = 0o600

export function defineKey(command: Command): void {
  command
    .addArgument(new Argument('<action>', 'what to do').choices(['new']))
    .argument('[file]', 'where to write it; a file that exists is left alone (default: standard output)')
    .addHelpText(
      'after',
      `
Every peer and client of a private network needs the same key; who has another one, or none, cannot connect.
The file is readable by its owner alone. Copy it by a way that nobody listens to.

Examples:
  annulus key new network.key             make a key
  annulus start --network-key network.key`
    )
    .action((_action: string, file: string | undefined) => make(file))
}

async function make(file: string | undefined): Promise<void> {
  const key = `${keyFileHeader}\n/base16/\n${randomBytes(keyBytes).toString('hex')}`
  if (file === undefined) {
    print(key)
    return
  }
  try {
    await writeFile(file, `${key}\n`, { flag: 'wx', mode: ownerOnly })
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error
    throw usageError(`${file} exists, and may be the key of a network in use`, 'give another file')
  }
}
