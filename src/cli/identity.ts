/** `annulus identity`: makes an identity for a client, and says whose peer id it is, for `--allow-clients`. */
import { Argument, type Command } from 'commander'
import { isSystemError, usageError } from './errors.ts'
import { print } from './terminal.ts'

export function defineIdentity(command: Command): void {
  command
    .addArgument(new Argument('<action>', 'make one, or show the peer id of one').choices(['new', 'show']))
    .argument('<file>', 'where it is; a new one is never written over a file that exists')
    .addHelpText(
      'after',
      `
A client has another peer id each time unless it is given an identity, with --identity FILE or ANNULUS_IDENTITY. Peers
that are started with --allow-clients let in those clients whose peer ids are on that list. Whoever reads the file can
pass for that client, so it is readable by its owner alone.

Examples:
  annulus identity new reader.identity              prints the peer id
  annulus identity show reader.identity             prints it again
  annulus start --allow members --allow-clients clients
  annulus get greeting --identity reader.identity`
    )
    .action((action: string, file: string) => (action === 'new' ? make(file) : show(file)))
}

async function make(file: string): Promise<void> {
  const { writeNewIdentity } = await import('../client-identity.ts')
  try {
    print(await writeNewIdentity(file))
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error
    throw usageError(`${file} exists, and may be an identity in use`, 'give another file')
  }
}

async function show(file: string): Promise<void> {
  const { readIdentity } = await import('../client-identity.ts')
  const { peerIdFromPrivateKey } = await import('@libp2p/peer-id')
  print(peerIdFromPrivateKey(await readIdentity(file)).toString())
}
